/** `ls-cli list`: what is installed in a project, and what of it does not fit package.json. */
import * as Effect from "effect/Effect"
import * as NodePath from "node:path"
import * as Option from "effect/Option"
import * as Version from "../../protocol/core/Version.ts"
import { aimOf } from "../../protocol/registry/DependencyGraph.ts"
import { Output } from "../Output.ts"
import * as Installed from "./Installed.ts"
import * as Project from "./Project.ts"

interface Listed {
  readonly name: string
  /** The name under which it is seen, where that is another one. */
  readonly alias?: string
  readonly version: string
  /** Base64. */
  readonly publisher: string
  readonly dependencies?: ReadonlyArray<Listed>
}

/** Depth to which `--all` shows a tree; what is shown once is not shown again. */
const DEPTH_MAX = 64

const satisfies = (version: string, range: string): boolean => {
  const parsed = Version.parseRange(range.trim() === "" ? "*" : range)
  const own = Version.parse(version)
  return Option.isNone(parsed) || Option.isNone(own) || Version.satisfies(own.value, parsed.value)
}

const treeOf = (tree: Installed.Tree, links: Installed.Tree["project"], all: boolean) => {
  const seen = new Set<string>()
  const of = (names: Installed.Tree["project"], depth: number): ReadonlyArray<Listed> =>
    Object.entries(names).flatMap(([link, key]) => {
      const each = tree.packages[key]
      if (each === undefined) return []
      const { dependencies, name, publisher, version } = each
      const isNew = !seen.has(key)
      seen.add(key)
      const inner = all && isNew && depth < DEPTH_MAX ? of(dependencies, depth + 1) : []
      const alias = link === name ? {} : { alias: link }
      return [{ name, ...alias, version, publisher, ...(inner.length === 0 ? {} : { dependencies: inner }) }]
    })
  return of(links, 0)
}

const linesOf = (listed: ReadonlyArray<Listed>, margin = ""): ReadonlyArray<string> =>
  listed.flatMap(({ alias, dependencies = [], name, version }, at) => {
    const isLast = at === listed.length - 1
    return [
      `${margin}${isLast ? "└── " : "├── "}${alias === undefined ? "" : `${alias} → `}${name}@${version}`,
      ...linesOf(dependencies, `${margin}${isLast ? "    " : "│   "}`)
    ]
  })

export const run = Effect.fnUntraced(function* ({ all, dir }: { readonly dir: string; readonly all: boolean }) {
  const output = yield* Output
  const directory = NodePath.resolve(dir)
  const tree = yield* Installed.read(directory)
  const wishes = Option.getOrUndefined(yield* Project.wishes(directory))
  const asked = { ...wishes?.peerDependencies, ...wishes?.dependencies, ...wishes?.optionalDependencies }
  const optional = new Set(Object.keys({ ...wishes?.optionalDependencies, ...wishes?.peerDependencies }))
  // A peer of the project that somebody else brings may be another package under that name.
  const isAsked = (name: string) =>
    wishes?.peerDependenciesMeta?.[name]?.optional !== true ||
    Object.hasOwn({ ...wishes.dependencies, ...wishes.optionalDependencies }, name)
  const problems = Object.entries(asked).flatMap(([name, range]) => {
    const found = tree.packages[tree.project[name] ?? ""]
    if (found === undefined) return optional.has(name) ? [] : [`${name}@${range} is not installed`]
    const aim = aimOf({ name, range })
    const isMeant = found.name === aim.name || !isAsked(name)
    return isMeant && satisfies(found.version, aim.range)
      ? []
      : [
          `${found.name === name ? "" : `${name} → `}${found.name}@${found.version} is installed, and ${range} is asked for`
        ]
  })
  const extraneous = wishes === undefined ? [] : Object.keys(tree.project).filter((name) => !Object.hasOwn(asked, name))
  const dependencies = treeOf(tree, tree.project, all)
  const notRun = [
    ...new Set(Object.values(tree.packages).flatMap((each) => (each.notRun === undefined ? [] : [each.name])))
  ].toSorted()
  const { isInstalled } = tree
  yield* output.result({ dir: directory, isInstalled, dependencies, problems, extraneous, scriptsNotRun: notRun }, [
    directory,
    ...linesOf(dependencies)
  ])
  if (!isInstalled) yield* output.note("This is what is locked; nothing is installed. Run: ls-cli install")
  yield* Effect.forEach(problems, (problem) => output.note(`Note: ${problem}. Run: ls-cli install`), { discard: true })
  if (extraneous.length > 0) yield* output.note(`Not asked for by package.json itself: ${extraneous.join(", ")}`)
  if (notRun.length > 0) {
    yield* output.note(
      `Scripts that were not run: those of ${notRun.join(", ")}. To run them: ls-cli install --allow-scripts ${notRun.join(",")}`
    )
  }
})
