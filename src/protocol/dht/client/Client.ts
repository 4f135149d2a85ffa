/** The client of the DHT: all of `Dht` over any transport. */
import * as Effect from "effect/Effect"
import type { Ed25519 } from "../../core/Ed25519.ts"
import { Dht } from "../Dht.ts"
import * as ItemClient from "./ItemClient.ts"
import * as PeerClient from "./PeerClient.ts"
import * as RecordClient from "./RecordClient.ts"
import * as Session from "./Session.ts"
import type { Transport } from "./Transport.ts"

/** Everything that a node gives is checked with `ed25519`; it is asked for the same record again and again, and may remember. */
export const make = (transport: Transport, ed25519: Ed25519["Service"]): Dht["Service"] => {
  const session = Session.make(transport, ed25519)
  return Dht.of({
    ...RecordClient.make(session),
    ...ItemClient.make(session),
    ...PeerClient.make(session),
    nodeCount: Effect.sync(() => transport.nodeCount())
  })
}
