/** `ls-cli install <spec…>`: packages into a project's node_modules. */
import * as Effect from "effect/Effect"
import * as NodePath from "node:path"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import type { Fetched } from "../../protocol/swarm/FetchRelease.ts"
import { install } from "../../runtime/install/Install.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
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

export const run = Effect.fnUntraced(function* (
  specTexts: ReadonlyArray<string>,
  directory: string,
  choice: Select.Choice
) {
  const output = yield* Output
  const session = yield* Session
  const dir = NodePath.resolve(directory)
  const specs = yield* Effect.forEach(specTexts, Select.specOf)
  const work = Effect.gen(function* () {
    const resolutions = yield* output.task(`Looking up ${specTexts.join(", ")}`, () =>
      Effect.forEach(specs, (spec) => Select.resolve(spec, choice), { concurrency: "unbounded" })
    )
    const fetched = yield* Effect.forEach(resolutions, Download.fetch)
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
  const missing = missingDependencies(fetched)
  if (missing.length > 0) {
    yield* output.note(`Dependencies are not installed by themselves yet. Still needed: ${missing.join(", ")}`)
  }
})
