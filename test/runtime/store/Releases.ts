/** A release, and another of the same name and version that takes its place; for processes of their own too. */
import * as Effect from "effect/Effect"
import { sha1 } from "../../../src/protocol/core/Digest.ts"
import type { PublicKey } from "../../../src/protocol/core/PublicKey.ts"
import { PackageStore, type StoredRelease } from "../../../src/protocol/swarm/PackageStore.ts"
import * as Torrent from "../../../src/protocol/swarm/Torrent.ts"
import * as Fixtures from "../../protocol/registry/Fixtures.ts"

const LENGTH = 3000
const MANIFEST_LENGTH = 100

interface Sample {
  readonly bytes: Uint8Array
  readonly stored: StoredRelease
}

const publisher = new Uint8Array(32).fill(7) as PublicKey

const sample = (fill: number): Sample => {
  const bytes = new Uint8Array(LENGTH).fill(fill)
  const torrent = Torrent.make({
    name: Fixtures.name("a"),
    version: Fixtures.version("1.0.0"),
    manifestLength: MANIFEST_LENGTH,
    tarballLength: LENGTH - MANIFEST_LENGTH,
    pieces: sha1(bytes)
  })
  const release = { ...Fixtures.release("a", "1.0.0"), ih: torrent.infohash, s: [100, 2900] as const }
  return { bytes, stored: { publisher, release, torrent } }
}

export const before = sample(1)
export const after = sample(2)

/** Stages and commits. */
export const keep = Effect.fnUntraced(function* ({ bytes, stored }: Sample) {
  const store = yield* PackageStore
  yield* Effect.scoped(Effect.flatMap(store.stage(stored.torrent), (staged) => staged.write(0, bytes)))
  yield* store.commit(stored)
})

/** The same for who has reserved the torrent. */
export const keepReserved = Effect.fnUntraced(function* (each: Sample) {
  yield* (yield* PackageStore).reserve(each.stored.torrent.infohash)
  yield* keep(each)
}, Effect.scoped)

/** What fills the bytes of the release that is found, all of which are read; fails where there is none. */
export const found = Effect.gen(function* () {
  const store = yield* PackageStore
  const { release } = before.stored
  const stored = yield* Effect.fromOption(yield* store.find(publisher, release.n, release.v))
  const bytes = yield* Effect.scoped(Effect.flatMap(store.open(stored), (content) => content.read(0, LENGTH)))
  return [...new Set(bytes)]
})
