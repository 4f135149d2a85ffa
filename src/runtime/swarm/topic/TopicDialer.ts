/**
 * Dials peers without listening for any: for commands that ask about topics and are gone in a moment.
 * Nothing is opened before the first peer is dialled.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Dialling from "../Dialling.ts"
import { PeerConnection } from "../PeerConnection.ts"
import type { Settings } from "../SwarmOptions.ts"
import type { Dialer } from "./TopicPool.ts"

const PEER_ID_BYTES = 20

/** Not to be told apart from one run to the next. */
const makePeerId = Effect.map(Effect.replicateEffect(Random.nextIntBetween(0, 256), PEER_ID_BYTES), (bytes) =>
  Uint8Array.from(bytes)
)

/** Connections are closed by whoever has them dialled. */
export const make = Effect.fnUntraced(function* (
  settings: Pick<Settings, "encryption" | "handshakeTimeout" | "host">
): Effect.fn.Return<Dialer> {
  const clock = yield* Clock.Clock
  const peerId = yield* makePeerId
  const now = () => clock.currentTimeMillisUnsafe()
  const { encryption, handshakeTimeout, host } = settings
  return {
    now,
    adopt: (peer) => new PeerConnection(peer, { now, onProblem: () => {} }),
    dial: (address, infohash) =>
      Dialling.dial({
        address,
        localAddress: host === "0.0.0.0" ? undefined : host,
        infohash,
        peerId,
        dht: false,
        encryption,
        patience: Duration.times(handshakeTimeout, 1 / 2)
      })
  }
})
