/** `ls-cli why <name>`: through whom a package came into a project, as chains that begin at the project. */
import * as Effect from "effect/Effect"
import * as NodePath from "node:path"
import { NotInstalled } from "../../runtime/install/InstallError.ts"
import { Output } from "../Output.ts"
import * as Installed from "./Installed.ts"
import * as Select from "./Select.ts"

/** Chains shown for one package; there may be as many as there are ways through the tree. */
const CHAINS_MAX = 10

/** `name@version`, and before it the name under which it is seen where that is another one. */
const labelOf = (link: string, { name, version }: Installed.Package): string =>
  link === name ? `${name}@${version}` : `${link} → ${name}@${version}`

/** For each place where `key` is seen, the shortest way from the project to it, each step with the name that it has there. */
const chainsTo = ({ packages, project }: Installed.Tree, key: string): ReadonlyArray<ReadonlyArray<string>> => {
  const ways = new Map<string, ReadonlyArray<string>>()
  const queue: Array<string> = []
  const chains: Array<ReadonlyArray<string>> = []
  const see = (links: Installed.Tree["project"], way: ReadonlyArray<string>) => {
    for (const [link, target] of Object.entries(links)) {
      const found = packages[target]
      if (found === undefined) continue
      const chain = [...way, labelOf(link, found)]
      if (target === key) chains.push(chain)
      if (ways.has(target)) continue
      ways.set(target, chain)
      queue.push(target)
    }
  }
  see(project, [])
  for (let at = 0; at < queue.length; at++) see(packages[queue[at]!]?.dependencies ?? {}, ways.get(queue[at]!)!)
  return chains
}

/** Keys of what has a name, or is seen under it. */
const keysOf = ({ packages, project }: Installed.Tree, name: string): ReadonlySet<string> => {
  const links = [project, ...Object.values(packages).map(({ dependencies }) => dependencies)]
  const seen = new Set(links.flatMap((each) => (Object.hasOwn(each, name) ? [each[name]!] : [])))
  return new Set(Object.keys(packages).filter((key) => seen.has(key) || packages[key]!.name === name))
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
  const found = [...keysOf(tree, name)].map((key) => {
    const each = tree.packages[key]!
    return { name: each.name, version: each.version, publisher: each.publisher, chains: chainsTo(tree, key) }
  })
  if (found.length === 0) {
    const hint = "ls-cli list --all shows everything; ls-cli resolve <spec> --why shows how a release is chosen."
    return yield* new NotInstalled({ project: directory, names: [name], hint })
  }
  yield* output.result(
    { dir: directory, packages: found },
    found.flatMap(({ chains, name: own, publisher, version }) =>
      [`${own}@${version}  by ${publisher}`].concat(linesOf(chains))
    )
  )
})
