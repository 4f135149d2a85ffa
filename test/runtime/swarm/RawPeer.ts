/** Peers that say what a test wants them to, byte by byte. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { connect, createServer, type Socket } from "node:net"
import type { Infohash } from "../../../src/protocol/core/Infohash.ts"
import { PeerAddress } from "../../../src/protocol/core/PeerAddress.ts"
import * as Handshake from "../../../src/runtime/swarm/Handshake.ts"
import { type Message, PeerWireGuard } from "../../../src/runtime/swarm/PeerWireGuard.ts"

export const PEER_ID = Buffer.from("-XX0000-raw peer id.", "latin1")

/** A length-prefixed message. */
export const message = (id: number, ...body: ReadonlyArray<Uint8Array | number>): Buffer => {
  const payload = Buffer.concat(
    body.map((part) => {
      if (typeof part !== "number") return part
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(part)
      return bytes
    })
  )
  const head = Buffer.alloc(5)
  head.writeUInt32BE(1 + payload.length)
  head[4] = id
  return Buffer.concat([head, payload])
}

/** Waits until the other side has closed. */
export const closed = (socket: Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (socket.closed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
    socket.resume()
  })

/** Every message, as it comes, behind the `skip` bytes of a handshake that has not been read yet. */
export const listen = (
  socket: Socket,
  onMessage: (message: Message) => void,
  skip: number = Handshake.HANDSHAKE_BYTES
): void => {
  const guard = new PeerWireGuard()
  socket.on("data", (chunk: Buffer) => {
    const from = Math.min(skip, chunk.length)
    skip -= from
    for (const message of guard.push(chunk.subarray(from)).messages) onMessage(message)
  })
}

/** Dials a node, from another loopback address where one is named; the handshake is sent. */
export const dial = (
  address: { readonly host: string; readonly port: number; readonly localAddress?: string },
  infohash: Infohash,
  hasDhtNode = false,
  isFast = false
): Effect.Effect<Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Socket>((resume) => {
      const socket = connect({ ...address, noDelay: true })
      socket.on("error", () => {})
      socket.write(Handshake.encode(infohash, PEER_ID, { dht: hasDhtNode, fast: isFast }))
      socket.once("connect", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** Listens on 127.0.0.1; whoever dials is left to `onSocket`. */
export const serve = (onSocket: (socket: Socket) => void): Effect.Effect<PeerAddress, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer({ noDelay: true }, (socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        onSocket(socket)
      })
      const close = () => {
        server.close()
        for (const socket of sockets) socket.destroy()
      }
      server.listen(0, "127.0.0.1", () => {
        const bound = server.address()
        const port = typeof bound === "object" && bound !== null ? bound.port : 0
        resume(Effect.succeed({ port, close }))
      })
    }),
    (server) => Effect.sync(server.close)
  ).pipe(Effect.map(({ port }) => new PeerAddress({ host: "127.0.0.1", port })))

/** Answers a dialler's handshake. */
export const greet = (socket: Socket, infohash: Infohash, then: () => void = () => {}): void => {
  socket.once("data", () => {
    socket.write(Handshake.encode(infohash, PEER_ID))
    then()
  })
}

/** A peer that is there and gives nothing: a download that knows it goes on waiting for others. */
export const bystander = (infohash: Infohash, then?: () => void): Effect.Effect<PeerAddress, never, Scope.Scope> =>
  serve((socket) => greet(socket, infohash, then))
