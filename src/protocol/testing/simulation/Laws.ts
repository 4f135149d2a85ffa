/**
 * The laws that hold in every simulation, whatever befalls it: nothing unverified is accepted, nothing that
 * was seen is undone, a pin stays, and what is installed is whole. They look at the disks themselves.
 */
import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import { sha256 } from "../../core/Digest.ts"
import type { Ed25519 } from "../../core/Ed25519.ts"
import * as PublicKey from "../../core/PublicKey.ts"
import * as Record from "../../dht/Record.ts"
import { RecordStore } from "../../dht/RecordStore.ts"
import { PackageStore, type StoredRelease } from "../../swarm/PackageStore.ts"
import { TrustBook } from "../../trust/TrustBook.ts"
import type { Law } from "./Law.ts"
import { labelOf, type Truth } from "./Truth.ts"
import type { Machine } from "./World.ts"

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
    const key = `${host.name} ${host.disks}`
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

/** No machine goes back to an older record than it ever kept, across restarts too. */
export const seqNeverFalls = (hosts: () => ReadonlyArray<Machine>): Law => {
  const seen = new PerDisk(() => new Map<string, number>())
  return {
    title: "no accepted sequence number goes back",
    broken: firstOf(hosts, (host) => {
      const known = seen.of(host)
      for (const { publicKey, salt, seq } of read(Context.get(host.disk, RecordStore).all)) {
        const key = `${PublicKey.toHex(publicKey)} ${Hex.encode(salt)}`
        const before = known.get(key) ?? -1
        if (seq < before) return `a record of ${key.slice(0, 8)}… went back from seq ${before} to ${seq}`
        if (seq > before) known.set(key, seq)
      }
      return undefined
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

/** A name means the publisher that it meant, until the user says otherwise. */
export const pinsStay = (
  hosts: () => ReadonlyArray<Machine>,
  mayChange: (host: string, name: string) => boolean
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
        if (before !== now && !mayChange(host.name, name)) {
          return `${name} was pinned to ${before.slice(0, 8)}…, and now is to ${now.slice(0, 8)}…`
        }
        known.set(name, now)
      }
      const pinned = new Set<string>(pins.keys())
      for (const name of known.keys()) {
        if (!pinned.has(name) && !mayChange(host.name, name)) return `the pin of ${name} is gone`
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
        const manifest = yield* content.read(torrent.manifest.offset, torrent.manifest.length)
        const tarball = yield* content.read(torrent.tarball.offset, torrent.tarball.length)
        if (!Bytes.Equivalence(sha256(manifest), release.m)) return "has a manifest that was not signed"
        if (!Bytes.Equivalence(sha256(tarball), release.h)) return "has a tarball that was not signed"
        return undefined
      })
    )
  )

/** Whatever is in a package store is whole, and was signed by the publisher that it is kept under. */
export const onlySignedBytes = (hosts: () => ReadonlyArray<Machine>, truth: Truth): Law => {
  const seen = new PerDisk(() => new Set<string>())
  return {
    title: "no unverified byte is accepted, and nothing is half installed",
    broken: firstOf(hosts, (host) => {
      const known = seen.of(host)
      const store = Context.get(host.disk, PackageStore)
      for (const stored of read(store.list)) {
        const { publisher, release } = stored
        const key = `${PublicKey.toHex(publisher)} ${labelOf(release)}`
        if (known.has(key)) continue
        const problem = truth.allows(publisher, release)
          ? wholeProblem(store, stored)
          : "was never signed by its publisher"
        if (problem !== undefined) return `${release.n}@${release.v} ${problem}`
        known.add(key)
      }
      return undefined
    })
  }
}
