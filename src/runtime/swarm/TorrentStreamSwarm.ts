/**
 * `Swarm` whose downloads are led by torrent-stream's engine, the second layer: another's judgement of
 * what to ask of whom, over the same connections. It fetches less over long ways than `BitTorrentSwarm`.
 */
import type * as Layer from "effect/Layer"
import type { Dht } from "../../protocol/dht/Dht.ts"
import type { TopicPeers } from "../../protocol/dht/TopicPeers.ts"
import type { Swarm } from "../../protocol/swarm/Swarm.ts"
import type { SwarmError } from "../../protocol/swarm/SwarmError.ts"
import * as SwarmLayer from "./SwarmLayer.ts"
import type { Options } from "./SwarmOptions.ts"
import { TorrentStreamSession } from "./TorrentStreamSession.ts"

export type { Options } from "./SwarmOptions.ts"

/** A node that listens on `host:port`. Fails with `ListenFailed` when it cannot. */
export const layer = (options: Options): Layer.Layer<Swarm, SwarmError, Dht> =>
  SwarmLayer.layer(options, (setting) => new TorrentStreamSession(setting))

/** As {@link layer}, and on the same node the topics that it serves and asks about. */
export const layerWithTopics = (options: Options): Layer.Layer<Swarm | TopicPeers, SwarmError, Dht> =>
  SwarmLayer.layerWithTopics(options, (setting) => new TorrentStreamSession(setting))
