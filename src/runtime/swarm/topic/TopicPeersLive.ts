/**
 * `TopicPeers` over BitTorrent, both sides of it: topics that this host serves are announced in the DHT
 * on the schedule of torrents (BEP 5), and whoever dials with one for an infohash may ask about any of
 * them by the extension `ls_topic` (BEP 10).
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Dht } from "../../../protocol/dht/Dht.ts"
import { TopicPeers } from "../../../protocol/dht/TopicPeers.ts"
import type { SwarmError } from "../../../protocol/swarm/SwarmError.ts"
import * as NodeAnnouncer from "../NodeAnnouncer.ts"
import type { PeerConnection } from "../PeerConnection.ts"
import * as SwarmNode from "../SwarmNode.ts"
import { type Options, resolve } from "../SwarmOptions.ts"
import * as TopicConnections from "../TopicConnections.ts"
import { asking } from "./TopicAsking.ts"
import * as TopicDesk from "./TopicDesk.ts"
import { TopicExchange } from "./TopicExchange.ts"
import * as TopicPool from "./TopicPool.ts"

/** Serves and asks on a node of the swarm, which may serve torrents as well, until the scope closes. */
export const make = Effect.fnUntraced(function* (
  node: SwarmNode.SwarmNode,
  announcer: NodeAnnouncer.NodeAnnouncer
): Effect.fn.Return<TopicPeers["Service"], never, Scope.Scope> {
  const { dht } = node
  const desk = yield* TopicDesk.make(node.now)
  const connect = (connection: PeerConnection) => new TopicExchange(connection, desk)
  const pool = yield* TopicPool.make(node, connect)
  return TopicPeers.of({
    serve: Effect.fn("TopicPeers.serve")(function* (topic, answer) {
      yield* desk.open(topic, answer)
      yield* TopicConnections.serve(node, topic, (connection) => void connect(connection))
      yield* announcer.add(topic)
      // What cannot be announced now is tried again by and by.
      yield* Effect.ignore(announcer.announced(topic))
    }),
    ask: asking(dht, Effect.succeed(pool), { ...node.settings, ...node.address })
  })
})

/** On a node of its own, which listens on `host:port` for this alone. */
export const layer = (options: Options): Layer.Layer<TopicPeers, SwarmError, Dht> =>
  Layer.effect(
    TopicPeers,
    Effect.gen(function* () {
      const node = yield* SwarmNode.make(resolve(options))
      return yield* make(node, yield* NodeAnnouncer.make(node))
    })
  )
