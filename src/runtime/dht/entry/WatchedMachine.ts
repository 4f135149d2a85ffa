/**
 * This computer as a node's machine, with an ear on whom the node asks: by that it can tell later which of those
 * that come in are strangers.
 */
import { randomBytes } from "node:crypto"
import type { Datagrams } from "../Datagrams.ts"
import type { Machine } from "../DhtNode.ts"
import { realAfter } from "../KrpcRequests.ts"
import { peerName } from "../KrpcTransactions.ts"
import { openSocket } from "../UdpPort.ts"

/** How every KRPC query ends: `y` sorts last of its keys (BEP 5). */
const QUERY_END = Buffer.from("1:y1:qe", "latin1")

const isQuery = (datagram: Uint8Array): boolean =>
  QUERY_END.equals(datagram.subarray(Math.max(0, datagram.length - QUERY_END.length)))

/** `onAsk` is told of each query that leaves, with the address it goes to (`host:port`). */
export const make = (options: {
  readonly nodeId: Uint8Array
  readonly onAsk: (address: string) => void
  readonly onDefect: (defect: unknown) => void
}): Machine => ({
  nodeId: options.nodeId,
  after: realAfter,
  randomBytes,
  datagrams: () => watched(openSocket(), options.onAsk),
  onDefect: options.onDefect,
  build: (construct) => construct()
})

const watched = (socket: Datagrams, onAsk: (address: string) => void): Datagrams => ({
  on: (...args: ReadonlyArray<unknown>) => Reflect.apply(socket.on, socket, args),
  bind: (options) => socket.bind(options),
  address: () => socket.address(),
  send: (datagram, offset, length, port, address, callback) => {
    if (isQuery(datagram.subarray(offset, offset + length))) onAsk(peerName(address, port))
    socket.send(datagram, offset, length, port, address, callback)
  },
  close: () => socket.close()
})
