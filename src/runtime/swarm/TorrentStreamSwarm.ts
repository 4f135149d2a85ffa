/**
 * `Swarm` over TCP (BEP 3, 9, 10). torrent-stream decides what to ask of whom; the connections, in
 * both directions, are ours, so that one address and one port serve all torrents, hostile peers
 * meet a guard before any library, and everything ends with its scope.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Dht } from "../../protocol/dht/Dht.ts"
import { Swarm } from "../../protocol/swarm/Swarm.ts"
import type { SwarmError } from "../../protocol/swarm/SwarmError.ts"
import * as Download from "./Download.ts"
import * as Seeding from "./Seeding.ts"
import * as SwarmNode from "./SwarmNode.ts"
import { type Options, resolve } from "./SwarmOptions.ts"

export type { Options } from "./SwarmOptions.ts"

/** A node that listens on `host:port`. Fails with `ListenFailed` when it cannot. */
export const layer = (options: Options): Layer.Layer<Swarm, SwarmError, Dht> =>
  Layer.effect(
    Swarm,
    Effect.gen(function* () {
      const node = yield* SwarmNode.make(resolve(options))
      return Swarm.of({
        address: node.address,
        seed: (torrent, content) => Seeding.seed(node, torrent, content),
        download: (request) => Download.run(node, request)
      })
    })
  )
