/** A `PackageStore` in memory. */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"
import { type Content, StorageFailed } from "../swarm/Content.ts"
import { PackageStore, type StoredRelease } from "../swarm/PackageStore.ts"

/** Random access to a byte array; writing past its end fails. */
export const contentOf = (bytes: Uint8Array): Content => ({
  read: (offset, length) =>
    offset + length <= bytes.length
      ? Effect.sync(() => bytes.slice(offset, offset + length))
      : Effect.fail(new StorageFailed({ location: "memory", operation: "read", problem: "past the end" })),
  write: (offset, chunk) =>
    offset + chunk.length <= bytes.length
      ? Effect.sync(() => bytes.set(chunk, offset))
      : Effect.fail(new StorageFailed({ location: "memory", operation: "write", problem: "past the end" }))
})

const idOf = (publisher: PublicKey.PublicKey, name: PackageName, version: Version): string =>
  `${PublicKey.toHex(publisher)} ${name} ${version}`

export const layer: Layer.Layer<PackageStore> = Layer.sync(PackageStore, () => {
  const staged = new Map<string, Uint8Array>()
  const stored = new Map<string, StoredRelease & { readonly bytes: Uint8Array }>()
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
      const id = idOf(release.publisher, release.release.n, release.release.v)
      const bytes = staged.get(key)
      if (bytes === undefined) {
        if (stored.has(id)) return
        return yield* missing("commit", release.torrent.name)
      }
      stored.set(id, { ...release, bytes })
      staged.delete(key)
    }),
    find: (publisher, name, version) =>
      Effect.sync(() => Option.fromUndefinedOr(stored.get(idOf(publisher, name, version)))),
    list: Effect.sync(() => [...stored.values()]),
    open: Effect.fnUntraced(function* ({ publisher, release, torrent }) {
      const found = stored.get(idOf(publisher, release.n, release.v))
      return found === undefined ? yield* missing("open", torrent.name) : contentOf(found.bytes)
    })
  })
})
