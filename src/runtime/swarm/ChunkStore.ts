/**
 * Our `Content` as the chunk store that torrent-stream's engine writes to and serves from. The engine
 * ignores failed writes and never waits for slow ones, so both are told to the download instead.
 */
import * as Effect from "effect/Effect"
import type { Content, StorageFailed } from "../../protocol/swarm/Content.ts"
import { lengthOfPiece, type Torrent } from "../../protocol/swarm/Torrent.ts"
import type { Run } from "./Fibers.ts"

type StoreCallback = (error: Error | null, bytes?: Buffer) => void
interface Range {
  readonly offset: number
  readonly length: number
}

/** abstract-chunk-store, as far as the engine uses it. */
export interface ChunkStore {
  readonly get: (index: number, range: Range | StoreCallback | null, callback?: StoreCallback) => void
  readonly put: (index: number, bytes: Buffer, callback: (error: Error | null) => void) => void
  readonly close: (callback?: (error: Error | null) => void) => void
}

export interface Handlers {
  /** A piece is in the content for good. */
  readonly onWritten: (index: number) => void
  readonly onFailed: (error: StorageFailed) => void
  /** Bytes of pieces that are being written; the engine holds them in memory until then. */
  readonly onPending: (bytes: number) => void
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

export const make = (torrent: Torrent, content: Content, run: Run, handlers: Handlers): ChunkStore => {
  let pending = 0
  const addPending = (bytes: number) => {
    pending += bytes
    handlers.onPending(pending)
  }
  return {
    get: (index, range, callback) => {
      const whole: Range = { offset: 0, length: lengthOfPiece(torrent, index) }
      const { offset, length } = range === null || typeof range === "function" ? whole : range
      const done = (typeof range === "function" ? range : callback) ?? (() => {})
      run(
        content.read(index * torrent.pieceLength + offset, length).pipe(
          Effect.matchEffect({
            // On another tick, for the engine checks pieces by recursion.
            onSuccess: (bytes) => Effect.sync(() => process.nextTick(done, null, asBuffer(bytes))),
            // Bytes that were never written are no failure of the download: they will be fetched.
            onFailure: (error) => Effect.sync(() => process.nextTick(done, error))
          })
        )
      )
    },
    put: (index, bytes, callback) => {
      addPending(bytes.length)
      run(
        content.write(index * torrent.pieceLength, bytes).pipe(
          Effect.matchEffect({
            onSuccess: () =>
              Effect.sync(() => {
                callback(null)
                handlers.onWritten(index)
              }),
            onFailure: (error) => Effect.sync(() => handlers.onFailed(error))
          }),
          Effect.ensuring(Effect.sync(() => addPending(-bytes.length)))
        )
      )
    },
    close: (callback) => callback?.(null)
  }
}
