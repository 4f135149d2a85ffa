/** A `PackageStore` in memory. */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import { StorageFailed } from "../swarm/Content.ts"
import * as MemoryContent from "../swarm/MemoryContent.ts"
import { keyOf, keyOfStored, PackageStore, type StoredRelease } from "../swarm/PackageStore.ts"

/** Random access to a byte array; writing past its end fails. */
export const contentOf = MemoryContent.make

export const layer: Layer.Layer<PackageStore> = Layer.sync(PackageStore, () => {
  const staged = new Map<string, Uint8Array>()
  const stored = new Map<string, StoredRelease & { readonly bytes: Uint8Array }>()
  let keys: ReadonlyArray<string> | undefined
  const missing = (operation: string, location: string) =>
    Effect.fail(new StorageFailed({ location, operation, problem: "it is not there" }))
  const reservations = new Map<string, Semaphore.Semaphore>()
  return PackageStore.of({
    reserve: (infohash) => {
      const key = Hex.encode(infohash)
      const reservation = reservations.get(key) ?? Semaphore.makeUnsafe(1)
      reservations.set(key, reservation)
      return Effect.asVoid(Effect.acquireRelease(reservation.take(1), () => reservation.release(1)))
    },
    stage: (torrent) =>
      Effect.sync(() => {
        const key = Hex.encode(torrent.infohash)
        const bytes = staged.get(key) ?? new Uint8Array(torrent.totalLength)
        staged.set(key, bytes)
        return contentOf(bytes)
      }),
    discard: (torrent) => Effect.sync(() => void staged.delete(Hex.encode(torrent.infohash))),
    commit: Effect.fnUntraced(function* (release) {
      const key = Hex.encode(release.torrent.infohash)
      const id = keyOfStored(release)
      const bytes = staged.get(key)
      if (bytes === undefined) {
        if (stored.has(id)) return
        return yield* missing("commit", release.torrent.name)
      }
      stored.set(id, { ...release, bytes })
      staged.delete(key)
      keys = undefined
    }),
    restage: Effect.fnUntraced(function* (release) {
      const key = Hex.encode(release.torrent.infohash)
      const found = stored.get(keyOfStored(release))
      if (found === undefined) return yield* missing("stage", release.torrent.name)
      if (!staged.has(key)) staged.set(key, found.bytes.slice())
    }),
    find: (publisher, name, version) =>
      Effect.sync(() => Option.fromUndefinedOr(stored.get(keyOf(publisher, name, version)))),
    list: Effect.sync(() => [...stored.values()]),
    keys: Effect.sync(() => (keys ??= [...stored.keys()])),
    get: (key) => Effect.sync(() => Option.fromUndefinedOr(stored.get(key))),
    touch: () => Effect.void,
    remove: (release) =>
      Effect.sync(() => {
        stored.delete(keyOfStored(release))
        keys = undefined
      }),
    open: Effect.fnUntraced(function* (release) {
      const found = stored.get(keyOfStored(release))
      return found === undefined ? yield* missing("open", release.torrent.name) : contentOf(found.bytes)
    })
  })
})
