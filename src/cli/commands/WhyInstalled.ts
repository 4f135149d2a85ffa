/** `ls-cli why <name>`: through whom a package came into a project, as chains that begin at the project. */
import * as Effect from "effect/Effect"
import * as NodePath from "node:path"
import { NotInstalled } from "../../runtime/install/InstallError.ts"
import { Output } from "../Output.ts"
import * as Installed from "./Installed.ts"
import * as Select from "./Select.ts"

/** Chains shown for one package; there may be as many as there are ways through the tree. */
const CHAINS_MAX = 10

const labelOf = ({ name, version }: Installed.Package): string => `${name}@${version}`

/** For each package that uses `key`, the shortest way from the project to it. */
const chainsTo = ({ packages, project }: Installed.Tree, key: string): ReadonlyArray<ReadonlyArray<string>> => {
  const ways = new Map<string, ReadonlyArray<string>>()
  const queue: Array<string> = []
  for (const root of Object.values(project)) {
    if (ways.has(root)) continue
    ways.set(root, [root])
    queue.push(root)
  }
  const users: Array<string> = []
  for (let at = 0; at < queue.length; at++) {
    const user = queue[at]!
    const targets = Object.values(packages[user]?.dependencies ?? {})
    if (targets.includes(key)) users.push(user)
    for (const target of targets) {
      if (ways.has(target)) continue
      ways.set(target, [...ways.get(user)!, target])
      queue.push(target)
    }
  }
  const direct = Object.values(project).includes(key) ? [[key]] : []
  return [...direct, ...users.map((user) => ways.get(user)!.concat(key))]
}

const linesOf = (chains: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const lines = chains.slice(0, CHAINS_MAX).map((chain) => `  the project > ${chain.join(" > ")}`)
  return chains.length > CHAINS_MAX ? lines.concat(`  … and ${chains.length - CHAINS_MAX} more`) : lines
}

export const run = Effect.fnUntraced(function* (nameText: string, { dir }: { readonly dir: string }) {
  const output = yield* Output
  const directory = NodePath.resolve(dir)
  const name = yield* Select.nameOf(nameText)
  const tree = yield* Installed.read(directory)
  const found = Object.entries(tree.packages)
    .filter(([, each]) => each.name === name)
    .map(([key, each]) => {
      const chains = chainsTo(tree, key).map((chain) =>
        chain.flatMap((each) => {
          const one = tree.packages[each]
          return one === undefined ? [] : [labelOf(one)]
        })
      )
      return { name, version: each.version, publisher: each.publisher, chains }
    })
  if (found.length === 0) {
    const hint = "ls-cli list --all shows everything; ls-cli resolve <spec> --why shows how a release is chosen."
    return yield* new NotInstalled({ project: directory, names: [name], hint })
  }
  yield* output.result(
    { dir: directory, packages: found },
    found.flatMap(({ chains, name, publisher, version }) =>
      [`${name}@${version}  by ${publisher}`].concat(linesOf(chains))
    )
  )
})
