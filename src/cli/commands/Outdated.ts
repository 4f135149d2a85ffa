/** `ls-cli outdated`: what is installed, what package.json would admit by now, and what is newest. */
import * as Effect from "effect/Effect"
import * as NodePath from "node:path"
import * as Option from "effect/Option"
import * as PackageSpec from "../../protocol/core/PackageSpec.ts"
import { aimOf } from "../../protocol/registry/DependencyGraph.ts"
import { wantedOf } from "../../protocol/registry/DependencyWalk.ts"
import { RegistryError } from "../../protocol/registry/RegistryError.ts"
import { InvalidProject } from "../../runtime/install/InstallError.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import * as Installed from "./Installed.ts"
import * as Network from "./Network.ts"
import * as Project from "./Project.ts"
import * as Select from "./Select.ts"

/** Names looked up at a time. */
const CONCURRENCY = 16

interface Row {
  /** As package.json has it. */
  readonly name: string
  /** The package behind an alias. */
  readonly package?: string
  /** As package.json asks for it. */
  readonly range: string
  /** Empty where it is not installed. */
  readonly current: string
  /** Empty where nobody has such a version. */
  readonly wanted: string
  readonly latest: string
}

const table = (rows: ReadonlyArray<Row>): ReadonlyArray<string> => {
  const cells = [
    ["package", "current", "wanted", "latest"],
    ...rows.map(({ current, latest, name, package: real, wanted }) => [
      real === undefined ? name : `${name} → ${real}`,
      current || "missing",
      wanted || "none",
      latest || "none"
    ])
  ]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]!.length)))
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd()
  )
}

const NONE = new Set(["VersionNotFound", "NameNotFound", "PackageNotFound"])

/** Whether an error says that there is no such version; every other one is no answer, and is told. */
export const isNone = (error: { readonly _tag: string }): boolean =>
  error._tag === "InvalidSpec" || (error instanceof RegistryError && NONE.has(error.reason._tag))

/** Which version a spec comes to today; nothing where there is none. */
const versionOf = (wanted: ReturnType<typeof PackageSpec.parse>, chooser: Select.Chooser) =>
  Effect.fromResult(wanted).pipe(
    Effect.flatMap((spec) => Select.resolve(spec, chooser)),
    Effect.map(({ release }): string => release.v),
    Effect.catchIf(isNone, () => Effect.succeed(""))
  )

export const run = Effect.fnUntraced(function* ({ dir, ...choice }: Select.Choice & { readonly dir: string }) {
  const output = yield* Output
  const session = yield* Session
  const directory = NodePath.resolve(dir)
  const chooser = yield* Select.chooserOf(choice)
  const wishes = Option.getOrUndefined(yield* Project.wishes(directory))
  if (wishes === undefined) {
    return yield* new InvalidProject({ location: directory, problem: "it has no package.json" })
  }
  const tree = Option.getOrUndefined(yield* Effect.option(Installed.read(directory)))
  const currentOf = (name: string): string => tree?.packages[tree.project[name] ?? ""]?.version ?? ""
  const asked = Object.entries({ ...wishes.dependencies, ...wishes.optionalDependencies })
  const work = Effect.forEach(
    asked,
    Effect.fnUntraced(function* ([name, range]) {
      const edge = { name, range }
      const real = aimOf(edge).name
      const wanted = yield* versionOf(wantedOf(edge), chooser)
      const latest = yield* versionOf(PackageSpec.parse(real), chooser)
      const own = { name, ...(real === name ? {} : { package: real }) }
      return { ...own, range, current: currentOf(name), wanted, latest } satisfies Row
    }),
    { concurrency: CONCURRENCY }
  )
  const rows = yield* session.limited(
    output
      .task(`Looking up ${asked.length} package${asked.length === 1 ? "" : "s"}`, () => work)
      .pipe(Network.provideRecords)
  )
  const outdated = rows.filter(({ current, latest, wanted }) => current !== wanted || current !== latest)
  yield* output.result(
    { dir: directory, outdated },
    outdated.length === 0 ? ["Everything is up to date"] : table(outdated)
  )
})
