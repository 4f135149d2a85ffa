/** `ls-cli seed [spec…]`: serves everything in the store, and keeps its records alive. */
import * as Effect from "effect/Effect"
import * as SeedStore from "../../protocol/swarm/SeedStore.ts"
import { Swarm } from "../../protocol/swarm/Swarm.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import * as Describe from "./Describe.ts"
import * as Download from "./Download.ts"
import * as KeepAlive from "./KeepAlive.ts"
import * as Network from "./Network.ts"
import * as Select from "./Select.ts"

export const run = Effect.fnUntraced(function* (
  specTexts: ReadonlyArray<string>,
  choice: Select.Choice & Download.Options & { readonly watch: boolean }
) {
  const output = yield* Output
  const session = yield* Session
  const specs = yield* Effect.forEach(specTexts, Select.specOf)
  const chooser = yield* Select.chooserOf(choice)
  const fetchAll = Effect.forEach(
    specs,
    (spec) => Effect.flatMap(Select.resolve(spec, chooser), (resolution) => Download.fetch(resolution, choice)),
    { discard: true }
  )
  const seedAll = Effect.gen(function* () {
    const { failures, seeding } = yield* SeedStore.seedAll()
    const [first] = failures
    if (first !== undefined && seeding.length === 0) return yield* first.error
    for (const { error, release } of failures) {
      yield* output.note(`Not served: ${Describe.label(release)}: ${error.message}`)
    }
    return { stored: seeding, listen: String((yield* Swarm).address) }
  })
  return yield* Effect.gen(function* () {
    yield* session.limited(fetchAll)
    const { listen, stored } = yield* output.task("Announcing what is in the store", () => session.limited(seedAll))
    yield* output.result({ seeding: stored.length, listen }, [
      `Seeding ${stored.length === 1 ? "1 release" : `${stored.length} releases`} on ${listen}`,
      ...stored.map((each) => `  ${Describe.label(each)}`)
    ])
    if (stored.length === 0) {
      yield* output.note("The store is empty: name packages to fetch and seed, like: ls-cli seed semver@^7")
    }
    yield* output.note("Press Ctrl-C to stop.")
    yield* Effect.forkScoped(SeedStore.gatherForever)
    return yield* KeepAlive.run(choice.watch)
  }).pipe(Effect.scoped, Network.provide)
})
