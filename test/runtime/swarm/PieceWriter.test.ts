import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import { type Content, StorageFailed } from "../../../src/protocol/swarm/Content.ts"
import { PieceWriter } from "../../../src/runtime/swarm/PieceWriter.ts"
import { contentOf, sample } from "../../protocol/swarm/SwarmSuite.ts"

const { bytes, torrent } = sample(16 * 16_384)

const pieceOf = (piece: number) => Buffer.from(bytes.subarray(piece * 16_384, (piece + 1) * 16_384))

/** A writer, what it tells, and an end after `count` pieces. */
const writing = Effect.fnUntraced(function* (content: Content, count: number) {
  const run = yield* FiberSet.makeRuntime()
  const done = yield* Deferred.make<void, StorageFailed>()
  const told = { written: new Array<number>(), pending: new Array<number>() }
  const writer = new PieceWriter(torrent, content, run, {
    onWritten: (piece) => {
      told.written.push(piece)
      if (told.written.length === count) Deferred.doneUnsafe(done, Effect.void)
    },
    onFailed: (error) => void Deferred.doneUnsafe(done, Effect.fail(error)),
    onPending: (pending) => void told.pending.push(pending)
  })
  return { writer, told, done: Deferred.await(done) }
})

describe("PieceWriter", () => {
  it.effect("writes pieces that lie side by side at once, in whatever order they came", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const received = new Uint8Array(bytes.length)
        const content = contentOf(received)
        const { done, told, writer } = yield* writing(content, 6)
        for (const piece of [5, 1, 3, 2, 4, 9]) writer.write(piece, pieceOf(piece))
        yield* done
        assert.deepStrictEqual(content.writes, [16_384, 9 * 16_384])
        assert.deepStrictEqual(told.written, [1, 2, 3, 4, 5, 9])
        assert.deepStrictEqual(received.subarray(16_384, 6 * 16_384), bytes.subarray(16_384, 6 * 16_384))
        assert.strictEqual(Math.max(...told.pending), 6 * 16_384)
        assert.strictEqual(told.pending.at(-1), 0)
      })
    )
  )

  it.effect("copies no pieces that lie side by side in memory", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const chunks: Array<Uint8Array> = []
        const content: Content = {
          ...contentOf(new Uint8Array()),
          write: (_offset, chunk) => Effect.sync(() => void chunks.push(chunk))
        }
        const whole = Buffer.from(bytes.slice().buffer)
        const inWhole = (piece: number) => whole.subarray(piece * 16_384, (piece + 1) * 16_384)
        const { done, writer } = yield* writing(content, 5)
        for (const piece of [3, 1, 2]) writer.write(piece, inWhole(piece))
        // One behind the other in the content, but not in memory.
        writer.write(7, inWhole(7))
        writer.write(8, pieceOf(8))
        yield* done
        const [near, far] = chunks
        assert.strictEqual(near!.buffer, whole.buffer)
        assert.deepStrictEqual(new Uint8Array(near!), bytes.slice(16_384, 4 * 16_384))
        assert.deepStrictEqual(new Uint8Array(far!), bytes.slice(7 * 16_384, 9 * 16_384))
      })
    )
  )

  it.effect("tells that a write failed, and writes no more", () =>
    Effect.scoped(
      Effect.gen(function* () {
        let writes = 0
        const failure = new StorageFailed({ location: "memory", operation: "write", problem: "ENOSPC" })
        const content: Content = {
          ...contentOf(new Uint8Array()),
          write: () =>
            Effect.andThen(
              Effect.sync(() => void writes++),
              Effect.fail(failure)
            )
        }
        const { done, told, writer } = yield* writing(content, 1)
        for (const piece of [0, 2, 4]) writer.write(piece, pieceOf(piece))
        assert.strictEqual(yield* Effect.flip(done), failure)
        assert.deepStrictEqual([writes, told.written.length], [1, 0])
      })
    )
  )
})
