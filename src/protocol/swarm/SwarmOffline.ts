/**
 * A `Swarm` without peers, for work that goes by the own package store alone: whatever is not held is
 * `ContentNotHeld`, and nothing can be served.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Infohash from "../core/Infohash.ts"
import * as PeerAddress from "../core/PeerAddress.ts"
import { DhtError, NetworkForbidden } from "../dht/DhtError.ts"
import { Swarm } from "./Swarm.ts"
import { ContentNotHeld, SwarmError } from "./SwarmError.ts"

/** The discard port (RFC 863): nothing listens, and an address has to name some port. */
const NOWHERE = Option.getOrThrow(PeerAddress.make("127.0.0.1", 9))

export const layer: Layer.Layer<Swarm> = Layer.succeed(
  Swarm,
  Swarm.of({
    seed: () => {
      const reason = new DhtError({ reason: new NetworkForbidden({ purpose: "serve a package" }) })
      return Effect.fail(new SwarmError({ reason }))
    },
    download: ({ infohash, torrent }) => {
      const reason = new ContentNotHeld({ torrent: torrent?.name ?? Infohash.toHex(infohash) })
      return Effect.fail(new SwarmError({ reason }))
    },
    address: NOWHERE
  })
)
