/**
 * What the guard costs for each datagram, in microseconds: from the socket's event to whoever the message is for, without
 * the network, the library and signatures. Queries and replies take turns as a busy node sees them.
 */
import type { RemoteInfo } from "node:dgram"
import * as Bencode from "../../src/protocol/core/Bencode.ts"
import type { Datagrams } from "../../src/runtime/dht/Datagrams.ts"
import * as GuardedSocket from "../../src/runtime/dht/GuardedSocket.ts"
import { REQUESTS_MAX } from "../../src/runtime/dht/KrpcRequests.ts"
import { median, round } from "./Measure.ts"

/** More than pass through it in one round: limits are not what is timed. */
const ADDRESSES = 64
const ROUNDS = 31

const bytes = (length: number, byte = 7): Uint8Array => new Uint8Array(length).fill(byte)
const t = bytes(2)
const id = bytes(20, 1)
const token = bytes(20, 2)
const nodes = bytes(8 * 26, 9)
const signed = { k: bytes(32, 3), seq: 5, sig: bytes(64, 4), v: bytes(996, 5) }

const query = (q: string, a: Bencode.Dictionary): Bencode.Dictionary => ({
  a: { ...a, id },
  q: Bencode.utf8(q),
  t,
  v: Bencode.utf8("LT20"),
  y: Bencode.utf8("q")
})
const reply = (r: Bencode.Dictionary) => ({ ip: bytes(6, 8), r: { ...r, id }, y: Bencode.utf8("r") })

const QUERIES: { readonly [name: string]: Bencode.Dictionary } = {
  ping: query("ping", {}),
  findNode: query("find_node", { target: bytes(20) }),
  getPeers: query("get_peers", { info_hash: bytes(20) }),
  get: query("get", { target: bytes(20) }),
  put: query("put", { ...signed, salt: bytes(32), token }),
  refused: query("get", { target: 5 })
}
const REPLIES: { readonly [name: string]: Bencode.Dictionary } = {
  pong: reply({}),
  nodes: reply({ nodes, token }),
  peers: reply({ token, values: Array.from({ length: 30 }, () => bytes(6, 9)) }),
  /** A get reply of over 1,000 bytes. */
  record: reply({ ...signed, nodes, token }),
  error: { e: [302, Bencode.utf8("sequence number less than current")], y: Bencode.utf8("e") }
}

/** A port that goes nowhere: what arrives is put in by hand. */
class Loose implements Datagrams {
  receive: (datagram: Buffer, from: RemoteInfo) => void = () => {}
  readonly sent: Array<Uint8Array> = []

  on(event: string, listener: (...args: ReadonlyArray<never>) => void): void {
    if (event === "message") this.receive = (datagram, from) => Reflect.apply(listener, undefined, [datagram, from])
  }
  bind(): void {}
  address() {
    return { address: "127.0.0.1", family: "IPv4", port: 1 }
  }
  send(datagram: Uint8Array): void {
    this.sent.push(datagram)
  }
  close(): void {}
}

const from = (i: number): RemoteInfo => ({ address: `8.8.${i}.8`, family: "IPv4", port: 6881, size: 0 })

const transactionIdOf = (sent: Uint8Array): Uint8Array => sent.subarray(sent.length - 11, sent.length - 7)

export const guard = () => {
  const port = new Loose()
  const answer = Bencode.encode({ r: { id }, t, y: Bencode.utf8("r") })
  let now = 0
  const socket = GuardedSocket.make({
    host: "127.0.0.1",
    verify: () => true,
    now: () => now,
    datagrams: () => port,
    after: () => () => {},
    serve: () => answer
  })
  socket.bind()

  /** Of each of so many datagrams, one after the other, µs. */
  const time = (datagrams: ReadonlyArray<readonly [Buffer, RemoteInfo]>): number => {
    // The buckets of all senders are full again, and nothing has expired yet.
    now += 4_000
    const started = performance.now()
    for (const [datagram, sender] of datagrams) port.receive(datagram, sender)
    port.sent.length = 0
    return ((performance.now() - started) * 1_000) / datagrams.length
  }
  const asked = (message: Bencode.Dictionary) =>
    Array.from({ length: REQUESTS_MAX }, (_, i) => [Buffer.from(Bencode.encode(message)), from(i % ADDRESSES)] as const)
  const answered = (message: Bencode.Dictionary) =>
    Array.from({ length: REQUESTS_MAX }, (_, i) => {
      const sender = from(i % ADDRESSES)
      socket.request({ method: "ping", args: { id } }, sender.address, sender.port, 1_000, () => {})
      const t = transactionIdOf(port.sent.pop()!)
      return [Buffer.from(Bencode.encode({ ...message, t })), sender] as const
    })

  const figures: Record<string, number> = {}
  const measure = (name: string, make: () => ReadonlyArray<readonly [Buffer, RemoteInfo]>) => {
    const taken = Array.from({ length: ROUNDS }, () => time(make()))
    figures[name] = round(median(taken))
  }
  for (const [name, message] of Object.entries(QUERIES)) measure(name, () => asked(message))
  for (const [name, message] of Object.entries(REPLIES)) measure(name, () => answered(message))
  measure("junk", () => asked({}).map(([, sender]) => [Buffer.from("d1:a99:xe"), sender] as const))
  const kinds = Object.values(figures)
  const accepted = socket.counters().get("accepted-reply") ?? 0
  if (accepted !== ROUNDS * REQUESTS_MAX * Object.keys(REPLIES).length)
    throw new Error(`only ${accepted} replies were let in`)
  return { datagram: round(kinds.reduce((sum, each) => sum + each, 0) / kinds.length), ...figures }
}
