/**
 * `ls-cli seed [spec…]`: serves everything in the store, and keeps its records alive. Where the network is not to be
 * had it stays, and announces what it serves when it gets through.
 */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { DeadlineExceeded } from "../../protocol/core/Deadline.ts"
import { Dht } from "../../protocol/dht/Dht.ts"
import type { StorageFailed } from "../../protocol/swarm/Content.ts"
import { PackageStore, type StoredRelease } from "../../protocol/swarm/PackageStore.ts"
import * as SeedStore from "../../protocol/swarm/SeedStore.ts"
import { Swarm } from "../../protocol/swarm/Swarm.ts"
import type { SwarmError } from "../../protocol/swarm/SwarmError.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import * as Describe from "./Describe.ts"
import * as Download from "./Download.ts"
import * as KeepAlive from "./KeepAlive.ts"
import * as Network from "./Network.ts"
import * as Select from "./Select.ts"
import * as Serving from "./Serving.ts"

/** Pause between two tries to get into a network that is not to be had. */
const PAUSE = "5 seconds"

/** Releases announced at a time, of those that are announced late. */
const CONCURRENCY = 8

const releasesText = (count: number): string => (count === 1 ? "1 release" : `${count} releases`)

type Problem = SwarmError | StorageFailed | DeadlineExceeded

/** Whether it is the network's fault, which passes, and not that of what is stored. */
const isPassing = (error: Problem): boolean =>
  error._tag === "DeadlineExceeded" || (error._tag === "SwarmError" && error.reason._tag === "DhtError")

/** Waits for the network, and announces these then. What fails again for want of it waits again. */
const announceLate = Effect.fnUntraced(function* (releases: ReadonlyArray<StoredRelease>) {
  const output = yield* Output
  const dht = yield* Dht
  const store = yield* PackageStore
  const swarm = yield* Swarm
  const announce = (release: StoredRelease) =>
    Effect.flatMap(store.open(release), (content) => swarm.seed(release.torrent, content)).pipe(
      Effect.as(release),
      Effect.mapError((error) => ({ release, error }))
    )
  const enter = Effect.andThen(Effect.ignore(Serving.warmUp), dht.nodeCount)
  let waiting = releases
  while (true) {
    yield* Effect.sleep(PAUSE)
    if ((yield* enter) === 0) continue
    const [seeding, failures] = yield* Effect.partition(waiting, announce, { concurrency: CONCURRENCY })
    if (seeding.length > 0) yield* output.note(`It got through: ${releasesText(seeding.length)} announced`)
    if (waiting.length === 0) yield* output.note("It got through")
    for (const { error, release } of failures) {
      if (!isPassing(error)) yield* output.note(`Not served: ${Describe.label(release)}: ${error.message}`)
    }
    waiting = failures.filter(({ error }) => isPassing(error)).map(({ release }) => release)
    if (waiting.length === 0) return
  }
})

export const run = Effect.fnUntraced(function* (
  specTexts: ReadonlyArray<string>,
  choice: Select.Choice & Download.Options & { readonly watch: boolean; readonly metrics: Option.Option<string> }
) {
  const output = yield* Output
  const session = yield* Session
  yield* session.writable
  const page = yield* Serving.pageAt(choice.metrics)
  const specs = yield* Effect.forEach(specTexts, Select.specOf)
  const chooser = yield* Select.chooserOf(choice)
  const fetchAll = Effect.forEach(
    specs,
    (spec) => Effect.flatMap(Select.resolve(spec, chooser), (resolution) => Download.fetch(resolution, choice)),
    { discard: true }
  )
  const seedAll = session
    .limited(SeedStore.seedAll())
    .pipe(
      Effect.catchTag("DeadlineExceeded", (error) =>
        Effect.flatMap(PackageStore, (store) =>
          Effect.map(store.list, (all) => ({ seeding: [], failures: all.map((release) => ({ release, error })) }))
        )
      )
    )
  /** What is served, what will be, and why not yet. */
  const begin = Effect.gen(function* () {
    const { failures, seeding } = yield* output.task("Announcing what is in the store", () => seedAll)
    const late = failures.filter(({ error }) => isPassing(error))
    const [first] = failures
    if (first !== undefined && seeding.length === 0 && late.length === 0) return yield* first.error
    for (const { error, release } of failures) {
      if (!isPassing(error)) yield* output.note(`Not served: ${Describe.label(release)}: ${error.message}`)
    }
    const isEmpty = seeding.length === 0 && late.length === 0
    // Nothing was announced that could have told whether the network is there.
    const entered = isEmpty ? yield* Effect.result(session.limited(Serving.warmUp)) : undefined
    const problem = entered?._tag === "Failure" ? entered.failure : late[0]?.error
    return { stored: seeding, late: late.map(({ release }) => release), isEmpty, problem }
  })
  return yield* Effect.gen(function* () {
    const metrics = yield* Serving.serveMetrics(page)
    yield* session.limited(fetchAll)
    const { isEmpty, late, problem, stored } = yield* begin
    const listen = String((yield* Swarm).address)
    yield* output.result(
      {
        seeding: stored.length,
        listen,
        ...(late.length === 0 ? {} : { waiting: late.length }),
        ...(metrics.url === undefined ? {} : { metrics: metrics.url })
      },
      [
        `Seeding ${releasesText(stored.length)} on ${listen}`,
        ...stored.map((each) => `  ${Describe.label(each)}`),
        ...(late.length === 0 ? [] : [`Not announced yet: ${releasesText(late.length)}`]),
        ...late.map((each) => `  ${Describe.label(each)}`),
        ...(metrics.url === undefined ? [] : [`Metrics at ${metrics.url}`])
      ]
    )
    if (isEmpty) {
      yield* output.note("The store is empty: name packages to fetch and seed, like: ls-cli seed semver@^7")
    }
    if (problem !== undefined) yield* output.note(Serving.goesOn(problem))
    yield* output.note("Press Ctrl-C to stop.")
    // Beside keeping alive, each in a fiber that ends with the command.
    const through = problem === undefined ? Effect.void : announceLate(late)
    yield* Effect.forkScoped(Effect.andThen(through, SeedStore.gatherForever))
    yield* Effect.forkScoped(Serving.serveBeside("seed", metrics.text))
    return yield* KeepAlive.run(choice.watch)
  }).pipe(Effect.scoped, Network.provideStaying)
})
