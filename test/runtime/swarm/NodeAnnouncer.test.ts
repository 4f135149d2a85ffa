/** Torrents and topics of one node are announced within one bound. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { noAnswer, TopicPeers } from "../../../src/protocol/dht/TopicPeers.ts"
import { ANNOUNCES_AT_ONCE_MAX } from "../../../src/protocol/swarm/AnnounceSchedule.ts"
import { Swarm } from "../../../src/protocol/swarm/Swarm.ts"
import * as BitTorrentSwarm from "../../../src/runtime/swarm/BitTorrentSwarm.ts"
import * as NodeAnnouncer from "../../../src/runtime/swarm/NodeAnnouncer.ts"
import { contentOf, lonelyDht, sample } from "../../protocol/swarm/SwarmSuite.ts"
import * as LoopbackWorld from "./LoopbackWorld.ts"
import * as Nodes from "./Nodes.ts"

describe("NodeAnnouncer", () => {
  it.live("has no more announces at work than one node may, of torrents and topics together", () =>
    Effect.gen(function* () {
      const busy = yield* Deferred.make<void>()
      let running = 0
      const begin = Effect.suspend(() =>
        ++running === ANNOUNCES_AT_ONCE_MAX ? Deferred.succeed(busy, undefined) : Effect.succeed(false)
      )
      const slow = Layer.effect(
        Dht,
        Effect.map(Dht, (dht) =>
          Dht.of({
            ...dht,
            announcePeer: () => Effect.andThen(begin, Effect.never)
          })
        )
      ).pipe(Layer.provide(lonelyDht))
      const layer = BitTorrentSwarm.layerWithTopics(LoopbackWorld.options).pipe(Layer.provide(slow))
      const context = yield* Layer.build(Layer.fresh(layer))
      const release = sample(10_000)
      for (let i = 0; i < ANNOUNCES_AT_ONCE_MAX; i++) {
        const torrent = { ...release.torrent, infohash: Nodes.infohashOf(`torrent ${i}`) }
        yield* Context.get(context, Swarm).seed(torrent, contentOf(release.bytes), { announce: "scheduled" })
        const topic = Nodes.infohashOf(`topic ${i}`)
        yield* Effect.forkScoped(Context.get(context, TopicPeers).serve(topic, Effect.succeed(noAnswer)))
      }
      yield* Deferred.await(busy)
      for (let turn = 0; turn < 100; turn++) yield* Effect.yieldNow
      assert.strictEqual(running, ANNOUNCES_AT_ONCE_MAX)
    }).pipe(Effect.scoped)
  )

  it.effect("takes it for a failure that nobody stored an announce", () =>
    Effect.gen(function* () {
      const node = yield* Nodes.node()
      const dht = { ...node.dht, announcePeer: () => Effect.succeed(0) }
      const announcer = yield* NodeAnnouncer.make({ ...node, dht })
      const infohash = Nodes.infohashOf("a topic")
      yield* announcer.add(infohash)
      const error = yield* Effect.flip(announcer.announced(infohash))
      assert.strictEqual(error.reason._tag, "PutRefused")
    })
  )
})
