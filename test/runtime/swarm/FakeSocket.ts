/** A socket without a network: what comes in is told, what goes out is heard. */
import type { Socket } from "node:net"
import { Duplex } from "node:stream"
import type { OpenPeer } from "../../../src/runtime/swarm/PeerConnection.ts"

export interface FakePeer {
  readonly peer: OpenPeer
  /** The peer sends these bytes. */
  readonly say: (bytes: Uint8Array) => void
}

/** A peer that takes all that is sent to it, at once, and hands it to `onSent`. */
export const make = (options: {
  readonly port: number
  readonly isFast: boolean
  readonly onSent: (bytes: Buffer) => void
}): FakePeer => {
  const stream = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      options.onSent(chunk)
      done()
    }
  })
  stream.on("error", () => {})
  const peer: OpenPeer = {
    socket: stream as Duplex as Socket,
    rest: new Uint8Array(),
    cipher: undefined,
    host: "192.0.2.1",
    port: options.port,
    incoming: false,
    extended: true,
    dht: true,
    fast: options.isFast
  }
  return { peer, say: (bytes) => void (stream.destroyed || stream.push(bytes)) }
}
