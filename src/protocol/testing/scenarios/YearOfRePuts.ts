/**
 * A year in which the publisher never comes back: two seeders without keys keep the records of a package alive
 * in a network that forgets as Mainline does. What it is worth is told in figures: the share of the time at
 * which every record was there, and what that took.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Stream from "effect/Stream"
import { PackageName } from "../../core/PackageName.ts"
import { Version } from "../../core/Version.ts"
import * as KeyString from "../../dht/KeyString.ts"
import * as Record from "../../dht/Record.ts"
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

/** Share of the hours at which a record has to be there. */
const AVAILABILITY_MIN = 0.999

/** Share of Mainline's nodes that are gone after an hour, so that of 15 holders 6 to 7 are left after a day. */
const CHURN_PER_HOUR = 0.0203

/** How often is looked who holds what. */
const LOOK_INTERVAL = HOUR

/** Where the publisher's records are that a seeder keeps alive, by what they say. */
const targetsOf = (publisher: Actors.Person): ReadonlyMap<string, string> => {
  const name = PackageName.make(NAME)
  const keyStrings = {
    release: KeyString.release(name, Version.make(VERSION)),
    package: KeyString.packageOf(name)
  }
  return new Map(
    Object.entries(keyStrings).map(([kind, keyString]) => [
      kind,
      Hex.encode(Record.targetOf(publisher.publicKey, KeyString.saltOf(keyString)))
    ])
  )
}

/** Counts, every hour, at which of the targets nobody has anything. */
class Watch {
  looks = 0
  missing = 0
  holders = 0
  readonly #world: World
  readonly #targets: ReadonlyArray<string>

  constructor(world: World, targets: ReadonlyArray<string>) {
    this.#world = world
    this.#targets = targets
  }

  look(): void {
    const held = new Map<string, number>()
    for (const { target } of this.#world.nodes.holdings()) held.set(target, (held.get(target) ?? 0) + 1)
    for (const target of this.#targets) {
      const holders = held.get(target) ?? 0
      this.looks++
      this.holders += holders
      if (holders === 0) this.missing++
    }
  }

  get availability(): number {
    return this.looks === 0 ? 1 : 1 - this.missing / this.looks
  }
}

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
    ])
  ],
  play: Effect.fnUntraced(function* (world) {
    const publisher = yield* Actors.person(world, "alice")
    const seeders = yield* Actors.people(world, ["sam", "sue"])
    const user = yield* Actors.person(world, "uma")
    const counts = { looks: 0, puts: 0 }
    const count = ({ _tag }: RePutEvent) => {
      if (_tag === "Put" || _tag === "Mended") counts.puts++
      if (_tag === "Put" || _tag === "Mended" || _tag === "Held") counts.looks++
    }
    const watch = new Watch(world, [...targetsOf(publisher).values()])
    const watching = Effect.gen(function* () {
      while (world.kernel.elapsedMs < YEAR) {
        watch.look()
        yield* Effect.sleep(LOOK_INTERVAL)
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
    yield* publisher.publish({ name: NAME, version: VERSION })
    for (const seeder of seeders) {
      yield* seeder.install(NAME)
      yield* seeder.host.run(SeedStore.gatherRecords())
      keep(seeder)
    }
    return {
      steps: [
        { atMs: MINUTE, title: "alice goes for ever", run: Effect.sync(() => publisher.host.crash()) },
        { atMs: MINUTE, title: "the records are watched", run: watching, mustSucceed: true }
      ],
      goals: [
        // Nobody has to be told for a year where the bytes are: their announcements would be most of what is simulated.
        { title: "a seeder serves it again", reach: Effect.suspend(() => seeders[0]!.seed) },
        { title: "uma installs what was published a year ago", reach: user.install(NAME) },
        {
          title: `every record was there ${100 * AVAILABILITY_MIN} % of the time`,
          reach: Effect.suspend(() =>
            watch.availability >= AVAILABILITY_MIN
              ? Effect.void
              : refuse(`it was ${Math.round(watch.availability * 1e6) / 1e4} %`)
          )
        }
      ],
      figures: () => ({
        availability: watch.availability,
        holders: watch.holders / Math.max(1, watch.looks),
        looks: counts.looks,
        puts: counts.puts
      })
    }
  })
})
