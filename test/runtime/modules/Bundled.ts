/** What a bundle does when it runs: its text in a context of its own, as a script of a browser or of Node. */
import * as Vm from "node:vm"

export const resultOf = (code: string, isNode = false): unknown => {
  const context = Vm.createContext(isNode ? { require: (id: string) => process.getBuiltinModule(id) } : {})
  Vm.runInContext(code, context)
  return JSON.parse(JSON.stringify(context["result"]))
}
