/**
 * Announces whatever one node serves, torrents and topics alike (BEP 5), so that the bounds of the schedule hold for the
 * node. Nobody who stored an announce is as good as a failure: nobody could find us.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Infohash from "../../protocol/core/Infohash.ts"
import { DhtError, PutRefused } from "../../protocol/dht/DhtError.ts"
import * as Announcer from "../../protocol/swarm/Announcer.ts"
import type { SwarmNode } from "./SwarmNode.ts"

export type NodeAnnouncer = Announcer.Announcer<DhtError>

/** Until the scope closes. */
export const make = (
  { address, dht }: Pick<SwarmNode, "address" | "dht">,
  options?: Announcer.Options
): Effect.Effect<NodeAnnouncer, never, Scope.Scope> =>
  Announcer.make(
    Effect.fnUntraced(function* (infohash: Infohash.Infohash): Effect.fn.Return<void, DhtError> {
      const acks = yield* dht.announcePeer(infohash, address.port)
      if (acks > 0) return
      const target = Infohash.toHex(infohash)
      const problem = "none acknowledged that this node serves it"
      return yield* new DhtError({ reason: new PutRefused({ target, problem }) })
    }),
    options
  )
