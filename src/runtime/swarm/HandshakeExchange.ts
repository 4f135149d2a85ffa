/**
 * Handshakes on a socket (BEP 3), from either side: 68 bytes each way before anything else is said.
 * Whoever is slow, speaks another protocol or means another torrent is left without a word.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { connect, type Socket } from "node:net"
import * as Infohash from "../../protocol/core/Infohash.ts"
import type { PeerAddress } from "../../protocol/core/PeerAddress.ts"
import * as Handshake from "./Handshake.ts"
import type { OpenPeer } from "./PeerConnection.ts"

/** No connection came of it. Never leaves the swarm: another peer is tried. */
export class HandshakeFailed extends Schema.TaggedError<HandshakeFailed>()("HandshakeFailed", {
  peer: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `No connection to the peer ${this.peer}: ${this.problem}`
  }
}

export interface Received {
  readonly handshake: Handshake.Handshake
  /** What came behind it. */
  readonly rest: Uint8Array
}

/** Reads a handshake and leaves the socket paused. */
export const receive = (socket: Socket, peer: string): Effect.Effect<Received, HandshakeFailed> =>
  Effect.callback((resume) => {
    let collected = Buffer.alloc(0)
    const stop = () => {
      socket.off("data", onData)
      socket.off("close", onClose)
      socket.pause()
    }
    const fail = (problem: string) => {
      stop()
      resume(Effect.fail(new HandshakeFailed({ peer, problem })))
    }
    const onClose = () => fail("it closed the connection")
    const onData = (chunk: Buffer) => {
      collected = Buffer.concat([collected, chunk])
      if (!Handshake.isPrefix(collected)) return fail("it does not speak BitTorrent")
      if (collected.length < Handshake.HANDSHAKE_BYTES) return
      const handshake = Option.getOrUndefined(Handshake.decode(collected.subarray(0, Handshake.HANDSHAKE_BYTES)))
      if (handshake === undefined) return fail("it does not speak BitTorrent")
      stop()
      resume(Effect.succeed({ handshake, rest: collected.subarray(Handshake.HANDSHAKE_BYTES) }))
    }
    if (socket.destroyed) return fail("it closed the connection")
    socket.once("close", onClose)
    socket.on("data", onData)
    socket.resume()
    return Effect.sync(stop)
  })

/** Every socket needs a listener, or a reset connection ends the process; `close` follows and says enough. */
export const quiet = (socket: Socket): Socket => socket.on("error", () => {})

const connected = (address: PeerAddress, localAddress: string | undefined): Effect.Effect<Socket, HandshakeFailed> =>
  Effect.callback((resume) => {
    const socket = quiet(
      connect({
        host: address.host,
        port: address.port,
        noDelay: true,
        ...(localAddress === undefined ? {} : { localAddress })
      })
    )
    const fail = (error: Error) =>
      resume(Effect.fail(new HandshakeFailed({ peer: String(address), problem: error.message })))
    socket.once("error", fail)
    socket.once("connect", () => {
      socket.off("error", fail)
      resume(Effect.succeed(socket))
    })
    return Effect.sync(() => socket.destroy())
  })

/** Dials a peer and exchanges handshakes. The socket is destroyed unless this succeeds. */
export const dial = Effect.fnUntraced(function* (options: {
  readonly address: PeerAddress
  readonly localAddress: string | undefined
  readonly infohash: Infohash.Infohash
  readonly peerId: Uint8Array
  /** Whether we have a DHT node. */
  readonly dht: boolean
}) {
  const { address, dht, infohash, peerId } = options
  const socket = yield* connected(address, options.localAddress)
  return yield* Effect.gen(function* () {
    socket.write(Handshake.encode(infohash, peerId, dht))
    const { handshake, rest } = yield* receive(socket, String(address))
    const refuse = (problem: string) => new HandshakeFailed({ peer: String(address), problem })
    if (!Infohash.equals(handshake.infohash, infohash)) return yield* refuse("it offers another torrent")
    if (Buffer.compare(handshake.peerId, peerId) === 0) return yield* refuse("it is this node itself")
    const { host, port } = address
    const { dht: hasDht, extended } = handshake
    return { socket, rest, host, port, incoming: false, extended, dht: hasDht } satisfies OpenPeer
  }).pipe(Effect.onExit((exit) => Effect.sync(() => (exit._tag === "Success" ? undefined : socket.destroy()))))
})
