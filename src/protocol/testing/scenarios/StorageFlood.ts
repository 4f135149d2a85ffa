/**
 * Somebody fills the storage of the nodes around the records of a package: items of his own whose targets are next to
 * theirs, far more than those nodes may keep, and made-up peers under the package's torrent and its topic. No node
 * keeps more than it may; so records are pushed out. Once the publisher and a seeder put them again, users find and
 * install the package.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as KeyPair from "../../core/KeyPair.ts"
import { PackageName } from "../../core/PackageName.ts"
import { Dht } from "../../dht/Dht.ts"
import * as NodeId from "../../dht/client/NodeId.ts"
import * as KeyString from "../../dht/KeyString.ts"
import * as Record from "../../dht/Record.ts"
import * as RePut from "../../registry/RePut.ts"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import { HOUR, type Law, make, MINUTE, SECOND } from "../simulation/Scenario.ts"
import type { World } from "../simulation/World.ts"
import * as Actors from "./Actors.ts"
import * as Adversary from "./Adversary.ts"
import { notYet, Witness } from "./Witness.ts"

const NAME = "flooded"
const FIRST = "1.0.0"
const SECOND_VERSION = "1.1.0"

/** A network on which a flood is felt: what is put far from a place reaches it hardly. */
const NODES = 40
const CAPACITY = 30

/** Items of the flood. Each is stored on twenty nodes: together many times what all nodes keep. */
const ITEMS_MIN = 200
const ITEMS_MAX = 400

/** Made-up peers of one torrent or topic: more than a node names in one reply. */
const PEERS_MIN = 20
const PEERS_MAX = 140

/** Leading bits that the target of an item of the flood has in common with the place that it is meant for. */
const NEAR_BITS = 3

/** Bytes of an item of the flood; the first few are drawn until its target is near. */
const ITEM_BYTES = 200
const DRAWN_BYTES = 8

/** Writes of the flood that are under way at a time. */
const AT_ONCE = 8

const PUBLISHED_MS = 15 * MINUTE
const FLOOD_MS = 25 * MINUTE
const PLAY_MS = 60 * MINUTE

/** How often the storage of all nodes is looked at, ms. */
const LOOK_EVERY_MS = 10 * SECOND

const places: ReadonlyArray<Adversary.Besieged> = ["release", "package", "announce", "name index"]

const isNear = (place: Record.Target, target: Record.Target): boolean =>
  NodeId.commonBits(NodeId.fromBytes(place), NodeId.fromBytes(target)) >= NEAR_BITS

/** An item whose hash is near the place. */
const immutableNear = (place: Record.Target, chance: Chance): Uint8Array => {
  const value = new Uint8Array(ITEM_BYTES)
  do value.set(chance.bytes(DRAWN_BYTES))
  while (!isNear(place, Record.immutableTargetOf(value)))
  return value
}

/** A record under a salt that brings it near the place. */
const mutableNear = (place: Record.Target, keyPair: KeyPair.KeyPair, chance: Chance): Record.Record => {
  for (;;) {
    const salt = KeyString.saltOf(`flood ${chance.word()}`)
    if (!isNear(place, Record.targetOf(keyPair.publicKey, salt))) continue
    return Record.sign(keyPair, { salt, seq: 1, value: chance.bytes(DRAWN_BYTES) })
  }
}

/** That no node keeps more items than it may. */
const capsHold = (world: World, capacity: number): Law => {
  let lookedAtMs = -Infinity
  return {
    title: "no node keeps more items than it may",
    broken: () => {
      if (world.kernel.elapsedMs - lookedAtMs < LOOK_EVERY_MS) return undefined
      lookedAtMs = world.kernel.elapsedMs
      const counts = new Map<string, number>()
      for (const { node } of world.nodes.holdings()) counts.set(node, (counts.get(node) ?? 0) + 1)
      for (const [node, count] of counts) if (count > capacity) return `${node} keeps ${count} of ${capacity}`
      return undefined
    }
  }
}

/** Of some places, how many nobody holds anything of. */
const pushedOut = (world: World, targets: ReadonlyArray<Record.Target>): number => {
  const held = new Set(world.nodes.holdings().map(({ target }) => target))
  return targets.filter((target) => !held.has(Hex.encode(target))).length
}

/** Puts items, one after the other or a few at once; that some of them are refused is nothing to him. */
const flood = (world: World, flooder: Actors.Person, targets: ReadonlyArray<Record.Target>, witness: Witness) => {
  const chance = world.chance.fork("flood")
  const count = chance.between(ITEMS_MIN, ITEMS_MAX)
  const one = (dht: Dht["Service"]) =>
    Effect.suspend(() => {
      const place = chance.pick(targets)
      const put = chance.is(0.2)
        ? dht.put(mutableNear(place, flooder.keyPair, chance))
        : dht.putImmutable(immutableNear(place, chance))
      return Effect.ignore(Effect.tap(put, () => Effect.sync(() => witness.count("items of the flood"))))
    })
  return flooder.host.run(
    Effect.flatMap(Dht, (dht) =>
      Effect.forEach(Array.from({ length: count }), () => one(dht), { concurrency: AT_ONCE, discard: true })
    )
  )
}

/** Announces ports at which nobody serves anything. */
const floodPeers = (world: World, flooder: Actors.Person) => {
  const chance = world.chance.fork("flood of peers")
  return Effect.gen(function* () {
    const { release } = yield* flooder.resolve(NAME)
    const topic = KeyString.topicOf(KeyString.nameIndex(PackageName.make(NAME)))
    const ports = Array.from({ length: chance.between(PEERS_MIN, PEERS_MAX) }, (_, at) => 20_000 + at)
    const infohash = chance.is(0.5) ? release.ih : topic
    yield* flooder.host.run(
      Effect.flatMap(Dht, (dht) =>
        Effect.forEach(ports, (port) => Effect.ignore(dht.announcePeer(infohash, port)), {
          concurrency: AT_ONCE,
          discard: true
        })
      )
    )
  })
}

export const storageFlood = make({
  name: "storage-flood",
  about: "the storage around a package's records is filled; put again, users find it all the same",
  nodes: { count: NODES, capacity: CAPACITY },
  convergesWithinMs: 2 * HOUR,
  faults: (chance) => [
    Fault.loss({ atMs: chance.below(PLAY_MS), forMs: 10 * MINUTE }, chance.between(0, 10) / 100),
    Fault.churn({ atMs: 0, forMs: PLAY_MS }, chance.fraction() / 4)
  ],
  play: Effect.fnUntraced(function* (world) {
    const { chance } = world
    const names = ["pub", "seeder", "regular", "passer", "newcomer", "mallory"]
    const [publisher, seeder, regular, passer, newcomer, mallory] = yield* Actors.people(world, names)
    const witness = new Witness()
    const targets = chance.sample(places, chance.between(1, 3)).map((of) => {
      const version = chance.pick([FIRST, SECOND_VERSION])
      return Adversary.targetIn(world, { of, person: "pub", package: NAME, version })
    })
    const publishes = (version: string, atMs: number) => ({
      atMs,
      title: `pub publishes ${NAME}@${version}`,
      run: publisher!.publish({ name: NAME, version })
    })
    const finds = (user: Actors.Person) =>
      user.resolve(NAME).pipe(
        Effect.tap(() => Effect.sync(() => witness.count("found"))),
        Effect.tapError(() => Effect.sync(() => witness.count("not found")))
      )
    const looks = (user: Actors.Person) => ({
      atMs: chance.between(PUBLISHED_MS, PLAY_MS),
      title: `${user.host.name} resolves ${NAME}`,
      run: finds(user)
    })
    const putsAgain = (holder: Actors.Person) => ({
      atMs: PLAY_MS,
      title: `${holder.host.name} puts everything again`,
      run: holder.host.run(RePut.once)
    })

    publisher!.keepAlive()
    const isFloodFirst = chance.is(0.3)
    return {
      laws: [capsHold(world, CAPACITY)],
      steps: [
        publishes(FIRST, chance.below(PUBLISHED_MS / 2)),
        publishes(SECOND_VERSION, isFloodFirst ? FLOOD_MS + chance.below(5 * MINUTE) : PUBLISHED_MS),
        {
          atMs: PUBLISHED_MS + chance.below(5 * MINUTE),
          title: `seeder installs ${NAME} and keeps it alive`,
          run: Effect.suspend(() => {
            seeder!.keepAlive()
            return Effect.andThen(seeder!.install(NAME), seeder!.seed)
          })
        },
        {
          atMs: FLOOD_MS,
          title: "mallory floods the storage",
          run: Effect.tap(flood(world, mallory!, targets, witness), () =>
            Effect.sync(() => witness.count("pushed out", pushedOut(world, targets)))
          )
        },
        { atMs: FLOOD_MS, title: "mallory floods the peers", run: floodPeers(world, mallory!) },
        looks(regular!),
        looks(regular!),
        looks(passer!),
        // While the flood is going on, and without a memory of the package.
        { atMs: FLOOD_MS + chance.below(2 * MINUTE), title: `newcomer resolves ${NAME}`, run: finds(newcomer!) },
        putsAgain(publisher!),
        putsAgain(seeder!)
      ],
      goals: [
        {
          title: `pub publishes ${NAME}@${SECOND_VERSION}, in the end`,
          reach: publisher!.publish({ name: NAME, version: SECOND_VERSION })
        },
        ...[regular!, passer!, newcomer!].map((user) => ({
          title: `${user.host.name} installs ${NAME}@${SECOND_VERSION}`,
          reach: Effect.flatMap(user.install(NAME), ({ release }) =>
            release.v === SECOND_VERSION ? Effect.void : notYet(`${user.host.name} gets ${release.v}`)
          )
        }))
      ],
      figures: () => witness.figures(["found", "not found", "items of the flood", "pushed out"])
    }
  })
})
