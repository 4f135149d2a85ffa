/** `ls-cli install <spec…>`: packages into a project's node_modules. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as NodePath from "node:path"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import type { Choice } from "../../protocol/registry/DependencyGraph.ts"
import * as LockFile from "../../protocol/registry/LockFile.ts"
import type { Fetched } from "../../protocol/swarm/FetchRelease.ts"
import * as LockedRelease from "../../protocol/trust/LockedRelease.ts"
import { install } from "../../runtime/install/Install.ts"
import { quoted } from "../../runtime/archive/Printable.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import { InvalidArgument } from "../Settings.ts"
import * as Describe from "./Describe.ts"
import * as Download from "./Download.ts"
import * as Network from "./Network.ts"
import * as Project from "./Project.ts"
import * as Select from "./Select.ts"

/** Dependencies of the installed packages that were not installed with them. */
const missingDependencies = (fetched: ReadonlyArray<Fetched>): ReadonlyArray<string> => {
  const present = new Set<string>(fetched.map(({ release }) => release.n))
  const wanted = fetched.flatMap(({ manifest }) => Object.entries(manifest.dependencies ?? {}))
  return [...new Set(wanted.filter(([name]) => !present.has(name)).map(([name, range]) => `${name}@${range}`))]
}

/** Specs that come to one release are installed once; two versions of one name have no place beside each other. */
const oneOfEach = Effect.fnUntraced(function* (choices: ReadonlyArray<Choice>) {
  const byName = new Map<string, Choice>()
  for (const choice of choices) {
    const { n, v } = choice.release
    const other = byName.get(n)?.release.v
    if (other !== undefined && other !== v) {
      return yield* new InvalidArgument({
        argument: n,
        problem: `is asked for as ${other} and as ${v}`,
        hint: "A project's node_modules holds one version of a name: ask for one of them."
      })
    }
    byName.set(n, choice)
  }
  return [...byName.values()]
})

/** The tarball must be the locked one, where that version is locked. */
const verifyLocked = (lock: LockFile.LockFile | undefined, fetched: Fetched) => {
  const { n, v } = fetched.release
  const publisher = PublicKey.toBase64(fetched.publisher)
  const locked = Object.values(lock?.packages ?? {}).find(
    (each) => each.name === n && each.version === v && each.publisher === publisher
  )
  return locked === undefined ? Effect.void : LockFile.verify(locked, fetched, fetched.manifest)
}

export const run = Effect.fnUntraced(function* (
  specTexts: ReadonlyArray<string>,
  directory: string,
  choice: Select.Choice & Download.Options
) {
  const output = yield* Output
  const session = yield* Session
  const dir = NodePath.resolve(directory)
  const specs = yield* Effect.forEach(specTexts, Select.specOf)
  const chooser = yield* Select.chooserOf(choice)
  const lock = Option.getOrUndefined(yield* Project.lock(dir))
  /** What the project has locked for the very range that is asked for is taken as it is locked. */
  const choose = Effect.fnUntraced(function* (spec: (typeof specs)[number]) {
    const locked = lock === undefined || Option.isSome(chooser.publisher) ? undefined : LockFile.find(lock, spec)
    if (locked !== undefined) return yield* LockFile.releaseOfLocked(locked, LockedRelease.find)
    const resolution = yield* Select.resolve(spec, chooser)
    yield* Select.tellWarnings(resolution)
    return resolution
  })
  const work = Effect.gen(function* () {
    const choices = yield* output.task(`Looking up ${specTexts.join(", ")}`, () =>
      Effect.forEach(specs, choose, { concurrency: "unbounded" })
    )
    const chosen = yield* oneOfEach(choices)
    const fetched = yield* Effect.forEach(chosen, (each) => Download.fetch(each, choice))
    yield* Effect.forEach(fetched, (each) => verifyLocked(lock, each), { discard: true })
    yield* output.task(`Installing into ${dir}`, () => install(dir, fetched))
    return fetched
  })
  const fetched = yield* session.limited(work).pipe(Network.provide)
  const installed = fetched.map(({ publisher, release }) => ({
    name: release.n,
    version: release.v,
    publisher: PublicKey.toBase64(publisher)
  }))
  yield* output.result({ dir, installed }, [
    ...fetched.map((each) => `${Describe.label(each)}  by ${PublicKey.toBase64(each.publisher)}`),
    `Installed ${installed.length === 1 ? "1 package" : `${installed.length} packages`} into ${NodePath.join(dir, "node_modules")}`
  ])
  const executables = fetched.flatMap(({ manifest, release }) =>
    Object.values(manifest.bin ?? {}).map((path) => quoted(NodePath.join("node_modules", release.n, path)))
  )
  if (executables.length > 0) {
    yield* output.note(
      `Executables are not linked into node_modules/.bin yet. Run them as: node ${executables.join(", node ")}`
    )
  }
  const missing = missingDependencies(fetched)
  if (missing.length > 0) {
    yield* output.note(
      `Dependencies are not installed by themselves yet. Still needed: ${missing.map(quoted).join(", ")}`
    )
  }
})
