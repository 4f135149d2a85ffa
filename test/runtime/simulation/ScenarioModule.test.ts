import { assert, describe, it } from "@effect/vitest"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import * as ScenarioModule from "../../../src/runtime/simulation/ScenarioModule.ts"

const source = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`

const play = "play: () => undefined"

describe("ScenarioModule", () => {
  it("loads the library's own scenarios where no module is named", async () => {
    const scenarios = await ScenarioModule.load(undefined)
    assert.isArray(scenarios)
    const names = new Set(typeof scenarios === "string" ? [] : scenarios.map(({ name }) => name))
    assert.strictEqual(names.size, scenarios.length)
    assert.isTrue(names.has("crowded-name"))
  })

  it("loads one scenario, or a list", async () => {
    const one = await ScenarioModule.load(source(`export default { name: "a", about: "", ${play} }`))
    assert.strictEqual(one.length, 1)
    const module = pathToFileURL(Path.join(import.meta.dirname, "SmallScenarios.ts")).href
    assert.isAbove((await ScenarioModule.load(module)).length, 5)
  })

  it.each([
    ["nothing exported", "export const a = 1", "no default export"],
    ["not a scenario", "export default 5", "no scenario"],
    ["an empty list", "export default []", "empty list"],
    ["a list with something else", `export default [{ name: "a", about: "", ${play} }, 3]`, "position 2"],
    ["a name with a space", `export default { name: "a b", about: "", ${play} }`, "no name for a scenario"],
    ["one name twice", `const a = { name: "a", about: "", ${play} }; export default [a, a]`, "two scenarios named a"],
    ["a module that throws", "throw new Error('broken')", "broken"],
    ["no JavaScript", "export default {{", "SyntaxError"]
  ])("says what is wrong: %s", async (_, text, problem) => {
    const loaded = await ScenarioModule.load(source(text))
    assert.isString(loaded)
    assert.include(loaded, problem)
  })
})
