import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Content } from "../../../src/protocol/swarm/Content.ts"
import * as SwarmSuite from "../../protocol/swarm/SwarmSuite.ts"
import { contentOf, into, runningDry, same, sample } from "../../protocol/swarm/SwarmSuite.ts"
import * as LoopbackWorld from "./LoopbackWorld.ts"

SwarmSuite.suite("our engine over TCP", LoopbackWorld.make())

/** Content that counts the bytes that were read of it. */
const counting = (bytes: Uint8Array) => {
  const read = { bytes: 0 }
  const content: Content = {
    ...contentOf(bytes),
    read: (offset, length) =>
      Effect.sync(() => {
        read.bytes += length
        return bytes.slice(offset, offset + length)
      })
  }
  return { content, read }
}

describe("our engine over TCP", () => {
  it.live("asks every seeder at the same time, and nobody for what somebody else gives", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const release = sample(20_000_000)
      const seeders = Array.from({ length: 4 }, () => counting(release.bytes))
      for (const { content } of seeders) yield* (yield* world.node()).seed(release.torrent, content)
      const { received, request } = into(release)
      yield* (yield* world.node()).download(request)
      assert.isTrue(same(received, release.bytes))
      const read = seeders.map(({ read }) => read.bytes)
      for (const bytes of read) assert.isAbove(bytes, 0)
      // Who is asked for a block reads the whole piece, and at the end a second one is asked: not all four for everything.
      assert.isBelow(
        read.reduce((sum, bytes) => sum + bytes, 0),
        2 * release.bytes.length
      )
    })
  )

  it.live("gives to others what it has got, while it waits for the rest", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const release = sample(1_600_000)
      const { pieceLength } = release.torrent
      const { content, state } = yield* runningDry(release.bytes, 6 * pieceLength)
      yield* (yield* world.node()).seed(release.torrent, content)
      state.armed = true
      const begun = yield* Deferred.make<void>()
      const first = yield* world.node()
      const { request } = into(release, {
        onProgress: ({ receivedBytes }) =>
          receivedBytes >= 4 * pieceLength ? Effect.asVoid(Deferred.succeed(begun, undefined)) : Effect.void
      })
      const download = yield* Effect.forkChild(first.download(request))
      yield* Deferred.await(begun)
      const given = yield* Deferred.make<void>()
      const second = into(release, {
        hints: [first.address],
        onProgress: ({ receivedBytes }) =>
          receivedBytes >= 4 * pieceLength ? Effect.asVoid(Deferred.succeed(given, undefined)) : Effect.void
      })
      const other = yield* Effect.forkChild((yield* world.node(SwarmSuite.lonelyDht)).download(second.request))
      yield* Deferred.await(given)
      yield* Fiber.interrupt(other)
      yield* Fiber.interrupt(download)
    })
  )

  it.live("asks a peer that gave one torrent for the next, while the DHT is silent", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const seeder = yield* world.node()
      const [first, second] = [sample(50_000), sample(60_000)]
      for (const { bytes, torrent } of [first, second]) yield* seeder.seed(torrent, contentOf(bytes))
      const node = yield* world.node(SwarmSuite.silentDht)
      yield* node.download(into(first, { hints: [seeder.address] }).request)
      const { received, request } = into(second)
      yield* node.download(request)
      assert.isTrue(same(received, second.bytes))
    })
  )

  it.live("asks the DHT where peers of other torrents do not have this one", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const [one, another] = [yield* world.node(), yield* world.node()]
      const [first, second] = [sample(50_000), sample(60_000)]
      yield* one.seed(first.torrent, contentOf(first.bytes))
      yield* another.seed(second.torrent, contentOf(second.bytes))
      const node = yield* world.node()
      yield* node.download(into(first).request)
      const { received, request } = into(second)
      yield* node.download(request)
      assert.isTrue(same(received, second.bytes))
    })
  )

  it.live("does not read what it was told is new", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const release = sample(50_000)
      yield* (yield* world.node()).seed(release.torrent, contentOf(release.bytes))
      const { received, request } = into(release)
      const { content, read } = counting(received)
      yield* (yield* world.node()).download({ ...request, open: () => Effect.succeed({ ...content, isNew: true }) })
      assert.isTrue(same(received, release.bytes))
      assert.strictEqual(read.bytes, 0)
    })
  )
})
