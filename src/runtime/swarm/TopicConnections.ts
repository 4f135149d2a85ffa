/**
 * Connections under an infohash that is no torrent but a topic: nothing is downloaded there, and peers speak extensions
 * (BEP 10) alone. Nobody is unchoked, so requests for blocks get nothing, and whoever speaks no extensions is let go.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Infohash } from "../../protocol/core/Infohash.ts"
import type { PeerAddress } from "../../protocol/core/PeerAddress.ts"
import { HandshakeFailed } from "./HandshakeExchange.ts"
import type { OpenPeer, PeerConnection } from "./PeerConnection.ts"
import type { Acceptor, SwarmNode } from "./SwarmNode.ts"
import { TorrentPlaces } from "./TorrentPlaces.ts"

/** Peers of one topic that dialled us. */
export const TOPIC_INCOMING_MAX = 64

/** Registers the extensions of a connection, which starts right after. */
export type Connect = (connection: PeerConnection) => void

/** Who dials, and takes connections on. */
export type Dialer = Pick<SwarmNode, "adopt" | "dial">

const begin = (node: Pick<SwarmNode, "adopt">, peer: OpenPeer, connect: Connect): PeerConnection => {
  const connection = node.adopt(peer)
  connect(connection)
  connection.start()
  return connection
}

/** Lets peers of a topic in until the scope closes; their connections end with it. */
export const serve = Effect.fnUntraced(function* (
  node: SwarmNode,
  topic: Infohash,
  connect: Connect
): Effect.fn.Return<void, never, Scope.Scope> {
  const places = new TorrentPlaces(TOPIC_INCOMING_MAX, node.now)
  const acceptor: Acceptor = {
    mayAccept: (host) => places.mayEnter(host),
    accept: (peer) => {
      if (!peer.extended) return void peer.socket.destroy()
      places.enter(begin(node, peer, connect))
    }
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => node.register(topic, acceptor)),
    (leave) =>
      Effect.sync(() => {
        leave()
        places.closeAll()
      })
  )
})

/** Dials a peer of a topic. The connection ends with the scope. */
export const dial = (
  node: Dialer,
  address: PeerAddress,
  topic: Infohash,
  connect: Connect
): Effect.Effect<PeerConnection, HandshakeFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.flatMap(node.dial(address, topic), (peer) => {
      if (peer.extended) return Effect.sync(() => begin(node, peer, connect))
      peer.socket.destroy()
      return Effect.fail(new HandshakeFailed({ peer: String(address), problem: "it speaks no extensions" }))
    }),
    (connection) => Effect.sync(() => connection.close()),
    { interruptible: true }
  )
