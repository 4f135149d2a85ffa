/**
 * Many seeders keep a package alive whose publisher is gone. Power fails everywhere at once, for so long that
 * the network forgets; then all of them come back in the same moment, after one who missed the publisher's
 * last word. They bring back the newest that there was, and from then on they do not stay in step: what each of
 * them writes is spread over the time.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Stream from "effect/Stream"
import { PackageName } from "../../core/PackageName.ts"
import { Version } from "../../core/Version.ts"
import * as KeyString from "../../dht/KeyString.ts"
import * as Record from "../../dht/Record.ts"
import type { RePutEvent } from "../../registry/RePutEvent.ts"
import * as RePut from "../../registry/RePut.ts"
import * as SeedStore from "../../swarm/SeedStore.ts"
import * as Fault from "../simulation/Fault.ts"
import { HOUR, make, MINUTE, SECOND } from "../simulation/Scenario.ts"
import * as Actors from "./Actors.ts"
import * as Expectations from "./Expectations.ts"
import { Witness } from "./Witness.ts"

const NAME = "inherited"
const VERSIONS = ["1.0.0", "1.1.0"]

const SEEDERS = 12
/** Is off before the publisher's last word, and back a little before all others: with what is old. */
const STRAGGLER = "straggler"
const STRAGGLER_AHEAD_MS = 10 * MINUTE

/** The publisher's last word comes so late that seeders hold an older one, and early enough for all of them to hear it. */
const LAST_WORD_MS = HOUR
/** Every seeder has looked for news by then. */
const CUT_MS = 16 * HOUR
/** No node remembers for so long. */
const DARK_MS = 27 * HOUR
const BACK_MS = CUT_MS + DARK_MS

/** While nobody else is there to tell it better. */
const STRAGGLER_OFF_MS = LAST_WORD_MS - MINUTE
const STRAGGLER_BACK_MS = BACK_MS - STRAGGLER_AHEAD_MS

/** Everything that was lost is put at once by whoever comes back; that is over by then. */
const SETTLED_MS = BACK_MS + 3 * HOUR
/** Every seeder has put everything once more by then, and the nodes have forgotten whatever nobody did. */
const END_MS = BACK_MS + 31 * HOUR

/** How often is looked whether the records are there. */
const LOOK_EVERY_MS = 5 * MINUTE

/** Who is back puts at once what nobody has. */
const BACK_WITHIN_MS = 15 * MINUTE

/** Writes of one record in one minute: each seeder writes it once in 17 to 22 hours. */
const WRITES_AT_ONCE_MAX = 5

/** The records that alice leaves behind, by what they say, and where they are (hex). */
const placesOf = (alice: Actors.Person): ReadonlyArray<readonly [string, string]> => {
  const name = PackageName.make(NAME)
  // Nobody but alice ever had the release record of what she published last: the package's record says it all.
  const keyStrings = [KeyString.release(name, Version.make(VERSIONS[0]!)), KeyString.packageOf(name)]
  return keyStrings.map((keyString) => [
    keyString,
    Hex.encode(Record.targetOf(alice.publicKey, KeyString.saltOf(keyString)))
  ])
}

/** Writes by record and minute. */
class Tally {
  problem: string | undefined
  readonly #counts = new Map<string, number>()

  note(atMs: number, { keyString = "a page" }: { readonly keyString: string | undefined }): void {
    const minute = Math.floor(atMs / MINUTE)
    const at = `${keyString} ${minute}`
    const count = (this.#counts.get(at) ?? 0) + 1
    this.#counts.set(at, count)
    if (count > WRITES_AT_ONCE_MAX) this.problem ??= `${count} seeders wrote ${keyString} within minute ${minute}`
  }
}

export const powerCut = make({
  name: "power-cut",
  about: "a crowd of seeders comes back in one moment; they bring everything back, and do not stay in step",
  nodes: { forgetsAfter2h: 0, forgetsAfter24h: 1 },
  faults: (chance) => [
    ...Array.from({ length: SEEDERS }, (_, i) => Fault.crash({ atMs: CUT_MS, forMs: DARK_MS }, `seeder${i}`)),
    Fault.crash({ atMs: STRAGGLER_OFF_MS, forMs: STRAGGLER_BACK_MS - STRAGGLER_OFF_MS }, STRAGGLER),
    Fault.churn({ atMs: HOUR, forMs: END_MS - HOUR }, chance.fraction() / 50),
    Fault.loss(
      { atMs: chance.below(CUT_MS), forMs: chance.between(HOUR, END_MS - CUT_MS) },
      chance.between(0, 10) / 100
    )
  ],
  play: Effect.fnUntraced(function* (world) {
    const { chance } = world
    const publisher = yield* Actors.person(world, "alice")
    const seeders = yield* Actors.people(
      world,
      Array.from({ length: SEEDERS }, (_, i) => `seeder${i}`)
    )
    const straggler = yield* Actors.person(world, STRAGGLER)
    /** Somebody new, who comes when all is over. */
    const newcomer = yield* Effect.cached(Actors.person(world, "uma"))
    const tally = new Tally()
    const witness = new Witness()
    const hear = (event: RePutEvent) => {
      if (event._tag !== "Put" && event._tag !== "Mended") return
      witness.count("writes")
      if (world.kernel.elapsedMs > SETTLED_MS) tally.note(world.kernel.elapsedMs, event)
    }
    const keep = ({ host }: Actors.Person) =>
      host.background(
        "keeping records alive",
        Effect.gen(function* () {
          const rePut = yield* RePut.make()
          yield* Effect.forkScoped(Stream.runForEach(rePut.events, (event) => Effect.sync(() => hear(event))))
          return yield* rePut.run
        })
      )
    const places = placesOf(publisher)
    const watching = Effect.gen(function* () {
      const until = world.kernel.elapsedMs + END_MS - BACK_MS - BACK_WITHIN_MS
      while (world.kernel.elapsedMs < until) {
        const held = new Set(world.nodes.holdings().map(({ target }) => target))
        for (const [keyString, target] of places) if (!held.has(target)) witness.object(`no node has ${keyString}`)
        yield* Effect.sleep(LOOK_EVERY_MS)
      }
    })
    yield* publisher.publish({ name: NAME, version: VERSIONS[0]! })
    for (const seeder of [...seeders, straggler]) {
      yield* seeder.install(NAME)
      yield* seeder.host.run(SeedStore.gatherRecords())
      keep(seeder)
    }
    return {
      laws: [
        { title: `no more than ${WRITES_AT_ONCE_MAX} write a record at one time`, broken: () => tally.problem },
        witness.law("what seeders are back for is never gone again")
      ],
      steps: [
        {
          atMs: LAST_WORD_MS + chance.below(HOUR),
          title: `alice publishes ${NAME}@${VERSIONS[1]} and goes for ever`,
          run: Effect.andThen(
            publisher.publish({ name: NAME, version: VERSIONS[1]! }),
            Effect.sync(() => publisher.host.crash())
          ),
          mustSucceed: true
        },
        {
          atMs: STRAGGLER_BACK_MS + SECOND,
          title: `${STRAGGLER} is back with what is old`,
          run: Effect.sync(() => keep(straggler))
        },
        // All of them in the very same millisecond.
        { atMs: BACK_MS + SECOND, title: "every seeder is back", run: Effect.sync(() => seeders.forEach(keep)) },
        { atMs: BACK_MS + BACK_WITHIN_MS, title: "the records are watched", run: watching, mustSucceed: true }
      ],
      goals: [
        {
          title: `uma sees everything that alice published`,
          reach: Effect.flatMap(newcomer, (user) =>
            Expectations.sees(user, NAME, publisher, { newest: VERSIONS[1]!, versions: VERSIONS })
          )
        },
        {
          title: "uma sees that alice publishes it",
          reach: Effect.flatMap(newcomer, (user) => Expectations.seesPublishers(user, NAME, [publisher]))
        }
      ],
      figures: () => witness.figures(["writes"])
    }
  })
})
