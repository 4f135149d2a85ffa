/**
 * Counts what is written to the content of each torrent on a machine, by whomever, so that a law which reads
 * content has to read it again only where there was a write.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type { Infohash } from "../../core/Infohash.ts"
import type { Content } from "../../swarm/Content.ts"
import { PackageStore } from "../../swarm/PackageStore.ts"
import type { Disk } from "./Disk.ts"

export class ContentWrites {
  readonly #writes = new Map<string, number>()

  /** Writes to the content under an infohash so far, staged or stored, and commits of it. */
  of(infohash: Infohash): number {
    return this.#writes.get(Hex.encode(infohash)) ?? 0
  }

  /** The same disk, whose package store is counted from now on. */
  counting(disk: Disk): Disk {
    const store = Context.get(disk, PackageStore)
    const counted =
      (infohash: Infohash) =>
      ({ read, write }: Content): Content => ({
        read,
        write: (offset, chunk) => Effect.tap(write(offset, chunk), () => this.#count(infohash))
      })
    return Context.add(
      disk,
      PackageStore,
      PackageStore.of({
        ...store,
        stage: (torrent) => Effect.map(store.stage(torrent), counted(torrent.infohash)),
        commit: (stored) => Effect.tap(store.commit(stored), () => this.#count(stored.torrent.infohash)),
        open: (stored) => Effect.map(store.open(stored), counted(stored.torrent.infohash))
      })
    )
  }

  #count(infohash: Infohash): Effect.Effect<void> {
    return Effect.sync(() => void this.#writes.set(Hex.encode(infohash), this.of(infohash) + 1))
  }
}
