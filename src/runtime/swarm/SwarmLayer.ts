/**
 * `Swarm` over TCP (BEP 3, 5, 6, 9, 10), but for the question what to ask of whom, on which the layers
 * differ. The connections, in both directions, are those of one node, so that one address and one port
 * serve all torrents, hostile peers meet a guard before anything else, and all ends with its scope.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Dht } from "../../protocol/dht/Dht.ts"
import { TopicPeers } from "../../protocol/dht/TopicPeers.ts"
import { Swarm } from "../../protocol/swarm/Swarm.ts"
import type { SwarmError } from "../../protocol/swarm/SwarmError.ts"
import * as Download from "./Download.ts"
import * as NodeAnnouncer from "./NodeAnnouncer.ts"
import * as Seeding from "./Seeding.ts"
import * as SwarmNode from "./SwarmNode.ts"
import { type Options, resolve } from "./SwarmOptions.ts"
import * as TopicPeersLive from "./topic/TopicPeersLive.ts"

const swarmOn = Effect.fnUntraced(function* (
  node: SwarmNode.SwarmNode,
  announcer: NodeAnnouncer.NodeAnnouncer,
  makeSession: Download.MakeSession
) {
  const { seed } = yield* Seeding.make(node, announcer)
  return Swarm.of({
    address: node.address,
    seed,
    download: (request) => Download.run(node, request, makeSession)
  })
})

/** A node that listens on `host:port`. Fails with `ListenFailed` when it cannot. */
export const layer = (options: Options, makeSession: Download.MakeSession): Layer.Layer<Swarm, SwarmError, Dht> =>
  Layer.effect(
    Swarm,
    Effect.gen(function* () {
      const node = yield* SwarmNode.make(resolve(options))
      return yield* swarmOn(node, yield* NodeAnnouncer.make(node), makeSession)
    })
  )

/** As {@link layer}, and on the same node the topics that it serves and asks about. */
export const layerWithTopics = (
  options: Options,
  makeSession: Download.MakeSession
): Layer.Layer<Swarm | TopicPeers, SwarmError, Dht> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const node = yield* SwarmNode.make(resolve(options))
      const announcer = yield* NodeAnnouncer.make(node)
      const topics = yield* TopicPeersLive.make(node, announcer)
      return Context.make(Swarm, yield* swarmOn(node, announcer, makeSession)).pipe(Context.add(TopicPeers, topics))
    })
  )
