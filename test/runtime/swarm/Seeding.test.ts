/** What a seed reads, and that what it reads is true before it leaves. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { type Content, StorageFailed } from "../../../src/protocol/swarm/Content.ts"
import type { SwarmError } from "../../../src/protocol/swarm/SwarmError.ts"
import { pieceCount } from "../../../src/protocol/swarm/Torrent.ts"
import { PieceCache } from "../../../src/runtime/swarm/PieceCache.ts"
import { type Damage, ServedContent, VERIFIED_MS } from "../../../src/runtime/swarm/ServedContent.ts"
import { contentOf, into, lonelyDht, same, sample } from "../../protocol/swarm/SwarmSuite.ts"
import { INCOMING_PER_TORRENT_MAX } from "../../../src/runtime/swarm/SwarmOptions.ts"
import * as LoopbackWorld from "./LoopbackWorld.ts"
import * as RawPeer from "./RawPeer.ts"

/** Counts what is read. */
const counted = (bytes: Uint8Array) => {
  const reads: Array<readonly [offset: number, length: number]> = []
  const content: Content = {
    ...contentOf(bytes),
    read: (offset, length) =>
      Effect.suspend(() => {
        reads.push([offset, length])
        return contentOf(bytes).read(offset, length)
      })
  }
  return { reads, content }
}

const served = (release: ReturnType<typeof sample>, content: Content, cacheBytes?: number) => {
  const damages: Array<Damage> = []
  const it = new ServedContent(
    release.torrent,
    content,
    new PieceCache(cacheBytes),
    (damage) => void damages.push(damage)
  )
  return { served: it, damages }
}

const BLOCK = 16 * 1024

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(title, () => Effect.scoped(body))

describe("ServedContent", () => {
  const release = sample(1_600_000)
  const { pieceLength } = release.torrent

  test(
    "reads a piece once for all of its blocks, and for all who ask at once",
    Effect.gen(function* () {
      const { content, reads } = counted(release.bytes)
      const { served: it } = served(release, content)
      const offsets = Array.from({ length: pieceLength / BLOCK }, (_, i) => i * BLOCK)
      const blocks = yield* Effect.forEach([...offsets, ...offsets], (offset) => it.block(2, offset, BLOCK), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(reads, [[2 * pieceLength, pieceLength]])
      for (const [i, block] of blocks.entries()) {
        const at = 2 * pieceLength + offsets[i % offsets.length]!
        assert.isTrue(same(block, release.bytes.subarray(at, at + BLOCK)))
      }
    })
  )

  test(
    "reads no more than the block that is asked for, where the piece is known to be true and blocks are picked",
    Effect.gen(function* () {
      const { content, reads } = counted(release.bytes)
      const { served: it } = served(release, content, pieceLength)
      for (const piece of [0, 1]) yield* it.block(piece, 0, BLOCK)
      reads.length = 0
      yield* it.block(0, 3 * BLOCK, BLOCK)
      assert.deepStrictEqual(reads, [[3 * BLOCK, BLOCK]])
      // Who goes on from there wants the piece.
      yield* it.block(0, 4 * BLOCK, BLOCK)
      assert.deepStrictEqual(reads[1], [0, pieceLength])
    })
  )

  test(
    "gives nothing of a piece that is not true, tells of it once, and takes it out of the bitfield",
    Effect.gen(function* () {
      const bytes = Uint8Array.from(release.bytes)
      bytes[3 * pieceLength + 5]! ^= 1
      const { damages, served: it } = served(release, contentOf(bytes))
      assert.isTrue((it.bitfield[0]! & 0x10) !== 0)
      for (let i = 0; i < 3; i++) {
        const error = yield* Effect.flip(it.block(3, 7 * BLOCK, BLOCK))
        assert.strictEqual(error._tag, "ContentDamaged")
      }
      assert.deepStrictEqual(
        damages.map((damage) => (damage._tag === "ContentDamaged" ? damage.piece : damage._tag)),
        [3]
      )
      assert.strictEqual(it.bitfield[0]! & 0x10, 0)
      assert.isFalse(it.isSound)
      bytes.set(release.bytes)
      assert.deepStrictEqual(it.forgive(), [3])
      yield* it.block(3, 0, BLOCK)
      assert.isTrue((it.bitfield[0]! & 0x10) !== 0)
    })
  )

  test(
    "finds a piece that has rotted after it was found true",
    Effect.gen(function* () {
      const bytes = Uint8Array.from(release.bytes)
      const { served: it } = served(release, contentOf(bytes), 0)
      yield* it.block(0, 0, BLOCK)
      bytes[5]! ^= 1
      yield* it.block(0, BLOCK, BLOCK)
      assert.strictEqual((yield* Effect.flip(it.block(0, 2 * BLOCK, BLOCK)))._tag, "ContentDamaged")
    })
  )

  it.effect("looks again after some minutes at a piece that it has found true", () =>
    Effect.gen(function* () {
      const bytes = Uint8Array.from(release.bytes)
      const { damages, served: it } = served(release, contentOf(bytes), 0)
      yield* it.block(0, 0, BLOCK)
      bytes[5]! ^= 1
      yield* it.block(0, 3 * BLOCK, BLOCK)
      yield* TestClock.adjust(VERIFIED_MS)
      assert.strictEqual((yield* Effect.flip(it.block(0, 3 * BLOCK, BLOCK)))._tag, "ContentDamaged")
      assert.strictEqual(damages.length, 1)
    })
  )

  test(
    "gives blocks that hold no more in memory than twice themselves",
    Effect.gen(function* () {
      const { served: it } = served(release, contentOf(release.bytes))
      const read = yield* it.block(0, 2 * BLOCK, BLOCK)
      const cached = it.cached(0, 2 * BLOCK, BLOCK)!
      for (const block of [read, cached]) {
        assert.isAtMost(block.buffer.byteLength, 2 * BLOCK)
        assert.isTrue(same(block, release.bytes.subarray(2 * BLOCK, 3 * BLOCK)))
      }
    })
  )

  test(
    "does not hold it against the content that the system is short of something",
    Effect.gen(function* () {
      let isShort = true
      const failing = new StorageFailed({
        location: "a.tgz",
        operation: "open",
        problem: "EMFILE: too many open files"
      })
      const content: Content = {
        ...contentOf(release.bytes),
        read: (offset, length) => (isShort ? Effect.fail(failing) : contentOf(release.bytes).read(offset, length))
      }
      const { damages, served: it } = served(release, content)
      assert.strictEqual((yield* Effect.flip(it.block(0, 0, BLOCK)))._tag, "StorageFailed")
      assert.deepStrictEqual([damages.length, it.isSound], [0, true])
      isShort = false
      yield* it.block(0, 0, BLOCK)
    })
  )

  test(
    "holds no more bytes of all torrents than the cache may",
    Effect.sync(() => {
      const cache = new PieceCache(100)
      for (let i = 0; i < 50; i++) cache.put("x", i, new Uint8Array(30))
      assert.isAtMost(cache.bytes, 100)
      assert.isDefined(cache.get("x", 49))
      assert.isUndefined(cache.get("x", 0))
      cache.get("x", 47)
      cache.put("x", 50, new Uint8Array(30))
      assert.isDefined(cache.get("x", 47))
      assert.isUndefined(cache.get("x", 48))
    })
  )
})

describe("a seed", () => {
  test(
    "reads nothing before somebody asks, and then each piece once",
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const release = sample(1_000_000)
      const { content, reads } = counted(release.bytes)
      yield* (yield* world.node()).seed(release.torrent, content)
      assert.deepStrictEqual(reads, [])
      const { received, request } = into(release)
      yield* (yield* world.node()).download(request)
      assert.isTrue(same(received, release.bytes))
      assert.strictEqual(reads.length, pieceCount(release.torrent))
    })
  )

  test(
    "has what is damaged mended, and serves it then",
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const release = sample(300_000)
      const bytes = Uint8Array.from(release.bytes)
      bytes[2 * release.torrent.pieceLength]! ^= 1
      const mended = yield* Deferred.make<void>()
      const asked = yield* Deferred.make<void>()
      let calls = 0
      yield* (yield* world.node()).seed(release.torrent, contentOf(bytes), {
        onDamage: () =>
          Effect.suspend(() => {
            calls++
            Deferred.doneUnsafe(asked, Effect.void)
            return Effect.as(Deferred.await(mended), true)
          })
      })
      const { received, request } = into(release)
      const download = yield* Effect.forkChild((yield* world.node()).download(request))
      yield* Deferred.await(asked)
      bytes.set(release.bytes)
      yield* Deferred.succeed(mended, undefined)
      yield* Fiber.interrupt(download)
      yield* (yield* world.node()).download(request)
      assert.isTrue(same(received, release.bytes))
      assert.strictEqual(calls, 1)
    })
  )

  test(
    "lets in a newcomer where two addresses hold every place of the torrent",
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const release = sample(60_000)
      const node = yield* world.node()
      yield* node.seed(release.torrent, contentOf(release.bytes))
      const { host, port } = node.address
      const isIn = (localAddress: string) =>
        Effect.gen(function* () {
          const socket = yield* RawPeer.dial({ host, port, localAddress }, release.torrent.infohash)
          return yield* Effect.callback<boolean>((resume) => {
            socket.once("data", () => resume(Effect.succeed(true)))
            socket.once("close", () => resume(Effect.succeed(false)))
          })
        })
      for (let i = 0; i < INCOMING_PER_TORRENT_MAX; i++) assert.isTrue(yield* isIn(`127.0.0.${2 + (i % 2)}`))
      assert.isFalse(yield* isIn("127.0.0.2"))
      assert.isTrue(yield* isIn("127.0.0.1"))
    })
  )

  test(
    "that is one of many does not wait for its announce, which goes out all the same",
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const gate = yield* Deferred.make<void>()
      const slow = Layer.effect(
        Dht,
        Effect.map(Dht, (dht) => Dht.of({ ...dht, announcePeer: () => Effect.as(Deferred.await(gate), 1) }))
      ).pipe(Layer.provide(lonelyDht))
      const node = yield* world.node(slow)
      const told = yield* Deferred.make<Result.Result<void, SwarmError>>()
      const release = sample(60_000)
      yield* node.seed(release.torrent, contentOf(release.bytes), {
        announce: "scheduled",
        onAnnounce: (outcome) => Effect.asVoid(Deferred.succeed(told, outcome))
      })
      const { received, request } = into(release, { hints: [node.address] })
      yield* (yield* world.node(lonelyDht)).download(request)
      assert.isTrue(same(received, release.bytes))
      assert.isFalse(yield* Deferred.isDone(told))
      yield* Deferred.succeed(gate, undefined)
      assert.isTrue(Result.isSuccess(yield* Deferred.await(told)))
    })
  )
})
