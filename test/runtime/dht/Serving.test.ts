/** Queries of others at the guarded socket: who answers them, who is told of them, and what an answer may weigh. */
import { EventEmitter } from "node:events"
import type { RemoteInfo } from "node:dgram"
import type { AddressInfo } from "node:net"
import { afterEach, assert, describe, it } from "@effect/vitest"
import * as GuardedSocket from "../../../src/runtime/dht/GuardedSocket.ts"
import type { Datagrams, SendCallback } from "../../../src/runtime/dht/Datagrams.ts"
import { encodeResponse, type Query } from "../../../src/runtime/dht/KrpcMessage.ts"
import { FREE_RATIO, STRANGER_BURST_BYTES } from "../../../src/runtime/dht/KrpcReplyBytes.ts"
import {
  asBytes,
  asDictionary,
  type LiveNode,
  LOOPBACK,
  loose,
  type Loose,
  startNode as startLiveNode,
  Stranger,
  STRANGER_ID,
  text,
  verify
} from "./LiveNode.ts"

const TARGET = text("mnopqrstuvwxyz123456")
const OWN_ID = new Uint8Array(20).fill(9)

const toClose: Array<() => unknown> = []
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close()
})

const startNode = async (options: Partial<GuardedSocket.Options> = {}): Promise<LiveNode> => {
  const node = await startLiveNode(options)
  toClose.push(node.close)
  return node
}

const stranger = async (node: LiveNode): Promise<Stranger> => {
  const made = await Stranger.bind(node.port)
  toClose.push(() => made.close())
  return made
}

const query = (q: string, a: { readonly [name: string]: Loose }, id = STRANGER_ID): Uint8Array =>
  loose({ a: { id, ...a }, q: text(q), t: text("aa"), y: text("q") })

const compactOf = (port: number): Uint8Array => Uint8Array.of(127, 0, 0, 1, port >> 8, port & 0xff)

/** Answers `get` with an id of its own. */
const serveGets = (query: Query): Uint8Array | undefined =>
  query.method === "get" ? encodeResponse(query.transactionId, { id: OWN_ID }) : undefined

/** The node asks the stranger, who answers under its id. */
const answered = (node: LiveNode, peer: Stranger): Promise<unknown> => {
  peer.play((asked) => (asked["q"] === undefined ? undefined : { r: { id: STRANGER_ID }, y: text("r") }))
  return new Promise((resolve) =>
    node.socket.request({ method: "ping", args: { id: OWN_ID } }, LOOPBACK, peer.port, 60_000, resolve)
  )
}

describe("queries of others", () => {
  it("are answered by `serve` first; the library sees what is left", async () => {
    const node = await startNode({ serve: serveGets })
    const peer = await stranger(node)
    let seen = 0
    node.dht.on("get", () => seen++)
    assert.deepEqual(asDictionary((await peer.ask("get", { target: TARGET }))?.["r"])["id"], OWN_ID)
    assert.strictEqual(seen, 0)
    const pong = asDictionary((await peer.ask("ping", {}))?.["r"])
    assert.deepEqual(pong["id"], new Uint8Array(node.dht.nodeId))
    assert.strictEqual(node.count("served-query"), 1)
  })

  it("are answered with the address that they came from, whoever answers", async () => {
    const node = await startNode({ serve: serveGets })
    const peer = await stranger(node)
    const replies = [
      await peer.ask("get", { target: TARGET }),
      await peer.ask("find_node", { target: TARGET }),
      await peer.ask("find_node", { target: 5 }),
      await peer.ask("unheard_of", {})
    ]
    for (const reply of replies) assert.deepEqual(asBytes(reply?.["ip"]), compactOf(peer.port))
  })

  it("are left unanswered where `serve` throws, and the node goes on", async () => {
    let isBroken = true
    const node = await startNode({
      serve: (query) => {
        if (isBroken && query.method === "get") throw new Error("serve")
        return serveGets(query)
      }
    })
    const peer = await stranger(node)
    assert.deepEqual(await peer.exchange(query("get", { target: TARGET })), [])
    assert.strictEqual(node.count("handler-threw"), 1)
    isBroken = false
    assert.isDefined(await peer.ask("get", { target: TARGET }))
  })

  it("are told of before they are answered, those alone that are sound", async () => {
    const methods: Array<string> = []
    const node = await startNode({
      serve: serveGets,
      onQuery: ({ method }, { address, port }) => {
        methods.push(`${method} ${address}:${port}`)
        throw new Error("told")
      }
    })
    const peer = await stranger(node)
    await peer.ask("get", { target: 5 })
    await peer.ask("get", { target: TARGET })
    const from = `${LOOPBACK}:${peer.port}`
    assert.deepEqual(methods, [`ping ${from}`, `get ${from}`, `ping ${from}`])
  })

  it("tell who sent them, unless the sender is not to be listed; nobody is listed before it has answered", async () => {
    const senders: Array<string> = []
    const node = await startNode({
      serve: serveGets,
      onSender: (id, { port }) => void senders.push(`${Buffer.from(id).toString("latin1")} ${port}`)
    })
    const [peer, other] = [await stranger(node), await stranger(node)]
    // The stranger's pings are those of a read-only node.
    await peer.exchange(query("get", { target: TARGET }), query("find_node", { target: TARGET }))
    await answered(node, peer)
    await peer.exchange(query("get", { target: TARGET }, TARGET))
    await other.exchange(query("put", { token: text("token"), v: text("v") }))
    assert.deepEqual(
      senders,
      Array.from({ length: 2 }, () => `stranger-0123456789a ${peer.port}`)
    )
    assert.strictEqual(node.count("second-identity"), 1)
    assert.strictEqual(node.dht.nodes.count(), 0)
  })

  it("do not keep a node out in whose name somebody wrote one before", async () => {
    const senders: Array<string> = []
    const node = await startNode({
      serve: serveGets,
      onSender: (id) => void senders.push(Buffer.from(id).toString("latin1"))
    })
    const peer = await stranger(node)
    // The first stands for a forged one: it bears the address of the node, and another id.
    await peer.exchange(query("get", { target: TARGET }, TARGET), query("get", { target: TARGET }))
    assert.deepEqual(senders, ["mnopqrstuvwxyz123456", "stranger-0123456789a"])
    assert.strictEqual(node.count("second-identity"), 0)
  })
})

describe("our own address", () => {
  it("is told as each node that answers sees it", async () => {
    const told: Array<string> = []
    const node = await startNode({
      onExternalAddress: (ip, port, from) => {
        told.push(`${ip}:${port} by ${from.port}`)
        throw new Error("told")
      }
    })
    const peer = await stranger(node)
    const ask = () =>
      new Promise((resolve) =>
        node.socket.request({ method: "ping", args: { id: OWN_ID } }, LOOPBACK, peer.port, 60_000, resolve)
      )
    const pong = { r: { id: STRANGER_ID }, y: text("r") }
    peer.play(() => ({ ...pong, ip: Uint8Array.of(10, 1, 2, 3, 0x1a, 0xe1) }))
    await ask()
    peer.play(() => ({ ...pong, ip: text("no address") }))
    await ask()
    peer.play(() => pong)
    await ask()
    // Nobody was asked, so nobody is believed.
    await peer.exchange(loose({ ...pong, ip: compactOf(1), t: text("aa") }))
    assert.deepEqual(told, [`10.1.2.3:6881 by ${peer.port}`])
  })
})

/** `1:y1:qe` behind the transaction id of a query. */
const TAIL_BYTES = 7

/** A socket at which anybody may seem to have sent something. */
class PlayedSocket extends EventEmitter implements Datagrams {
  readonly sent: Array<Uint8Array> = []
  bind(): void {
    this.emit("listening")
  }
  address(): AddressInfo {
    return { address: LOOPBACK, family: "IPv4", port: 6881 }
  }
  send(
    datagram: Uint8Array,
    _offset: number,
    length: number,
    _port: number,
    _address: string,
    callback: SendCallback
  ): void {
    this.sent.push(Uint8Array.from(datagram))
    callback(null, length)
  }
  close(): void {
    this.emit("close")
  }
  hear(datagram: Uint8Array, address: string, port = 6881): void {
    this.emit("message", Buffer.from(datagram), {
      address,
      port,
      family: "IPv4",
      size: datagram.length
    } satisfies RemoteInfo)
  }
}

describe("long answers", () => {
  it("go to a forged address no more often than a few times, and on to one that has answered us", async () => {
    const datagrams = new PlayedSocket()
    const socket = GuardedSocket.make({
      host: LOOPBACK,
      verify,
      now: () => 0,
      datagrams: () => datagrams,
      serve: (query) => encodeResponse(query.transactionId, { id: OWN_ID, v: new Uint8Array(900) })
    })
    socket.bind(0)
    const victim = "8.8.8.8"
    const get = query("get", { target: TARGET })
    for (let i = 0; i < 500; i++) datagrams.hear(get, victim)
    const bytes = datagrams.sent.reduce((sum, { length }) => sum + length, 0)
    assert.isAbove(bytes, 0.9 * STRANGER_BURST_BYTES)
    assert.isAtMost(bytes, STRANGER_BURST_BYTES + 500 * FREE_RATIO * get.length)
    assert.isAbove(socket.counters().get("reply-shortened") ?? 0, 300)
    assert.lengthOf(datagrams.sent, 500, "nobody is left without an answer")

    const heard = new Promise((resolve) =>
      socket.request({ method: "ping", args: { id: OWN_ID } }, victim, 6881, 60_000, resolve)
    )
    const ping = datagrams.sent.at(-1)!
    const t = ping.subarray(-TAIL_BYTES - 4, -TAIL_BYTES)
    datagrams.hear(loose({ r: { id: STRANGER_ID }, t, y: text("r") }), victim)
    assert.isDefined(await heard)
    const before = datagrams.sent.length
    datagrams.hear(get, victim)
    assert.strictEqual(datagrams.sent.length, before + 1)
    assert.isAbove(datagrams.sent.at(-1)!.length, 900)
    socket.close()
  })
})
