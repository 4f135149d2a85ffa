/**
 * A year in which the publisher never comes back: two seeders without keys keep the records of a package alive
 * in a network that forgets as Mainline does, and one of them is away now and then. What it is worth is told in
 * figures: the share of the time at which the record that was lacking most was there, who looked from outside
 * found of it, and what that took.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as PublicKey from "../../core/PublicKey.ts"
import { Dht } from "../../dht/Dht.ts"
import * as Record from "../../dht/Record.ts"
import * as NameIndexRecord from "../../registry/NameIndexRecord.ts"
import type { Publication } from "../../registry/Publish.ts"
import * as RePut from "../../registry/RePut.ts"
import type { RePutEvent } from "../../registry/RePutEvent.ts"
import * as SeedStore from "../../swarm/SeedStore.ts"
import * as Fault from "../simulation/Fault.ts"
import { DAY, HOUR, make, MINUTE } from "../simulation/Scenario.ts"
import type { World } from "../simulation/World.ts"
import * as Actors from "./Actors.ts"
import { refuse } from "./Expectations.ts"

const NAME = "lasting"
const VERSION = "1.0.0"
const YEAR = 365 * DAY

/** The record that others could write too. */
const NAME_INDEX = "name index"

/** The seeder who crashes and comes back. */
const FICKLE = "sue"

/** Share of the hours at which a record has to be there. */
const AVAILABILITY_MIN = 0.999

/** Share of Mainline's nodes that are gone after an hour, so that of 15 holders 6 to 7 are left after a day. */
const CHURN_PER_HOUR = 0.0203

/** How often is looked who holds what, and whether a seeder is back. */
const LOOK_INTERVAL = HOUR

/** How often somebody who has never heard of the package looks it up. */
const OUTSIDER_INTERVAL = DAY

/** Share of those look-ups that have to find each record: on bad days packets are lost, and entrances are down. */
const FOUND_MIN = 0.98

/** A record of the publisher, or the shared one of the name. */
interface Watched {
  readonly kind: string
  readonly record: Record.Record
  readonly target: string
  /** Looks at the network from outside at which nobody had it as it was published, or newer. */
  missing: number
  /** Nodes that had it so, over all looks. */
  holders: number
  /** Look-ups that did not bring it so. */
  notFound: number
}

/** What is kept alive without the publisher. Nobody but the publisher keeps the catalogue: who installs does not read it. */
const watchedOf = ([release, pkg, , nameIndex]: Publication["records"]): ReadonlyArray<Watched> =>
  Object.entries({ release, package: pkg, [NAME_INDEX]: nameIndex }).map(([kind, record]) => ({
    kind,
    record,
    target: Hex.encode(Record.targetOf(record.publicKey, record.salt)),
    missing: 0,
    holders: 0,
    notFound: 0
  }))

/** Counts which of the records are held as they were published, and which are found. */
class Watch {
  readonly #world: World
  readonly #publisher: PublicKey.PublicKey
  readonly #watched: ReadonlyArray<Watched>
  #looks = 0
  #lookups = 0

  constructor(world: World, publisher: PublicKey.PublicKey, watched: ReadonlyArray<Watched>) {
    this.#world = world
    this.#publisher = publisher
    this.#watched = watched
  }

  /** Sees what nodes hold. The shared record of a name only ever gets newer here: nobody else writes it. */
  look(): void {
    const held = new Map<string, number>()
    const needed = new Map(this.#watched.map(({ record, target }) => [target, record.seq]))
    for (const { seq = -1, target } of this.#world.nodes.holdings()) {
      if (seq >= (needed.get(target) ?? Number.POSITIVE_INFINITY)) held.set(target, (held.get(target) ?? 0) + 1)
    }
    this.#looks++
    for (const watched of this.#watched) {
      const holders = held.get(watched.target) ?? 0
      watched.holders += holders
      if (holders === 0) watched.missing++
    }
  }

  /** Looks every record up as anybody can. */
  readonly lookUp = Effect.gen({ self: this }, function* () {
    const dht = yield* Dht
    this.#lookups++
    for (const watched of this.#watched) {
      const { publicKey, salt } = watched.record
      const found = yield* Effect.option(dht.get(publicKey, salt))
      if (!this.#isGood(watched, Option.getOrUndefined(Option.flatten(found)))) watched.notFound++
    }
  })

  /** The shared record counts only where it has the publisher's claim. */
  #isGood({ kind, record }: Watched, found: Record.Record | undefined): boolean {
    if (found === undefined || found.seq < record.seq) return false
    if (kind !== NAME_INDEX) return true
    return NameIndexRecord.parse(found.value).claims.some(({ k }) => PublicKey.equals(k, this.#publisher))
  }

  /** Of the record that was held least of all. */
  get availability(): number {
    return 1 - Math.max(...this.#watched.map(({ missing }) => missing)) / Math.max(1, this.#looks)
  }

  /** Share of the look-ups that brought it, of the record that was found least of all. */
  get found(): number {
    return 1 - Math.max(...this.#watched.map(({ notFound }) => notFound)) / Math.max(1, this.#lookups)
  }

  /** Nodes that held the record with the fewest, on average. */
  get holders(): number {
    return Math.min(...this.#watched.map(({ holders }) => holders)) / Math.max(1, this.#looks)
  }
}

const percent = (share: number): string => `${Math.round(share * 1e6) / 1e4} %`

export const yearOfRePuts = make({
  name: "year-of-re-puts",
  about: "seeders keep records alive for a year while nodes come, go and forget",
  everySeeds: 100,
  faults: (chance) => [
    Fault.churn({ atMs: HOUR, forMs: YEAR - HOUR }, CHURN_PER_HOUR),
    // Bad days now and then: a third of the nodes at once, and packets that do not come.
    ...Array.from({ length: chance.between(2, 6) }, () => chance.between(DAY, YEAR - 2 * DAY)).flatMap((atMs) => [
      Fault.nodesCrash({ atMs, forMs: chance.between(HOUR, DAY) }, 0.3, chance.is(0.5)),
      Fault.loss({ atMs, forMs: chance.between(HOUR, DAY) }, chance.between(5, 30) / 100)
    ]),
    // One of the seeders is not always there: the other one has to do.
    ...Array.from({ length: chance.between(2, 5) }, () =>
      Fault.crash({ atMs: chance.between(DAY, YEAR - 10 * DAY), forMs: chance.between(3 * HOUR, 7 * DAY) }, FICKLE)
    )
  ],
  play: Effect.fnUntraced(function* (world) {
    const publisher = yield* Actors.person(world, "alice")
    const seeders = yield* Actors.people(world, ["sam", FICKLE])
    const user = yield* Actors.person(world, "uma")
    const outsider = yield* Actors.person(world, "otto")
    const counts = { looks: 0, puts: 0 }
    const count = ({ _tag }: RePutEvent) => {
      if (_tag === "Put" || _tag === "Mended") counts.puts++
      if (_tag === "Put" || _tag === "Mended" || _tag === "Held") counts.looks++
    }
    const everyDuringTheYear = <E>(intervalMs: number, work: Effect.Effect<unknown, E>) =>
      Effect.gen(function* () {
        while (world.kernel.elapsedMs < YEAR) {
          yield* work
          yield* Effect.sleep(intervalMs)
        }
      })
    const keep = (seeder: Actors.Person) =>
      seeder.host.background(
        "keeping records alive",
        Effect.gen(function* () {
          const rePut = yield* RePut.make()
          yield* Effect.forkScoped(Stream.runForEach(rePut.events, (event) => Effect.sync(() => count(event))))
          return yield* rePut.run
        })
      )
    const { publication } = yield* publisher.publish({ name: NAME, version: VERSION })
    const watch = new Watch(world, publisher.publicKey, watchedOf(publication.records))
    let wasUp = true
    /** Whoever has come back takes up the work. */
    const tend = (seeder: Actors.Person) =>
      Effect.sync(() => {
        if (seeder.host.isUp && !wasUp) keep(seeder)
        wasUp = seeder.host.isUp
      })
    const watching = everyDuringTheYear(
      LOOK_INTERVAL,
      Effect.andThen(
        tend(seeders[1]!),
        Effect.sync(() => watch.look())
      )
    )
    const lookingUp = everyDuringTheYear(OUTSIDER_INTERVAL, outsider.host.run(watch.lookUp))
    for (const seeder of seeders) {
      yield* seeder.install(NAME)
      yield* seeder.host.run(SeedStore.gatherRecords())
      keep(seeder)
    }
    return {
      steps: [
        { atMs: MINUTE, title: "alice goes for ever", run: Effect.sync(() => publisher.host.crash()) },
        { atMs: MINUTE, title: "the records are watched", run: watching, mustSucceed: true },
        { atMs: HOUR, title: "otto looks them up every day", run: lookingUp, mustSucceed: true }
      ],
      goals: [
        // Nobody has to be told for a year where the bytes are: their announcements would be most of what is simulated.
        { title: "a seeder serves it again", reach: Effect.suspend(() => seeders[0]!.seed) },
        { title: "uma installs what was published a year ago", reach: user.install(NAME) },
        {
          title: `every record was there ${100 * AVAILABILITY_MIN} % of the time`,
          reach: Effect.suspend(() =>
            refuse(watch.availability >= AVAILABILITY_MIN ? undefined : `one was there ${percent(watch.availability)}`)
          )
        },
        {
          title: `every record was found by ${100 * FOUND_MIN} % of the look-ups`,
          reach: Effect.suspend(() =>
            refuse(watch.found >= FOUND_MIN ? undefined : `one was found by ${percent(watch.found)}`)
          )
        }
      ],
      figures: () => ({
        availability: watch.availability,
        found: watch.found,
        holders: watch.holders,
        looks: counts.looks,
        puts: counts.puts
      })
    }
  })
})
