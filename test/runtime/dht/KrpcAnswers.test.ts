import type { RemoteInfo } from "node:dgram"
import { afterEach, assert, describe, it } from "@effect/vitest"
import type { Datagrams } from "../../../src/runtime/dht/Datagrams.ts"
import { shrink } from "../../../src/runtime/dht/KrpcAnswers.ts"
import * as GuardedSocket from "../../../src/runtime/dht/GuardedSocket.ts"
import { hostAt, portAt } from "../../../src/runtime/dht/KrpcAddresses.ts"
import { encodeFailure, encodeResponse, UNFRAGMENTED_BYTES, withAsker } from "../../../src/runtime/dht/KrpcMessage.ts"
import { FREE_RATIO, REAL_BURST_BYTES, STRANGER_BURST_BYTES } from "../../../src/runtime/dht/KrpcReplyBytes.ts"
import { defaultRateLimits } from "../../../src/runtime/dht/KrpcSenders.ts"
import {
  asBytes,
  asDictionary,
  codeOf,
  type Dictionary,
  keyPair,
  type LiveNode,
  LOOPBACK,
  loose,
  type Loose,
  read,
  sha1,
  signedBytes,
  startNode,
  startStorageNode,
  Stranger,
  STRANGER_ID,
  text,
  verify
} from "./LiveNode.ts"

const toClose: Array<() => unknown> = []
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close()
})

const opened = async (start: () => Promise<LiveNode>): Promise<readonly [LiveNode, Stranger]> => {
  const node = await start()
  toClose.push(node.close)
  const stranger = await Stranger.bind(node.port)
  toClose.push(() => stranger.close())
  return [node, stranger]
}

const TARGET = text("mnopqrstuvwxyz123456")

describe("a reply that has to be short", () => {
  const ASKER = { address: "8.8.4.4", port: 6881 }
  const NODES = Uint8Array.from({ length: 16 * 26 }, (_, i) => i)
  const TOKEN = text("12345678")
  const shrunk = (values: { readonly [name: string]: Loose }, room: number, t = text("tt")) => {
    const whole = withAsker(encodeResponse(t, read(loose(values))), t, ASKER)
    const short = shrink(whole, t, ASKER, room)
    const message = read(short)
    assert.deepEqual([message["t"], message["y"]], [t, text("r")])
    assert.deepEqual([...asBytes(message["ip"])], [8, 8, 4, 4, 0x1a, 0xe1])
    return { bytes: short.length, r: asDictionary(message["r"]) }
  }

  it("has the id, the token and the closest nodes, as many as fit, and no item", () => {
    const item = { k: new Uint8Array(32), seq: 1, sig: new Uint8Array(64), v: new Uint8Array(900) }
    for (const values of [
      { id: STRANGER_ID, token: TOKEN, nodes: NODES },
      { id: STRANGER_ID, token: TOKEN, nodes: NODES, ...item }
    ]) {
      for (let room = 100; room < 420; room++) {
        const { bytes, r } = shrunk(values, room)
        assert.isAtMost(bytes, room)
        assert.sameMembers(Object.keys(r), ["id", "nodes", "token"])
        assert.deepEqual([r["id"], r["token"]], [STRANGER_ID, TOKEN])
        const nodes = asBytes(r["nodes"])
        assert.deepEqual(nodes, NODES.slice(0, nodes.length))
        assert.strictEqual(nodes.length % 26, 0)
        assert.isAbove(nodes.length + 26 + 3, room - bytes, "no more would fit")
        assert.isAbove(bytes + 26 + 2, room)
      }
    }
  })

  it("has some of the peers beside nodes", () => {
    const values = Array.from({ length: 100 }, (_, i) => Uint8Array.of(9, 9, 9, 9, 1, i))
    const { bytes, r } = shrunk({ id: STRANGER_ID, token: TOKEN, nodes: NODES, values }, 300)
    assert.isAtMost(bytes, 300)
    assert.isAtLeast((r["values"] as ReadonlyArray<unknown>).length, 5)
    assert.isAtLeast(asBytes(r["nodes"]).length, 2 * 26)
  })

  it("has of an error its code alone", () => {
    const t = new Uint8Array(32)
    const short = shrink(withAsker(encodeFailure(t, 203, "a long story"), t, ASKER), t, ASKER, 80)
    assert.strictEqual(codeOf(read(short)), 203)
    assert.isAtMost(short.length, 90)
  })
})

describe("replies", () => {
  const kinds: ReadonlyArray<readonly [string, () => Promise<LiveNode>]> = [
    ["a storage node", startStorageNode],
    ["a node of the library", () => startNode()]
  ]

  describe.each(kinds)("of %s", (_, start) => {
    it("say whom they are for, errors too (BEP 42)", async () => {
      const [, stranger] = await opened(start)
      const token = await stranger.token()
      const asked: ReadonlyArray<readonly [string, { readonly [name: string]: Loose }]> = [
        ["ping", {}],
        ["find_node", { target: TARGET }],
        ["get_peers", { info_hash: TARGET }],
        ["get", { target: TARGET }],
        ["get", { target: 5 }],
        ["put", { token, v: text("v") }],
        ["put", { token: text("bad"), v: text("v") }],
        ["announce_peer", { info_hash: TARGET, port: 1, token: text("bad") }],
        ["sample_infohashes", { target: TARGET }]
      ]
      for (const [q, a] of asked) {
        const ip = asBytes((await stranger.ask(q, a))?.["ip"])
        assert.deepEqual([ip.length, hostAt(ip, 0), portAt(ip, 0)], [6, LOOPBACK, stranger.port], q)
      }
    })

    it("fit one frame with the longest record and the longest transaction id", async () => {
      const [, stranger] = await opened(start)
      const key = keyPair(5)
      const [v, seq] = [new Uint8Array(996), Number.MAX_SAFE_INTEGER]
      const token = await stranger.token()
      const salt = new Uint8Array(64)
      const stored = await stranger.ask("put", {
        k: key.publicKey,
        salt,
        seq,
        sig: key.sign(signedBytes(seq, loose(v), salt)),
        token,
        v
      })
      assert.isDefined(stored?.["r"])
      const target = sha1(key.publicKey, salt)
      const t = new Uint8Array(32)
      const [reply] = await stranger.exchange(
        loose({ a: { id: STRANGER_ID, target }, q: text("get"), ro: 1, t, y: text("q") })
      )
      const written = loose(reply as Loose)
      assert.isAbove(written.length, 1_100)
      assert.isAtMost(written.length, UNFRAGMENTED_BYTES)
    })
  })

  describe("to an address that anybody may have forged", () => {
    const REPLY = new Uint8Array(1_200)
    const VICTIM = "8.8.4.4"

    /** A socket that nothing leaves; `receive` says how many bytes would have. */
    const guarded = (onReply: (query: Dictionary) => Uint8Array | undefined = () => undefined) => {
      let deliver: (datagram: Buffer, from: RemoteInfo) => void = () => undefined
      let sent = 0
      const datagrams: Datagrams = {
        on: (event: string, listener: (...args: ReadonlyArray<never>) => void) => {
          if (event === "message")
            deliver = (datagram, from) => void Reflect.apply(listener, undefined, [datagram, from])
        },
        bind: () => undefined,
        address: () => ({ address: LOOPBACK, family: "IPv4", port: 1 }),
        send: (datagram) => void (sent += datagram.length),
        close: () => undefined
      }
      const socket = GuardedSocket.make({
        host: LOOPBACK,
        verify,
        now: () => 0,
        datagrams: () => datagrams,
        serve: (query) => onReply(query.args) ?? encodeResponse(query.transactionId, { id: STRANGER_ID, v: REPLY })
      })
      const receive = (datagram: Uint8Array, address: string, port: number): number => {
        const before = sent
        deliver(Buffer.from(datagram), { address, family: "IPv4", port, size: datagram.length })
        return sent - before
      }
      return { socket, receive }
    }
    const query = (q: string, a: { readonly [name: string]: Loose }) =>
      loose({ a: { id: STRANGER_ID, ...a }, q: text(q), t: text("t"), y: text("q") })
    const get = query("get", { target: TARGET })
    const put = query("put", { token: text("token"), v: text("v") })

    it("are no flood: a few long ones, and short ones within the limit on queries", () => {
      const { receive, socket } = guarded()
      let drawn = 0
      for (let i = 0; i < 5_000; i++) drawn += receive(get, VICTIM, i + 1)
      assert.isAbove(drawn, 0)
      assert.isAtMost(drawn, STRANGER_BURST_BYTES + defaultRateLimits.hostBurst * FREE_RATIO * get.length)
      assert.isAbove(socket.counters().get("reply-shortened") ?? 0, 0)
      assert.isUndefined(socket.counters().get("reply-withheld"))
      assert.strictEqual(socket.counters().get("rate-limited-sender"), 5_000 - defaultRateLimits.hostBurst)
      assert.isAbove(receive(get, "9.9.9.9", 1), REPLY.length, "others are answered")
    })

    it("are as many as it asks for once it has shown a token that was sent there", () => {
      const { receive } = guarded((args) =>
        "token" in args ? encodeResponse(text("t"), { id: STRANGER_ID }) : undefined
      )
      assert.isAtMost(receive(put, VICTIM, 1), put.length)
      let drawn = 0
      for (let i = 0; i < 500; i++) drawn += receive(get, VICTIM, 1)
      assert.isAbove(drawn, STRANGER_BURST_BYTES)
      assert.isAtMost(drawn, REAL_BURST_BYTES)
    })

    it("are what was asked for in a private network", () => {
      const { receive } = guarded()
      let drawn = 0
      for (let i = 0; i < 500; i++) drawn += receive(get, "192.168.1.9", 1)
      assert.isAtLeast(drawn, 500 * REPLY.length)
    })
  })
})
