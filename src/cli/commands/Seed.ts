/**
 * `ls-cli seed [spec…]`: serves everything in the store, also what is added to it later, and keeps its records alive.
 * Where the network is not to be had it stays, and announces what it serves when it gets through.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import { Dht } from "../../protocol/dht/Dht.ts"
import { keyOfStored, type StoredRelease } from "../../protocol/swarm/PackageStore.ts"
import * as SeedStore from "../../protocol/swarm/SeedStore.ts"
import * as StoreSeeder from "../../protocol/swarm/StoreSeeder.ts"
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

/** What can be announced within that is announced before the command says so; thousands take minutes. */
const PATIENCE = "10 seconds"

/** Releases that are named one by one. */
const NAMED_MAX = 100

const releasesText = (count: number): string => (count === 1 ? "1 release" : `${count} releases`)

const named = (releases: ReadonlyArray<StoredRelease>): ReadonlyArray<string> => [
  ...releases.slice(0, NAMED_MAX).map((each) => `  ${Describe.label(each)}`),
  ...(releases.length > NAMED_MAX ? [`  and ${releases.length - NAMED_MAX} more`] : [])
]

/** Which of the releases that were there at the start are announced, and which were at least tried. */
class FirstRound {
  readonly #tried = new Set<string>()
  readonly #announced = new Set<string>()
  #releases: ReadonlyMap<string, StoredRelease> | undefined
  problem: SwarmError | undefined
  /** Every one was tried. */
  readonly triedAll = Deferred.makeUnsafe<void>()
  /** Every one is announced. */
  readonly announcedAll = Deferred.makeUnsafe<void>()

  begin(releases: ReadonlyArray<StoredRelease>): void {
    this.#releases = new Map(releases.map((release) => [keyOfStored(release), release]))
    this.#tell()
  }

  note(release: StoredRelease, outcome: Result.Result<void, SwarmError>): void {
    const key = keyOfStored(release)
    // What was stored later is none of this.
    if (this.#releases?.has(key) === false) return
    this.#tried.add(key)
    if (Result.isSuccess(outcome)) this.#announced.add(key)
    else this.problem ??= outcome.failure
    this.#tell()
  }

  get announced(): ReadonlyArray<StoredRelease> {
    return [...(this.#releases ?? [])].flatMap(([key, release]) => (this.#announced.has(key) ? [release] : []))
  }

  get late(): ReadonlyArray<StoredRelease> {
    return [...(this.#releases ?? [])].flatMap(([key, release]) => (this.#announced.has(key) ? [] : [release]))
  }

  #tell(): void {
    if (this.#releases === undefined) return
    const { size } = this.#releases
    if (this.#tried.size >= size) Deferred.doneUnsafe(this.triedAll, Effect.void)
    if (this.#announced.size >= size) Deferred.doneUnsafe(this.announcedAll, Effect.void)
  }
}

/** Says that the network is there, once it is. */
const enterLate = Effect.gen(function* () {
  const output = yield* Output
  const dht = yield* Dht
  do {
    yield* Effect.sleep(PAUSE)
    yield* Effect.ignore(Serving.warmUp)
  } while ((yield* dht.nodeCount) === 0)
  yield* output.note("It got through")
})

const tellChange = Effect.fnUntraced(function* ({ added, failures, removed }: StoreSeeder.Change) {
  const output = yield* Output
  for (const release of added) yield* output.note(`Seeding ${Describe.label(release)}, too`)
  for (const release of removed) yield* output.note(`No longer seeding ${Describe.label(release)}`)
  yield* tellFailures(failures)
})

const tellFailures = Effect.fnUntraced(function* (failures: StoreSeeder.Change["failures"]) {
  const output = yield* Output
  for (const { error, key, release } of failures) {
    yield* output.note(`Not served: ${release === undefined ? key : Describe.label(release)}: ${error.message}`)
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
  /** What is served, what is announced of it, and why not all. */
  const begin = Effect.gen(function* () {
    const round = new FirstRound()
    const seeder = yield* StoreSeeder.make({
      onAnnounce: (release, outcome) => Effect.sync(() => round.note(release, outcome))
    })
    const { failures } = yield* output.task("Announcing what is in the store", () =>
      Effect.gen(function* () {
        const change = yield* seeder.look
        round.begin(change.added)
        yield* Effect.ignore(session.limited(Effect.timeoutOption(Deferred.await(round.triedAll), PATIENCE)))
        return change
      })
    )
    const releases = seeder.served()
    const [first] = failures
    if (first !== undefined && releases.length === 0) return yield* first.error
    yield* tellFailures(failures)
    // Nothing was announced that could have told whether the network is there.
    const entered = releases.length === 0 ? yield* Effect.result(session.limited(Serving.warmUp)) : undefined
    const problem = entered?._tag === "Failure" ? entered.failure : round.problem
    return { announced: round.announced, late: round.late, round, seeder, isEmpty: releases.length === 0, problem }
  })
  return yield* Effect.gen(function* () {
    const metrics = yield* Serving.serveMetrics(page)
    yield* session.limited(fetchAll)
    const { announced, isEmpty, late, problem, round, seeder } = yield* begin
    const listen = String((yield* Swarm).address)
    yield* output.result(
      {
        seeding: announced.length,
        listen,
        ...(late.length === 0 ? {} : { waiting: late.length }),
        ...(metrics.url === undefined ? {} : { metrics: metrics.url })
      },
      [
        `Seeding ${releasesText(announced.length)} on ${listen}`,
        ...named(announced),
        ...(late.length === 0 ? [] : [`Not announced yet: ${releasesText(late.length)}`]),
        ...named(late),
        ...(metrics.url === undefined ? [] : [`Metrics at ${metrics.url}`])
      ]
    )
    if (isEmpty) {
      yield* output.note("The store is empty: name packages to fetch and seed, like: ls-cli seed semver@^7")
    }
    if (problem !== undefined) yield* output.note(Serving.goesOn(problem))
    yield* output.note("Press Ctrl-C to stop.")
    // Beside keeping alive, each in a fiber that ends with the command.
    const announceLate = Effect.andThen(
      Deferred.await(round.announcedAll),
      output.note(`${problem === undefined ? "" : "It got through: "}${releasesText(late.length)} announced`)
    )
    const through = late.length > 0 ? announceLate : problem === undefined ? Effect.void : enterLate
    yield* Effect.forkScoped(Effect.andThen(through, SeedStore.gatherForever))
    yield* Effect.forkScoped(seeder.follow(tellChange))
    yield* Effect.forkScoped(Serving.serveBeside("seed", metrics.text))
    yield* Effect.forkScoped(Serving.serveTopics)
    return yield* KeepAlive.run(choice.watch)
  }).pipe(Effect.scoped, Network.provideStaying)
})
