/** Whom a download looks for and dials, among peers that are of no use or are none. */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Socket } from "node:net"
import { PeerAddress } from "../../../src/protocol/core/PeerAddress.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { TopicPeers } from "../../../src/protocol/dht/TopicPeers.ts"
import * as Infohash from "../../../src/protocol/core/Infohash.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import { BitTorrentSession } from "../../../src/runtime/swarm/BitTorrentSession.ts"
import * as Download from "../../../src/runtime/swarm/Download.ts"
import { ENOUGH_PEERS } from "../../../src/runtime/swarm/SwarmOptions.ts"
import * as TopicAsking from "../../../src/runtime/swarm/topic/TopicAsking.ts"
import { contentOf, into, same, sample } from "../../protocol/swarm/SwarmSuite.ts"
import * as LoopbackWorld from "./LoopbackWorld.ts"
import * as Nodes from "./Nodes.ts"
import * as RawPeer from "./RawPeer.ts"
import * as TopicWorld from "./topic/TopicWorld.ts"

describe("a download", () => {
  it.live("goes on looking for peers among any number of peers that give nothing", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const release = sample(60_000)
      const { infohash } = release.torrent
      const bystanders: Array<PeerAddress> = []
      const greeted = yield* Deferred.make<void>()
      let present = 0
      const onGreeted = () =>
        ++present === 2 * ENOUGH_PEERS ? void Deferred.doneUnsafe(greeted, Effect.void) : undefined
      for (let i = 0; i < 2 * ENOUGH_PEERS; i++) bystanders.push(yield* RawPeer.bystander(infohash, onGreeted))
      const third = yield* Deferred.make<void>()
      let lookups = 0
      const counting = Layer.effect(
        Dht,
        Effect.map(TopicWorld.dhtOn(world.dht), (dht) =>
          Dht.of({
            ...dht,
            findPeers: (target) =>
              Effect.andThen(
                Effect.suspend(() => (++lookups === 3 ? Deferred.succeed(third, undefined) : Effect.void)),
                dht.findPeers(target)
              )
          })
        )
      )
      const { received, request } = into(release, { hints: bystanders })
      const download = yield* Effect.forkChild((yield* world.node(counting)).download(request))
      yield* Deferred.await(greeted)
      yield* Deferred.await(third)
      yield* (yield* world.node()).seed(release.torrent, contentOf(release.bytes))
      yield* Fiber.join(download)
      assert.isTrue(same(received, release.bytes))
    })
  )
})

/** Where no peer of somebody on 127.0.0.1 may be. */
const UNEXPECTED = ["10.0.0.1", "169.254.169.254", "0.0.0.0", "192.168.1.1", "172.16.0.1", "100.64.0.1", "224.0.0.1"]

const unexpected = UNEXPECTED.map((host) => new PeerAddress({ host, port: 80 }))

/** Who is dialled while the test lasts; nothing goes out to those who should not be. */
const watched = Effect.acquireRelease(
  Effect.sync(() => {
    const connect = Socket.prototype.connect
    const spy = vi.spyOn(Socket.prototype, "connect").mockImplementation(function (
      this: Socket,
      ...args: Array<unknown>
    ): Socket {
      const isUnexpected = UNEXPECTED.some((host) => JSON.stringify(args).includes(host))
      return isUnexpected ? this.destroy(new Error("unexpected")) : Reflect.apply(connect, this, args)
    })
    return { dialled: () => spy.mock.calls.map((call) => JSON.stringify(call)), spy }
  }),
  ({ spy }) => Effect.sync(() => spy.mockRestore())
)

/** Somebody was dialled, and nobody who should not be. */
const assertHarmless = (dialled: ReadonlyArray<string>) => {
  assert.isNotEmpty(dialled)
  for (const address of dialled) {
    assert.include(address, "127.0.0.1")
    for (const host of UNEXPECTED) assert.notInclude(address, host)
  }
}

/** The network says that they all have it. */
const announceAll = (network: DhtMemory.Network, infohash: Infohash.Infohash) => {
  const key = Infohash.toHex(infohash)
  const known = network.peers.get(key) ?? new Map<string, PeerAddress>()
  for (const peer of unexpected) known.set(String(peer), peer)
  network.peers.set(key, known)
}

describe("peers at unexpected private addresses", () => {
  it.live("are not dialled by a download: hints, answers of the DHT, and peers that gave something before", () =>
    Effect.gen(function* () {
      const { dialled } = yield* watched
      const network = DhtMemory.make()
      const release = sample(10_000)
      const node = yield* Nodes.node({ allowPrivatePeers: false, lookupInterval: "20 millis" }, network)
      for (const peer of unexpected.slice(0, 3)) node.likely.note(peer)
      announceAll(network, release.torrent.infohash)
      const bystander = yield* RawPeer.bystander(release.torrent.infohash)
      const { request } = into(release, { hints: [...unexpected, bystander], timeout: "500 millis" })
      yield* Effect.flip(Download.run(node, request, (setting) => new BitTorrentSession(setting)))
      assertHarmless(dialled())
    })
  )

  it.live("are not asked about a topic", () =>
    Effect.gen(function* () {
      const { dialled } = yield* watched
      const network = DhtMemory.make()
      const topic = Nodes.infohashOf("a topic")
      const server = yield* TopicWorld.host(network)
      yield* server.serve(topic, Effect.succeed({ claims: [Uint8Array.of(1)], records: [] }))
      announceAll(network, topic)
      const dht = Layer.effect(Dht, TopicWorld.dhtOn(network))
      const asking = Layer.fresh(TopicAsking.layer({ host: "127.0.0.1" })).pipe(Layer.provide(dht))
      const asker = Context.get(yield* Layer.build(asking), TopicPeers)
      assert.strictEqual((yield* asker.ask(topic)).length, 1)
      const host = yield* TopicWorld.host(network, { allowPrivatePeers: false })
      assert.strictEqual((yield* host.ask(topic)).length, 1)
      assertHarmless(dialled())
    })
  )
})
