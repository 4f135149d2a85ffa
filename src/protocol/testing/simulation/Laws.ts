/**
 * The laws that hold in every simulation, whatever befalls it: nothing unverified is accepted, nothing that
 * was seen is undone, a pin stays, and what is installed is whole. They look at the disks themselves.
 */
import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { sha256 } from "../../core/Digest.ts"
import type { Ed25519 } from "../../core/Ed25519.ts"
import * as Infohash from "../../core/Infohash.ts"
import * as PublicKey from "../../core/PublicKey.ts"
import * as KeyString from "../../dht/KeyString.ts"
import * as Record from "../../dht/Record.ts"
import { RecordStore } from "../../dht/RecordStore.ts"
import * as PackageRecord from "../../registry/PackageRecord.ts"
import { Proofs } from "../../registry/Proofs.ts"
import * as Release from "../../registry/Release.ts"
import { PackageStore, type StoredRelease } from "../../swarm/PackageStore.ts"
import { TrustBook } from "../../trust/TrustBook.ts"
import type { Law } from "./Law.ts"
import type { Given } from "./Given.ts"
import { labelOf, type Truth } from "./Truth.ts"
import type { Machine, World } from "./World.ts"

/** Everything on a disk is read without a device in between, and at once. */
const read = <A>(effect: Effect.Effect<A, unknown>): A => Effect.runSync(Effect.orDie(effect))

/** A memory of what was seen on each disk; a new disk has none. */
class PerDisk<A> {
  readonly #seen = new Map<string, A>()
  readonly #make: () => A
  constructor(make: () => A) {
    this.#make = make
  }
  of(host: Machine): A {
    const key = host.diskName
    const known = this.#seen.get(key)
    if (known !== undefined) return known
    const made = this.#make()
    this.#seen.set(key, made)
    return made
  }
}

const firstOf = (hosts: () => ReadonlyArray<Machine>, broken: (host: Machine) => string | undefined) => () => {
  for (const host of hosts()) {
    const problem = broken(host)
    if (problem !== undefined) return `${host.name}: ${problem}`
  }
  return undefined
}

/** Where a record is: no two of these are kept at one place. */
const placeOf = ({ publicKey, salt }: Record.Record): string => `${PublicKey.toHex(publicKey)} ${Hex.encode(salt)}`

/** Stores have no way of dropping a record, so each that was there has to be among those that are. */
const vanished = (
  known: ReadonlyMap<string, Record.Record>,
  records: ReadonlyArray<Record.Record>
): string | undefined => {
  if (records.length === known.size) return undefined
  const places = new Set(records.map(placeOf))
  const gone = [...known].find(([place]) => !places.has(place))
  return gone === undefined ? undefined : `the record of ${gone[0].slice(0, 8)}… with seq ${gone[1].seq} is gone`
}

/** No machine goes back to an older record than it ever kept, across restarts too; of two under one number the greater one stays. */
export const seqNeverFalls = (hosts: () => ReadonlyArray<Machine>): Law => {
  const seen = new PerDisk(() => new Map<string, Record.Record>())
  return {
    title: "no accepted sequence number goes back",
    broken: firstOf(hosts, (host) => {
      const known = seen.of(host)
      const records = read(Context.get(host.disk, RecordStore).all)
      for (const record of records) {
        const { seq, value } = record
        const key = placeOf(record)
        const before = known.get(key)
        if (before === record) continue
        if (before !== undefined && seq < before.seq) {
          return `a record of ${key.slice(0, 8)}… went back from seq ${before.seq} to ${seq}`
        }
        if (before !== undefined && seq === before.seq && Bytes.Order(value, before.value) < 0) {
          return `a record of ${key.slice(0, 8)}… with seq ${seq} gave way to a lesser one`
        }
        known.set(key, record)
      }
      return vanished(known, records)
    })
  }
}

/** Whatever is kept as somebody's record is signed by that key, for this place, under this number. */
export const onlySignedRecords = (hosts: () => ReadonlyArray<Machine>, { verify }: Ed25519["Service"]): Law => {
  const seen = new WeakSet<Record.Record>()
  return {
    title: "no record is kept that its key did not sign",
    broken: firstOf(hosts, (host) => {
      for (const record of read(Context.get(host.disk, RecordStore).all)) {
        if (seen.has(record)) continue
        const { publicKey, salt, seq, signature, value } = record
        if (!verify(signature, Record.signedBytes(salt, seq, value), publicKey)) {
          return `a record of ${PublicKey.toHex(publicKey).slice(0, 8)}… with seq ${seq} is not signed by that key`
        }
        seen.add(record)
      }
      return undefined
    })
  }
}

/** Nobody who keeps the disk is given something older than before, or nothing of what was there. */
export const nothingOlderIsGiven = (given: Given): Law => ({
  title: "nobody who keeps the disk is given something older than before",
  broken: () => given.objection
})

/**
 * A name means the publisher that it meant, until the user says otherwise. `mayChange` is asked once for each change,
 * with the new publisher's key in hex.
 */
export const pinsStay = (
  hosts: () => ReadonlyArray<Machine>,
  mayChange: (host: string, name: string, to: string | undefined) => boolean
): Law => {
  const seen = new PerDisk(() => new Map<string, string>())
  return {
    title: "a pin never changes silently",
    broken: firstOf(hosts, (host) => {
      const known = seen.of(host)
      const { pins } = read(Context.get(host.disk, TrustBook).read)
      for (const [name, { publisher }] of pins) {
        const now = PublicKey.toHex(publisher)
        const before = known.get(name) ?? now
        if (before !== now && !mayChange(host.name, name, now)) {
          return `${name} was pinned to ${before.slice(0, 8)}…, and now is to ${now.slice(0, 8)}…`
        }
        known.set(name, now)
      }
      const pinned = new Set<string>(pins.keys())
      for (const name of known.keys()) {
        if (pinned.has(name)) continue
        if (!mayChange(host.name, name, undefined)) return `the pin of ${name} is gone`
        known.delete(name)
      }
      return undefined
    })
  }
}

const wholeProblem = (store: PackageStore["Service"], stored: StoredRelease): string | undefined =>
  read(
    Effect.scoped(
      Effect.gen(function* () {
        const content = yield* store.open(stored)
        const { release, torrent } = stored
        if (!Infohash.equals(torrent.infohash, release.ih)) return "is kept as a torrent that was not signed"
        const manifest = yield* content.read(torrent.manifest.offset, torrent.manifest.length)
        const tarball = yield* content.read(torrent.tarball.offset, torrent.tarball.length)
        if (!Bytes.Equivalence(sha256(manifest), release.m)) return "has a manifest that was not signed"
        if (!Bytes.Equivalence(sha256(tarball), release.h)) return "has a tarball that was not signed"
        return undefined
      })
    )
  )

/** The release that a record is about: its own, or the one that a package record carries. */
const releaseIn = ({ salt, value }: Record.Record): Release.Release | undefined => {
  const isAt = (keyString: string) => Bytes.Equivalence(salt, KeyString.saltOf(keyString))
  const release = Option.getOrUndefined(Result.getSuccess(Release.decode(value)))
  if (release !== undefined) return isAt(KeyString.release(release.n, release.v)) ? release : undefined
  const pkg = Option.getOrUndefined(Result.getSuccess(PackageRecord.decode(value)))
  return pkg !== undefined && isAt(KeyString.packageOf(pkg.n)) ? Release.withName(pkg.n, pkg.l) : undefined
}

/**
 * What strangers signed, as far as any machine has ever kept a record of it: whoever installs keeps the record by
 * which it was found, before the bytes come.
 */
class Strangers {
  readonly #read = new WeakSet<Record.Record>()
  readonly #signed = new Map<string, Set<string>>()
  readonly #truth: Truth

  constructor(truth: Truth) {
    this.#truth = truth
  }

  learn(records: ReadonlyArray<Record.Record>): void {
    for (const record of records) {
      if (this.#read.has(record) || this.#truth.isKnown(record.publicKey)) continue
      this.#read.add(record)
      const release = releaseIn(record)
      if (release === undefined) continue
      const key = PublicKey.toHex(record.publicKey)
      this.#signed.set(key, (this.#signed.get(key) ?? new Set()).add(labelOf(release)))
    }
  }

  signed(publisher: PublicKey.PublicKey, release: Release.Release): boolean {
    return this.#signed.get(PublicKey.toHex(publisher))?.has(labelOf(release)) ?? false
  }
}

/**
 * Whatever is in a package store is whole, and was signed by the publisher that it is kept under: by the truth where
 * that knows the key, else by a record that some machine has kept (and of which {@link onlySignedRecords} says that
 * the key signed it). Bytes are read again after every write to them.
 *
 * Not checked: the piece hashes of a torrent and its other fields, which only keep others from downloading it; hints,
 * inlined pieces and the date of a release; what a manifest says beyond its hash; bytes that are staged.
 */
export const onlySignedBytes = (hosts: () => ReadonlyArray<Machine>, truth: Truth): Law => {
  const seen = new PerDisk(() => new Map<string, number>())
  const strangers = new Strangers(truth)
  return {
    title: "no unverified byte is accepted, and nothing is half installed",
    broken: firstOf(hosts, (host) => {
      const known = seen.of(host)
      const store = Context.get(host.disk, PackageStore)
      strangers.learn(read(Context.get(host.disk, RecordStore).all))
      for (const stored of read(store.list)) {
        const { publisher, release, torrent } = stored
        const key = `${PublicKey.toHex(publisher)} ${labelOf(release)}`
        const writes = host.contentWrites.of(torrent.infohash)
        if (known.get(key) === writes) continue
        const problem =
          (truth.saysOf(publisher, release) ?? strangers.signed(publisher, release))
            ? wholeProblem(store, stored)
            : "was never signed by its publisher"
        if (problem !== undefined) return `${release.n}@${release.v} ${problem}`
        known.set(key, writes)
      }
      return undefined
    })
  }
}

/** A publisher that was cut off is never made to sign two releases of one version. For scenarios in which all publishers are honest. */
export const nobodyEquivocates = (hosts: () => ReadonlyArray<Machine>): Law => ({
  title: "no version is released twice",
  broken: firstOf(hosts, ({ disk }) => {
    const [proof] = read(Context.get(disk, Proofs).all)
    return proof === undefined ? undefined : `there is the proof of two releases of ${proof.name}@${proof.version}`
  })
})

/** The laws of every simulation. `hosts` are the machines whose disks have been written to since they were asked last. */
export const standard = (
  world: Pick<World, "truth" | "given" | "takeRepin">,
  hosts: () => ReadonlyArray<Machine>,
  ed25519: Ed25519["Service"]
): ReadonlyArray<Law> => [
  seqNeverFalls(hosts),
  onlySignedRecords(hosts, ed25519),
  nothingOlderIsGiven(world.given),
  pinsStay(hosts, (host, name, to) => world.takeRepin(host, name, to)),
  onlySignedBytes(hosts, world.truth)
]
