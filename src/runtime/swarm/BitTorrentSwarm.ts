/**
 * `Swarm` whose downloads are led by the engine of `protocol/swarm/download`: rarest pieces first from
 * every seeder at once, pipelines that fill long ways, stalled peers replaced, liars banned, a download
 * taken up where it was cut off. The layer that `LiveNode` uses.
 */
import type * as Layer from "effect/Layer"
import type { Dht } from "../../protocol/dht/Dht.ts"
import type { TopicPeers } from "../../protocol/dht/TopicPeers.ts"
import type { Swarm } from "../../protocol/swarm/Swarm.ts"
import type { SwarmError } from "../../protocol/swarm/SwarmError.ts"
import { BitTorrentSession } from "./BitTorrentSession.ts"
import * as SwarmLayer from "./SwarmLayer.ts"
import type { Options } from "./SwarmOptions.ts"

export type { Options } from "./SwarmOptions.ts"

/** A node that listens on `host:port`. Fails with `ListenFailed` when it cannot. */
export const layer = (options: Options): Layer.Layer<Swarm, SwarmError, Dht> =>
  SwarmLayer.layer(options, (setting) => new BitTorrentSession(setting))

/** As {@link layer}, and on the same node the topics that it serves and asks about. */
export const layerWithTopics = (options: Options): Layer.Layer<Swarm | TopicPeers, SwarmError, Dht> =>
  SwarmLayer.layerWithTopics(options, (setting) => new BitTorrentSession(setting))
