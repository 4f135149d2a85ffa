/** Nodes of the swarm on 127.0.0.1 without anything that downloads or seeds, and the two ends of a socket. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { createServer, Socket } from "node:net"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import { sha1 } from "../../../src/protocol/core/Digest.ts"
import type { Infohash } from "../../../src/protocol/core/Infohash.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import type { OpenPeer } from "../../../src/runtime/swarm/PeerConnection.ts"
import * as SwarmNode from "../../../src/runtime/swarm/SwarmNode.ts"
import { type Options, resolve } from "../../../src/runtime/swarm/SwarmOptions.ts"

export const infohashOf = (text: string): Infohash => sha1(new TextEncoder().encode(text)) as Uint8Array as Infohash

/** A node until the scope closes, on a DHT of its own or on the given one. */
export const node = (overrides: Partial<Options> = {}, network = DhtMemory.make()) => {
  const dht = DhtMemory.layerOn(network, { host: "127.0.0.1" }).pipe(Layer.provide(Ed25519.layerNoble))
  const settings = resolve({ host: "127.0.0.1", port: 0, allowPrivatePeers: true, ...overrides })
  return Effect.flatMap(Layer.build(Layer.fresh(dht)), (context) =>
    Effect.provideContext(SwarmNode.make(settings), context)
  )
}

/** Lets everybody in under an infohash; gives who came so far. */
export const welcoming = (
  host: SwarmNode.SwarmNode,
  infohash: Infohash,
  onPeer: (peer: OpenPeer) => void = (peer) => host.adopt(peer).start()
): Effect.Effect<ReadonlyArray<OpenPeer>, never, Scope.Scope> => {
  const peers: Array<OpenPeer> = []
  const acceptor: SwarmNode.Acceptor = {
    mayAccept: () => true,
    accept: (peer) => {
      peers.push(peer)
      onPeer(peer)
    }
  }
  return Effect.as(
    Effect.acquireRelease(
      Effect.sync(() => host.register(infohash, acceptor)),
      (leave) => Effect.sync(leave)
    ),
    peers
  )
}

/** Both ends of one TCP connection, paused. */
export const pair: Effect.Effect<readonly [Socket, Socket], never, Scope.Scope> = Effect.acquireRelease(
  Effect.callback<readonly [Socket, Socket]>((resume) => {
    const server = createServer({ noDelay: true, pauseOnConnect: true }, (theirs) => {
      server.close()
      resume(Effect.succeed([ours, theirs.on("error", () => {})]))
    })
    const ours = new Socket().on("error", () => {})
    ours.setNoDelay(true)
    ours.pause()
    server.listen(0, "127.0.0.1", () => {
      const bound = server.address()
      ours.connect(typeof bound === "object" && bound !== null ? bound.port : 0, "127.0.0.1")
    })
  }),
  (sockets) => Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
)
