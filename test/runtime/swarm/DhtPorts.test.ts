import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import { Swarm } from "../../../src/protocol/swarm/Swarm.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import { NodeOffers } from "../../../src/runtime/dht/entry/NodeOffers.ts"
import * as Handshake from "../../../src/runtime/swarm/Handshake.ts"
import * as TorrentStreamSwarm from "../../../src/runtime/swarm/TorrentStreamSwarm.ts"
import { contentOf, sample } from "../../protocol/swarm/SwarmSuite.ts"
import * as LoopbackWorld from "./LoopbackWorld.ts"
import * as RawPeer from "./RawPeer.ts"

const PORT = Uint8Array.of(0x1a, 0xe1)

/** A seeder whose DHT node listens on `port`, and what peers told it of. */
const seeder = Effect.fnUntraced(function* (port: number | undefined) {
  const release = sample(20_000)
  const offered = yield* Deferred.make<string>()
  const offers = { offer: (address: string) => Deferred.doneUnsafe(offered, Effect.succeed(address)), port: () => port }
  const dht = DhtMemory.layerOn(DhtMemory.make(), { host: "127.0.0.1" }).pipe(Layer.provide(Ed25519.layerNoble))
  const layer = TorrentStreamSwarm.layer(LoopbackWorld.options).pipe(
    Layer.provide(dht),
    Layer.provide(Layer.succeed(NodeOffers, offers))
  )
  const swarm = Context.get(yield* Layer.build(Layer.fresh(layer)), Swarm)
  yield* swarm.seed(release.torrent, contentOf(release.bytes))
  return { address: swarm.address, infohash: release.torrent.infohash, offered }
})

const dial = Effect.fnUntraced(function* (node: Effect.Success<ReturnType<typeof seeder>>) {
  const socket = yield* RawPeer.dial(node.address, node.infohash, true)
  const handshake = yield* Deferred.make<Handshake.Handshake>()
  const heard = yield* Deferred.make<number>()
  socket.once("data", (chunk: Buffer) => {
    const decoded = Handshake.decode(chunk.subarray(0, Handshake.HANDSHAKE_BYTES))
    Deferred.doneUnsafe(handshake, Effect.fromOption(decoded).pipe(Effect.orDie))
  })
  RawPeer.listen(socket, (message) => {
    if (message._tag === "Port") Deferred.doneUnsafe(heard, Effect.succeed(message.port))
  })
  return { socket, handshake, heard }
})

describe("ports of DHT nodes on the peer wire", () => {
  it.live("offers the node that a peer tells of, and tells the peer of the own one", () =>
    Effect.gen(function* () {
      const node = yield* seeder(6_900)
      const { handshake, heard, socket } = yield* dial(node)
      assert.isTrue((yield* Deferred.await(handshake)).dht)
      socket.write(RawPeer.message(9, PORT))
      assert.strictEqual(yield* Deferred.await(node.offered), "127.0.0.1:6881")
      assert.strictEqual(yield* Deferred.await(heard), 6_900)
    })
  )

  it.live("says nothing of an own node on which nobody should count, and listens all the same", () =>
    Effect.gen(function* () {
      const node = yield* seeder(undefined)
      const { heard, socket } = yield* dial(node)
      socket.write(RawPeer.message(9, Uint8Array.of(0, 0)))
      socket.write(RawPeer.message(9, PORT))
      assert.strictEqual(yield* Deferred.await(node.offered), "127.0.0.1:6881", "port 0 is none")
      assert.isFalse(yield* Deferred.isDone(heard))
    })
  )
})
