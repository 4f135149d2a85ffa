/** `ls-cli install <spec…>`: packages into a project's node_modules. */
import * as Effect from "effect/Effect"
import * as NodePath from "node:path"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import type { Resolution } from "../../protocol/registry/Resolve.ts"
import type { Fetched } from "../../protocol/swarm/FetchRelease.ts"
import { install } from "../../runtime/install/Install.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import { InvalidArgument } from "../Settings.ts"
import * as Describe from "./Describe.ts"
import * as Download from "./Download.ts"
import * as Network from "./Network.ts"
import * as Select from "./Select.ts"

/** Dependencies of the installed packages that were not installed with them. */
const missingDependencies = (fetched: ReadonlyArray<Fetched>): ReadonlyArray<string> => {
  const present = new Set<string>(fetched.map(({ release }) => release.n))
  const wanted = fetched.flatMap(({ manifest }) => Object.entries(manifest.dependencies ?? {}))
  return [...new Set(wanted.filter(([name]) => !present.has(name)).map(([name, range]) => `${name}@${range}`))]
}

/** Specs that come to one release are installed once; two versions of one name have no place beside each other. */
const oneOfEach = Effect.fnUntraced(function* (resolutions: ReadonlyArray<Resolution>) {
  const byName = new Map<string, Resolution>()
  for (const resolution of resolutions) {
    const { n, v } = resolution.release
    const other = byName.get(n)?.release.v
    if (other !== undefined && other !== v) {
      return yield* new InvalidArgument({
        argument: n,
        problem: `is asked for as ${other} and as ${v}`,
        hint: "A project's node_modules holds one version of a name: ask for one of them."
      })
    }
    byName.set(n, resolution)
  }
  return [...byName.values()]
})

export const run = Effect.fnUntraced(function* (
  specTexts: ReadonlyArray<string>,
  directory: string,
  choice: Select.Choice
) {
  const output = yield* Output
  const session = yield* Session
  const dir = NodePath.resolve(directory)
  const specs = yield* Effect.forEach(specTexts, Select.specOf)
  const chooser = yield* Select.chooserOf(choice)
  const work = Effect.gen(function* () {
    const resolutions = yield* output.task(`Looking up ${specTexts.join(", ")}`, () =>
      Effect.forEach(specs, (spec) => Select.resolve(spec, chooser), { concurrency: "unbounded" })
    )
    const fetched = yield* Effect.forEach(yield* oneOfEach(resolutions), Download.fetch)
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
    Object.values(manifest.bin ?? {}).map((path) => NodePath.join("node_modules", release.n, path))
  )
  if (executables.length > 0) {
    yield* output.note(
      `Executables are not linked into node_modules/.bin yet. Run them as: node ${executables.join(", node ")}`
    )
  }
  const missing = missingDependencies(fetched)
  if (missing.length > 0) {
    yield* output.note(`Dependencies are not installed by themselves yet. Still needed: ${missing.join(", ")}`)
  }
})
