/**
 * Publishers lose power for ever at some write while they publish, and one of them comes back in another place
 * with a handful of nodes around, where it runs the command again. Whatever anybody can find has behind it what it
 * speaks of; what counts as stored is held by enough nodes; and no version is ever signed twice.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import { PackageName } from "../../core/PackageName.ts"
import type * as PublicKey from "../../core/PublicKey.ts"
import type { Version } from "../../core/Version.ts"
import { Dht } from "../../dht/Dht.ts"
import * as KeyString from "../../dht/KeyString.ts"
import * as Quorum from "../../dht/Quorum.ts"
import * as Record from "../../dht/Record.ts"
import * as NameIndex from "../../registry/NameIndex.ts"
import type { Published } from "../../swarm/PublishPackage.ts"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import * as Laws from "../simulation/Laws.ts"
import { make, MINUTE, SECOND } from "../simulation/Scenario.ts"
import type { World } from "../simulation/World.ts"
import * as Actors from "./Actors.ts"
import { Witness } from "./Witness.ts"

const NAME = "half"
const PUBLISHERS = ["pia", "quin", "rob"]
/** Is cut off, and comes back. */
const ISLANDER = "islander"
/** Sees what there is, and stores something while hardly anything comes through. */
const ONLOOKER = "onlooker"

/** Everybody publishes within this time, and somebody looks at the name until it is over. */
const PUBLISHING_MS = 30 * SECOND
const LOOKING_MS = 75 * SECOND
const LOOK_EVERY_MS = 300

/** When one loses power in the middle of its work: its release is in the network, and it has not noted that yet. */
const ISLANDER_CRASH_MS = 40 * SECOND
const RELEASE_WRITE = 9

/**
 * When most nodes are out of its reach, or lose power, and for how long. It is up again, and publishes, when those that
 * are left have forgotten the others: before that it would be told that too few answer.
 */
const CUT_MS = 80 * SECOND
const FORGOTTEN_MS = 16 * MINUTE
const ISLAND_MS = 20 * MINUTE

/** When so many packets are lost that nodes which can be reached do not all take what they are given. */
const STORM_MS = CUT_MS + ISLAND_MS
const STORM_FOR_MS = MINUTE
const LOSS_MIN = 35
const LOSS_MAX = 60

/** Records that somebody stores then. */
const STORED = 4

/** Of the nodes that stay with who is cut off: at most six of fifty. */
const ISLAND_MAX = 12

/** Writes of one publication, a few more than were counted: some then come through. */
const WRITES_OF_PUBLISH = 24

/** A handful of nodes are left, to everybody or to who is cut off. */
const island = (chance: Chance): Fault.Fault => {
  const span = { atMs: CUT_MS, forMs: ISLAND_MS }
  const share = chance.between(2, ISLAND_MAX) / 100
  return chance.is(0.7) ? Fault.nodesCrash(span, 1 - share, true) : Fault.partition(span, { share, hosts: [ISLANDER] })
}

const troubles = (chance: Chance): ReadonlyArray<Fault.Fault> => [
  ...PUBLISHERS.filter(() => chance.is(0.8)).map((host) =>
    Fault.crashAtWrite({ atMs: 0 }, host, chance.between(1, WRITES_OF_PUBLISH), chance.pick(["before", "after"]))
  ),
  Fault.crashAtWrite(
    { atMs: ISLANDER_CRASH_MS, forMs: CUT_MS + FORGOTTEN_MS - ISLANDER_CRASH_MS },
    ISLANDER,
    RELEASE_WRITE,
    "before"
  ),
  Fault.loss({ atMs: STORM_MS, forMs: STORM_FOR_MS }, chance.between(LOSS_MIN, LOSS_MAX) / 100),
  island(chance)
]

const KNOWN_LOOK_EVERY_MS = 20

/** How many nodes hold what stands at a place, or something newer: as nobody in the network can see it. */
const holders = (world: World, publicKey: PublicKey.PublicKey, salt: KeyString.Salt, seq = 0): number => {
  const target = Hex.encode(Record.targetOf(publicKey, salt))
  return world.nodes.holdings().filter((holding) => holding.target === target && (holding.seq ?? 0) >= seq).length
}

/** Whether too few nodes hold one of the records of a publication, of a machine that knew so many at least. */
const thin = (world: World, { publication, release }: Published, known: number): string | undefined => {
  const least = Math.min(Quorum.MIN_ACKS_DEFAULT, known)
  const held = publication.records.map(({ publicKey, salt, seq }) => holders(world, publicKey, salt, seq))
  return held.some((count) => count < least)
    ? `${release.n}@${release.v} counts as published, and its records are held by ${held.join(", ")} nodes`
    : undefined
}

/** The fewest nodes that a machine knew while something was done. */
const whileKnowing = <A, E>({ host }: Actors.Person, work: Effect.Effect<A, E>) =>
  Effect.suspend(() => {
    let known = Number.POSITIVE_INFINITY
    const look = Effect.tap(host.run(Effect.flatMap(Dht, ({ nodeCount }) => nodeCount)), (count) =>
      Effect.sync(() => {
        known = Math.min(known, count)
      })
    )
    const looking = Effect.forever(Effect.andThen(look, Effect.sleep(KNOWN_LOOK_EVERY_MS)))
    return Effect.map(Effect.raceFirst(work, looking), (done) => ({ done, known }))
  })

const play = Effect.fnUntraced(function* (world: World) {
  const { chance } = world
  const publishers = yield* Actors.people(world, [...PUBLISHERS, ISLANDER])
  const onlooker = yield* Actors.person(world, ONLOOKER)
  const name = PackageName.make(NAME)
  const witness = new Witness()
  /** Where nobody is cut off, what a machine knew a moment ago is no excuse. */
  const publishing = (publisher: Actors.Person, version: string, isWhole = false) =>
    Effect.gen(function* () {
      const { done, known } = yield* whileKnowing(publisher, publisher.publish({ name: NAME, version }))
      const problem = thin(world, done, isWhole ? Number.POSITIVE_INFINITY : known)
      if (problem !== undefined) witness.object(`${publisher.host.name}: ${problem}`)
      witness.count("published")
    })
  const judge = (publisher: PublicKey.PublicKey, version: Version) => {
    for (const keyString of [KeyString.release(name, version), KeyString.packageOf(name)]) {
      if (holders(world, publisher, KeyString.saltOf(keyString)) > 0) continue
      witness.object(`${NAME}@${version} is claimed, and no node has ${keyString}`)
    }
    witness.count("claims seen")
  }
  const looking = Effect.gen(function* () {
    const until = world.kernel.elapsedMs + LOOKING_MS
    while (world.kernel.elapsedMs < until) {
      const { inNetwork } = yield* onlooker.host.run(NameIndex.read(name, { askPeers: false }))
      for (const { k, lv } of inNetwork.values()) judge(k, lv)
      yield* Effect.sleep(LOOK_EVERY_MS)
    }
  })
  const islander = publishers.at(-1)!
  /** Nothing but one put after the other, each judged by what the machine knows at that moment. */
  const storing = (nth: number) =>
    Effect.gen(function* () {
      const salt = KeyString.saltOf(`libreseed:manifest:stored-${nth}@1.0.0`)
      const record = Record.sign(onlooker.keyPair, { salt, seq: 1, value: new Uint8Array(1) })
      const { acks, known } = yield* onlooker.host.run(
        Effect.gen(function* () {
          const { acks } = yield* Quorum.put(record)
          return { acks, known: yield* (yield* Dht).nodeCount }
        })
      )
      const held = holders(world, onlooker.publicKey, salt)
      if (Math.min(held, acks) < Math.min(Quorum.MIN_ACKS_DEFAULT, known)) {
        witness.object(`${ONLOOKER} knows ${known} nodes, and a record counts as stored that ${acks} took`)
      }
      witness.count("stored")
    })
  const onIsland = publishing(islander, "1.0.0")
  return {
    laws: [
      witness.law("what is announced is there, and what counts as stored is held by enough nodes"),
      Laws.nobodyEquivocates(() => world.hosts)
    ],
    steps: [
      ...PUBLISHERS.map((_, at) => ({
        atMs: chance.below(PUBLISHING_MS),
        title: `${PUBLISHERS[at]} publishes ${NAME}@1.${at}.0`,
        run: publishing(publishers[at]!, `1.${at}.0`)
      })),
      {
        atMs: CUT_MS + FORGOTTEN_MS + chance.between(SECOND, MINUTE),
        title: `${ISLANDER} publishes ${NAME}@1.0.0`,
        run: onIsland
      },
      { atMs: ISLANDER_CRASH_MS + 1, title: `${ISLANDER} publishes ${NAME}@1.0.0, and is cut off`, run: onIsland },
      ...Array.from({ length: STORED }, (_, nth) => ({
        atMs: STORM_MS + chance.below(STORM_FOR_MS / 2),
        title: `${ONLOOKER} stores a record`,
        run: storing(nth)
      })),
      { atMs: 0, title: `${ONLOOKER} watches the name`, run: looking, mustSucceed: true }
    ],
    goals: [{ title: `${ISLANDER} publishes ${NAME}@1.0.0, in the end`, reach: publishing(islander, "1.0.0", true) }],
    figures: () => witness.figures(["published", "claims seen", "stored"])
  }
})

export const halfPublished = make({
  name: "half-published",
  about:
    "publishers are cut off or lose power for ever; nothing is announced that is not there, nothing counts as published that few nodes hold",
  faults: troubles,
  play
})
