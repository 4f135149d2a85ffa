/**
 * What an adversary can do that needs no key but those that anybody can derive, or his own: write the shared
 * record of a name, sign claims under any number of keys, keep a user to himself, settle next to a record.
 * He uses the library where that serves him, from a machine of his own.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import { Ed25519 } from "../../core/Ed25519.ts"
import * as KeyPair from "../../core/KeyPair.ts"
import { KeyName, Keystore } from "../../core/Keystore.ts"
import { PackageName } from "../../core/PackageName.ts"
import { Version } from "../../core/Version.ts"
import { Dht } from "../../dht/Dht.ts"
import * as KeyString from "../../dht/KeyString.ts"
import * as Record from "../../dht/Record.ts"
import * as NameClaim from "../../registry/NameClaim.ts"
import type { Chance } from "../simulation/Chance.ts"
import type { Fault, Span } from "../simulation/Fault.ts"
import type { Behaviour } from "../simulation/Nodes.ts"
import type { Machine, World } from "../simulation/World.ts"

/** What is to stand in the shared record of a name. */
export interface Writing {
  readonly seq: number
  readonly value: Uint8Array
}

/** Puts a record as it is, whatever it says: that it is signed is all that nodes ask for. */
export const put = (host: Machine, record: Record.Record) => host.run(Effect.flatMap(Dht, (dht) => dht.put(record)))

/** Overwrites the shared record of a name with what `write` makes of the one that is there. */
export const overwriteName = (host: Machine, name: string, write: (current: Record.Record | undefined) => Writing) =>
  host.run(
    Effect.gen(function* () {
      const dht = yield* Dht
      const keyString = KeyString.nameIndex(PackageName.make(name))
      const nameKey = yield* KeyString.nameKeyOf(keyString)
      const salt = KeyString.saltOf(keyString)
      const current = Option.getOrUndefined(yield* dht.get(nameKey.publicKey, salt))
      return yield* dht.put(Record.sign(nameKey, { salt, ...write(current) }))
    })
  )

/** Claims of so many publishers who do not exist. Dates in Unix ms. */
export const fakeClaims = (
  world: World,
  name: string,
  count: number,
  dates: { readonly firstSeen: number; readonly timestamp: number }
): Effect.Effect<ReadonlyArray<NameClaim.NameClaim>> => {
  const chance = world.chance.fork(`fake publishers of ${name}`)
  const one = Effect.map(
    Effect.suspend(() => KeyPair.fromSeed(chance.bytes(32))),
    (keyPair) => NameClaim.sign(keyPair, PackageName.make(name), { latestVersion: Version.make("99.0.0"), ...dates })
  )
  return Effect.all(Array.from({ length: count }, () => one)).pipe(Effect.provideService(Ed25519, world.ed25519))
}

/** How a host is kept from the network. */
export interface Captivity {
  /** Nodes that it still reaches. */
  readonly nodes: number
  /** What these are, all of them, from the beginning on. */
  readonly behaviour: Behaviour | ReadonlyArray<Behaviour>
  /** How long they are that before the host is cut off from all others, ms; at once unless told. */
  readonly inWaitMs?: number
}

const behaviourOf = ({ behaviour }: Captivity, chance: Chance): Behaviour =>
  typeof behaviour === "string" ? behaviour : chance.pick(behaviour)

const wordsFor = ({ behaviour }: Captivity): string =>
  typeof behaviour === "string" ? behaviour : behaviour.join(", ")

/** Whoever the hosts reach from now on is one of few nodes, all of them hostile; no peer, no other node. */
export const captive = (span: Span, hosts: ReadonlyArray<string>, captivity: Captivity): Fault => ({
  title: `${captivity.nodes} nodes turn (${wordsFor(captivity)}), to be all that ${hosts.join(", ")} can reach`,
  atMs: span.atMs,
  forMs: span.forMs,
  begin: (world, chance) => {
    const jailers = new Set(chance.sample(world.nodes.names(), captivity.nodes))
    for (const name of jailers) world.nodes.behave(name, behaviourOf(captivity, chance))
    const captives = new Set(hosts)
    const catchThem = () =>
      world.weather.cut(
        (from, to) => (captives.has(from) && !jailers.has(to)) || (captives.has(to) && !jailers.has(from))
      )
    let free = () => {}
    const trap = world.kernel.after(captivity.inWaitMs ?? 0, () => {
      free = catchThem()
      world.note("fault", hosts.join(", "), "cut off from all but hostile nodes")
    })
    return () => {
      trap.cancel()
      free()
      for (const name of jailers) world.nodes.behave(name, "honest")
    }
  }
})

/** What a siege is laid to: a record of a person, or the shared record of a name. */
export type Besieged = "release" | "package" | "announce" | "revocation" | "name index"

/** The key of a person, who has it at home whatever becomes of the disk. */
const keyOf = (world: World, person: string) => {
  const disk = world.hostNamed(person)?.disk
  if (disk === undefined) throw new RangeError(`there is nobody named ${person}`)
  return Effect.runSync(Effect.orDie(Context.get(disk, Keystore).load(KeyName.make("main")))).publicKey
}

const targetOf = (world: World, of: Besieged, person: string, name: PackageName, version: Version): Record.Target => {
  const publicKey = keyOf(world, person)
  const at = (keyString: string) => Record.targetOf(publicKey, KeyString.saltOf(keyString))
  switch (of) {
    case "release":
      return at(KeyString.release(name, version))
    case "package":
      return at(KeyString.packageOf(name))
    case "announce":
      return at(KeyString.announce(publicKey))
    case "revocation":
      return at(KeyString.REVOCATION)
    case "name index": {
      const keyString = KeyString.nameIndex(name)
      const nameKey = KeyString.nameKeyOf(keyString).pipe(Effect.provideService(Ed25519, world.ed25519), Effect.runSync)
      return Record.targetOf(nameKey.publicKey, KeyString.saltOf(keyString))
    }
  }
}

/** A record of a person who is there by the time that it is besieged. */
export interface Place {
  readonly of: Besieged
  readonly person: string
  readonly package: string
  readonly version: string
}

/** Where that record is. */
export const targetIn = (world: World, { of, package: name, person, version }: Place): Record.Target =>
  targetOf(world, of, person, PackageName.make(name), Version.make(version))

/** Hostile nodes settle next to a record, closer than all others. */
export const siege = (span: Span, place: Place, count: number, behaviourFor: (chance: Chance) => Behaviour): Fault => ({
  title: `${count} hostile nodes settle next to the ${place.of} of ${place.package} by ${place.person}`,
  atMs: span.atMs,
  forMs: span.forMs,
  begin: (world, chance) => {
    const names = world.nodes.besiege(targetIn(world, place), count, "honest")
    for (const each of names) world.nodes.behave(each, behaviourFor(chance))
    return () => {
      for (const each of names) world.nodes.crash(each)
    }
  }
})

/** Every node that holds a record turns hostile: those closest to it, as far as anybody can tell. */
export const treason = (span: Span, place: Place, behaviourFor: (chance: Chance) => Behaviour): Fault => ({
  title: `whoever holds the ${place.of} of ${place.package} by ${place.person} turns hostile`,
  atMs: span.atMs,
  forMs: span.forMs,
  begin: (world, chance) => {
    const target = Hex.encode(targetIn(world, place))
    const holders = world.nodes.holdings().filter((holding) => holding.target === target)
    for (const { node } of holders) world.nodes.behave(node, behaviourFor(chance))
    return () => {
      for (const { node } of holders) world.nodes.behave(node, "honest")
    }
  }
})
