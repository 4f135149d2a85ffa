/**
 * Small torrents while they arrive: in memory, for who has reserved them, until the reservation ends. Nearly every
 * release has less than a MiB and is fetched in less time than its files take on the disk, so that little is lost with
 * one that is cut off. Others are staged on the disk.
 */
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import * as Infohash from "../../protocol/core/Infohash.ts"
import type { Torrent } from "../../protocol/swarm/Torrent.ts"

/** Bytes of a torrent that is staged in memory: what is longer may take so long that it is worth to resume it. */
export const SMALL_MAX_BYTES = 1024 * 1024

/** Bytes of all that are staged in memory at a time; what comes on top is staged on the disk. */
export const STAGED_MAX_BYTES = 32 * 1024 * 1024

export class StagedMemory {
  /** By infohash in hex; `undefined` where nothing is staged. */
  readonly #reserved = new Map<string, Uint8Array | undefined>()
  #bytes = 0

  /** Whether a torrent may be staged here. */
  static isSmall(torrent: Torrent): boolean {
    return torrent.totalLength <= SMALL_MAX_BYTES
  }

  /** Minds the torrent until the scope closes, for who alone may stage it until then. */
  mind(infohash: Infohash.Infohash): Effect.Effect<void, never, Scope> {
    const key = Infohash.toHex(infohash)
    return Effect.acquireRelease(
      Effect.sync(() => void this.#reserved.set(key, undefined)),
      () =>
        Effect.sync(() => {
          this.forget(infohash)
          this.#reserved.delete(key)
        })
    )
  }

  /** What is staged. */
  get({ infohash }: Torrent): Uint8Array | undefined {
    return this.#reserved.get(Infohash.toHex(infohash))
  }

  /**
   * Zeros to write the torrent's bytes over, instead of what was staged; `undefined` where nobody has reserved it, it is
   * too large or there is no room.
   */
  stage(torrent: Torrent): Uint8Array | undefined {
    const key = Infohash.toHex(torrent.infohash)
    const { totalLength } = torrent
    if (!this.#reserved.has(key) || !StagedMemory.isSmall(torrent)) return undefined
    this.forget(torrent.infohash)
    if (this.#bytes + totalLength > STAGED_MAX_BYTES) return undefined
    const bytes = new Uint8Array(totalLength)
    this.#reserved.set(key, bytes)
    this.#bytes += totalLength
    return bytes
  }

  /** Lets go of what is staged. */
  forget(infohash: Infohash.Infohash): void {
    const key = Infohash.toHex(infohash)
    const staged = this.#reserved.get(key)
    if (staged === undefined) return
    this.#reserved.set(key, undefined)
    this.#bytes -= staged.length
  }
}
