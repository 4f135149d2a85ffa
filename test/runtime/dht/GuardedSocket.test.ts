import * as Dgram from "node:dgram"
import { afterEach, assert, describe, it } from "@effect/vitest"
import type DHT from "bittorrent-dht"
import * as GuardedSocket from "../../../src/runtime/dht/GuardedSocket.ts"
import { ErrorCode, NODES_MAX, PEERS_MAX } from "../../../src/protocol/dht/client/Krpc.ts"
import { UNFRAGMENTED_BYTES } from "../../../src/runtime/dht/KrpcMessage.ts"
import { TRANSACTION_ID_BYTES, TRANSACTION_LIFETIME_MS } from "../../../src/runtime/dht/KrpcTransactions.ts"
import {
  asBytes,
  asDictionary,
  codeOf,
  type Dictionary,
  getItem,
  keyPair,
  type LiveNode,
  LOOPBACK,
  loose,
  type Loose,
  sha1,
  signedBytes,
  startNode as startLiveNode,
  Stranger,
  STRANGER_ID,
  text,
  verify
} from "./LiveNode.ts"

const TARGET = text("mnopqrstuvwxyz123456")
const publisher = keyPair(3)

const toClose: Array<() => unknown> = []
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close()
})

const startNode = async (...args: Parameters<typeof startLiveNode>): Promise<LiveNode> => {
  const node = await startLiveNode(...args)
  toClose.push(node.close)
  return node
}

const stranger = async (node: LiveNode): Promise<Stranger> => {
  const made = await Stranger.bind(node.port)
  toClose.push(() => made.close())
  return made
}

const bare = (options: Partial<GuardedSocket.Options> = {}): GuardedSocket.GuardedSocket => {
  const socket = GuardedSocket.make({ host: LOOPBACK, verify, now: () => 0, ...options })
  toClose.push(() => new Promise<void>((resolve) => socket.close(resolve)))
  return socket
}

const once = (socket: GuardedSocket.GuardedSocket, event: "listening" | "close"): Promise<void> =>
  new Promise((resolve) => socket.once(event, resolve))

const ping = (id = STRANGER_ID, t = "aa"): Uint8Array => loose({ a: { id }, q: text("ping"), t: text(t), y: text("q") })
const pong = { r: { id: STRANGER_ID }, y: text("r") }

const mutablePut = (token: Uint8Array, v: Loose = text("v")): { readonly [name: string]: Loose } => ({
  k: publisher.publicKey,
  seq: 1,
  sig: publisher.sign(signedBytes(1, loose(v))),
  token,
  v
})

/** Has the node ping a played node; resolves with the query as soon as it is there, and how to answer it. */
const pinged = (node: LiveNode, peer: Stranger): Promise<Dictionary> =>
  new Promise((resolve) => {
    peer.play((query) => void resolve(query))
    node.dht.addNode({ host: LOOPBACK, port: peer.port })
  })

const added = (dht: DHT): Promise<void> => new Promise((resolve) => dht.once("node", () => resolve()))

describe("GuardedSocket", () => {
  it("refuses uTP, so that peers which look for the swarm on this port go over to TCP", async () => {
    const node = await startNode()
    const client = Dgram.createSocket("udp4")
    try {
      const answer = new Promise<Buffer>((resolve) => client.once("message", resolve))
      // ST_SYN of connection 0x1234, sequence number 0xabcd (BEP 29).
      client.send(Buffer.from("41001234000000010000000000100000abcd0000", "hex"), node.port, LOOPBACK)
      const [type, ...rest] = await answer
      assert.strictEqual(type, 0x31)
      assert.deepStrictEqual(rest.slice(1, 3), [0x12, 0x34])
      assert.strictEqual(node.count("utp-refused"), 1)
    } finally {
      client.close()
    }
  })

  describe("replies", () => {
    it("lets in one reply to each query, under a random transaction id", async () => {
      const node = await startNode()
      const peer = await stranger(node)
      const query = await pinged(node, peer)
      const t = asBytes(query["t"])
      assert.lengthOf(t, TRANSACTION_ID_BYTES)
      const reply = loose({ ...pong, t })
      const isAdded = added(node.dht)
      await peer.exchange(reply, reply, reply)
      await isAdded
      assert.strictEqual(node.count("accepted-reply"), 1)
      assert.strictEqual(node.count("unsolicited-reply"), 2)
      assert.strictEqual(node.dht.nodes.count(), 1)
    })

    it("drops replies from another port, even with the right transaction id", async () => {
      const node = await startNode()
      const [peer, spoofer] = [await stranger(node), await stranger(node)]
      const reply = loose({ ...pong, t: asBytes((await pinged(node, peer))["t"]) })
      await spoofer.exchange(reply)
      assert.strictEqual(node.count("unsolicited-reply"), 1)
      assert.strictEqual(node.dht.nodes.count(), 0)
      const isAdded = added(node.dht)
      peer.send(reply)
      await isAdded
      assert.strictEqual(node.dht.nodes.toArray()[0]?.port, peer.port)
    })

    it("drops guesses at the transaction id, the library's own small numbers first", async () => {
      const node = await startNode()
      const peer = await stranger(node)
      const t = asBytes((await pinged(node, peer))["t"])
      const guesses = [...Array.from({ length: 64 }, (_, i) => Uint8Array.of(0, i)), t.map((byte) => byte ^ 1)]
      await peer.exchange(...guesses.map((guess) => loose({ ...pong, t: guess })))
      assert.strictEqual(node.count("unsolicited-reply"), guesses.length)
      assert.strictEqual(node.dht.nodes.count(), 0)
    })

    it("drops replies that come too late", async () => {
      let now = 0
      const node = await startNode({ now: () => now })
      const peer = await stranger(node)
      const reply = loose({ ...pong, t: asBytes((await pinged(node, peer))["t"]) })
      now = TRANSACTION_LIFETIME_MS
      await peer.exchange(reply)
      assert.strictEqual(node.count("unsolicited-reply"), 1)
      assert.strictEqual(node.dht.nodes.count(), 0)
    })

    it("ends a query with an error reply, of whatever shape", async () => {
      const node = await startNode()
      const peer = await stranger(node)
      node.dht.addNode({ id: STRANGER_ID, host: LOOPBACK, port: peer.port })
      peer.play(() => ({ e: { toString: 5 }, r: { id: 5, nodes: 5 }, y: text("e") }))
      assert.isNull(await getItem(node.dht, TARGET))
      assert.strictEqual(node.count("ignored-error-shape"), 1)
    })
  })

  describe("queries", () => {
    it("looks at no signature before the token is found good", async () => {
      let checks = 0
      const node = await startNode({ verify: (...args) => (checks++, verify(...args)) })
      const peer = await stranger(node)
      assert.strictEqual(codeOf(await peer.ask("put", mutablePut(text("bad")))), ErrorCode.protocol)
      assert.strictEqual(checks, 0)
    })

    it("refuses a token once its secret has been replaced twice, and one of another address", async () => {
      const node = await startNode()
      const peer = await stranger(node)
      const put = mutablePut(await peer.token())
      const rotate = () => Reflect.apply(Reflect.get(node.dht, "_rotateSecrets"), node.dht, [])
      rotate()
      assert.isUndefined(codeOf(await peer.ask("put", put)))
      rotate()
      assert.strictEqual(codeOf(await peer.ask("put", put)), ErrorCode.protocol)
      assert.strictEqual(codeOf(await peer.ask("announce_peer", { ...put, info_hash: TARGET, port: 1 })), 203)
      assert.strictEqual(node.state().peers, 0)
    })

    it("takes a verifier that throws for one that refuses", async () => {
      const defects: Array<unknown> = []
      const socket = bare({
        verify: () => {
          throw new Error("no such curve")
        },
        onDefect: (defect) => defects.push(defect)
      })
      assert.isFalse(socket.verify(new Uint8Array(64), text("message"), publisher.publicKey))
      assert.strictEqual(String(defects[0]), "Error: no such curve")
    })

    it("adds nobody to the routing table of whom it has no more than a query", async () => {
      const node = await startNode()
      const peer = await stranger(node)
      const ids = Array.from({ length: 30 }, (_, i) => new Uint8Array(20).fill(i + 1))
      const replies = await peer.exchange(...ids.map((id) => ping(id)))
      assert.lengthOf(replies, ids.length)
      assert.strictEqual(node.dht.nodes.count(), 0)
      assert.strictEqual(node.count("second-identity"), 0)
    })

    it("answers read-only nodes and keeps them out of the routing table", async () => {
      const node = await startNode()
      const peer = await stranger(node)
      assert.deepEqual(asDictionary((await peer.ask("ping", {}))?.["r"])["id"], new Uint8Array(node.dht.nodeId))
      assert.strictEqual(node.dht.nodes.count(), 0)
    })
  })

  describe("floods", () => {
    it("limits one sender, counts it, and still serves the others", async () => {
      const burst = 20
      let now = 0
      const node = await startNode({ now: () => now, limits: { senderRate: 10, senderBurst: burst } })
      const [flooder, honest] = [await stranger(node), await stranger(node)]
      for (let i = 0; i < burst * 10; i++) flooder.send(i % 2 === 0 ? ping() : text("junk"))
      // The node reads in order of arrival: when the honest ping is answered, the flood has been read.
      assert.lengthOf(await honest.exchange(ping()), 1)
      assert.strictEqual(node.count("rate-limited-sender"), burst * 9)
      assert.strictEqual(node.count("accepted-query"), burst / 2 + 2)
      now = 1_000
      assert.lengthOf(await flooder.exchange(...Array.from({ length: 9 }, () => ping())), 9)
    })

    it("is not led astray by a clock that is set back", async () => {
      let now = 1_000_000
      const node = await startNode({ now: () => now, limits: { senderRate: 10, senderBurst: 8 } })
      const peer = await stranger(node)
      await peer.exchange(ping())
      now = 0
      assert.lengthOf(await peer.exchange(ping(), ping()), 2)
    })

    describe("from a node that it asks", () => {
      const burst = 10

      /** A node that has asked `peer` something, the transaction id, and who tells when all of before has been read. */
      const asking = async () => {
        const node = await startNode({ now: () => 0, limits: { senderRate: 1, senderBurst: burst } })
        const [peer, honest] = [await stranger(node), await stranger(node)]
        const t = asBytes((await pinged(node, peer))["t"])
        return { node, peer, honest, t }
      }

      it("read no more than the limit, even of what looks like the answer", async () => {
        const { honest, node, peer, t } = await asking()
        for (let i = 0; i < burst * 10; i++) peer.send(loose({ r: { id: STRANGER_ID }, t, y: text("?") }))
        await honest.exchange()
        assert.strictEqual(node.count("bad-type"), burst)
        assert.strictEqual(node.count("rate-limited-sender"), burst * 9)
      })

      it("read no more than the limit of answers to what was not asked", async () => {
        const { honest, node, peer, t } = await asking()
        const other = t.map((byte) => byte ^ 1)
        for (let i = 0; i < burst * 10; i++) peer.send(loose({ ...pong, t: other }))
        await honest.exchange()
        assert.strictEqual(node.count("unsolicited-reply"), burst)
        assert.strictEqual(node.count("rate-limited-sender"), burst * 9)
      })

      it("keep out the answer not even when somebody in its name has used up the limit", async () => {
        const { honest, node, peer, t } = await asking()
        const guesses = Array.from({ length: 256 }, (_, i) => Uint8Array.of(i, ...t.subarray(1))).filter(
          ([first]) => first !== t[0]
        )
        for (const guess of guesses) peer.send(loose({ ...pong, t: guess }))
        await honest.exchange()
        assert.strictEqual(node.count("rate-limited-sender"), guesses.length - burst)
        const isAdded = added(node.dht)
        peer.send(loose({ ...pong, t }))
        await isAdded
        assert.strictEqual(node.count("accepted-reply"), 1)
      })
    })

    it("limits all senders together, and keeps its own lookups going meanwhile", async () => {
      const node = await startNode({ now: () => 0, limits: { totalRate: 1, totalBurst: 8 } })
      const peers = await Promise.all([stranger(node), stranger(node), stranger(node)])
      for (const peer of peers) for (let i = 0; i < 10; i++) peer.send(ping())
      const peer = await stranger(node)
      const query = await pinged(node, peer)
      const isAdded = added(node.dht)
      peer.send(loose({ ...pong, r: { id: TARGET }, t: asBytes(query["t"]) }))
      await isAdded
      assert.strictEqual(node.count("rate-limited-total"), 22)
    })
  })

  describe("replies on their way out", () => {
    it("fit one datagram, with the closest nodes", async () => {
      const node = await startNode()
      const peer = await stranger(node)
      for (let i = 0; i < 120; i++) {
        node.dht.addNode({ id: sha1(Uint8Array.of(i)), host: LOOPBACK, port: 1000 + i })
      }
      const known = node.dht.nodes.toArray()
      assert.isAbove(known.length * 26, UNFRAGMENTED_BYTES)
      const wanted = new Uint8Array(known[7]!.id)
      const nodes = asBytes(asDictionary((await peer.ask("find_node", { target: wanted }))?.["r"])["nodes"])
      assert.lengthOf(nodes, NODES_MAX * 26)
      assert.deepEqual(nodes.slice(0, 20), wanted)
    })

    it("fit one datagram, with some of the peers", async () => {
      const node = await startNode()
      const peer = await stranger(node)
      const token = await peer.token()
      for (let port = 1; port <= PEERS_MAX * 2; port++) {
        await peer.ask("announce_peer", { info_hash: TARGET, port, token })
      }
      const values = asDictionary((await peer.ask("get_peers", { info_hash: TARGET }))?.["r"])["values"]
      assert.lengthOf(values as ReadonlyArray<unknown>, PEERS_MAX)
    })
  })

  it("checks the same record from several holders once", async () => {
    let checks = 0
    const node = await startNode({ verify: (...args) => (checks++, verify(...args)) })
    const { token: _, ...item } = mutablePut(text("t"))
    for (let i = 0; i < 5; i++) {
      const holder = await stranger(node)
      const id = new Uint8Array(20).fill(i + 1)
      holder.play(() => ({ r: { id, ...item }, y: text("r") }))
      node.dht.addNode({ id, host: LOOPBACK, port: holder.port })
    }
    assert.deepEqual((await getItem(node.dht, sha1(publisher.publicKey)))?.v, Buffer.from("v"))
    assert.strictEqual(node.count("accepted-reply"), 5)
    assert.strictEqual(checks, 1)
  })

  it("carries strings and dictionaries through a network of guarded nodes", async () => {
    const nodes = await Promise.all(Array.from({ length: 8 }, () => startNode()))
    for (const node of nodes.slice(1)) {
      const isAdded = added(node.dht)
      node.dht.addNode({ host: LOOPBACK, port: nodes[0]!.port })
      await isAdded
    }
    const sign = (message: Uint8Array) => Buffer.from(publisher.sign(message))
    const k = Buffer.from(publisher.publicKey)
    for (const [seq, v] of [Buffer.alloc(996, 1), { ih: Buffer.alloc(20, 2) }].entries()) {
      const stored = await new Promise((resolve, reject) => {
        nodes[1]!.dht.put({ k, seq, sign, v }, (error, _target, n) => (error ? reject(error) : resolve(n)))
      })
      assert.isAbove(Number(stored), 0)
      assert.deepEqual((await getItem(nodes[7]!.dht, sha1(k)))?.v, v)
    }
  })

  describe("faults", () => {
    it("stands between the library and datagrams that make it throw", async () => {
      const node = await startNode()
      const peer = await stranger(node)
      const token = await peer.token()
      const from = { address: LOOPBACK, family: "IPv4" as const, port: peer.port, size: 0 }
      const deadly: ReadonlyArray<readonly [string, { readonly [name: string]: Loose }]> = [
        ["get", { target: 5 }],
        ["find_node", { target: 5 }],
        ["get_peers", { info_hash: 5 }],
        ["announce_peer", { info_hash: TARGET, port: 1, token: 5 }],
        ["put", { sig: new Uint8Array(64), token, v: text("v") }],
        ["put", { ...mutablePut(token), salt: 5 }]
      ]
      for (const [q, a] of deadly) {
        const datagram = loose({ a: { id: STRANGER_ID, ...a }, q: text(q), t: text("aa"), y: text("q") })
        // Past the guard, as a bare node would receive it.
        assert.throws(() => node.socket.emit("message", Buffer.from(datagram), from))
        const [reply] = await peer.exchange(datagram)
        assert.strictEqual(codeOf(reply), ErrorCode.protocol)
      }
      assert.lengthOf(node.defects, 0)
    })

    it("survives whatever a listener throws, and tells the other listeners all the same", async () => {
      const node = await startNode()
      const peer = await stranger(node)
      node.dht.on("find_node", () => {
        throw new Error("listener")
      })
      let seen = 0
      node.socket.on("message", () => seen++)
      assert.deepEqual(
        await peer.exchange(
          loose({ a: { id: STRANGER_ID, target: TARGET }, q: text("find_node"), t: text("aa"), y: text("q") })
        ),
        []
      )
      assert.strictEqual(seen, 2)
      assert.strictEqual(node.count("library-threw"), 1)
      assert.strictEqual(String(node.defects[0]), "Error: listener")
    })

    it("survives a defective handler of defects", async () => {
      const node = await startNode({
        onDefect: () => {
          throw new Error("handler")
        }
      })
      const peer = await stranger(node)
      node.dht.on("get", () => {
        throw new Error("listener")
      })
      await peer.ask("get", { target: TARGET })
      assert.strictEqual(node.count("library-threw"), 1)
    })

    it("reports what cannot be sent to the callback and the counters", async () => {
      const socket = bare()
      const failed = (port: number, host: string) =>
        new Promise((resolve) => socket.send(text("d1:y1:re"), 0, 8, port, host, resolve))
      assert.instanceOf(await failed(0, LOOPBACK), Error)
      assert.instanceOf(await failed(1, "255.255.255.255"), Error)
      assert.strictEqual(socket.counters().get("send-failed"), 2)
    })

    it("reports a busy port as an error event, and binds nothing else instead", async () => {
      const taken = bare()
      taken.bind(0)
      await once(taken, "listening")
      const socket = bare()
      const error = new Promise<Error>((resolve) => socket.once("error", resolve))
      socket.bind(taken.address().port)
      assert.propertyVal(await error, "code", "EADDRINUSE")
      const sent = await new Promise((resolve) => socket.send(ping(), 0, ping().length, 9, LOOPBACK, resolve))
      assert.instanceOf(sent, Error)
      assert.strictEqual(socket.counters().get("send-failed"), 1)
    })

    it("does not mind an error event that nobody listens to", async () => {
      const taken = Dgram.createSocket("udp4")
      await new Promise<void>((resolve) => taken.bind(0, LOOPBACK, resolve))
      const socket = bare()
      socket.bind(taken.address().port)
      while (socket.counters().size === 0) await new Promise((resolve) => setImmediate(resolve))
      assert.strictEqual(socket.counters().get("socket-error"), 1)
      await new Promise<void>((resolve) => taken.close(() => resolve()))
    })
  })

  describe("life", () => {
    it("binds the given host and never every interface, also when it sends unbound", async () => {
      const socket = bare()
      const listening = once(socket, "listening")
      socket.send(ping(), 0, ping().length, 9, LOOPBACK)
      await listening
      assert.strictEqual(socket.address().address, LOOPBACK)
    })

    it("is refused without an IPv4 address", () => {
      for (const host of ["", "localhost", "::1", "127.1"]) {
        assert.throws(() => bare({ host }), TypeError)
      }
    })

    it("closes unbound, while it binds, when bound, and again when closed", async () => {
      for (const prepare of [
        async () => bare(),
        async () => bare().bind(0),
        async () => {
          const socket = bare().bind(0)
          await once(socket, "listening")
          return socket
        }
      ]) {
        const socket = await prepare()
        let closed = 0
        socket.on("close", () => closed++)
        await Promise.all([1, 2].map(() => new Promise<void>((resolve) => socket.close(resolve))))
        await new Promise<void>((resolve) => socket.close(resolve))
        assert.strictEqual(closed, 1)
        const error = await new Promise((resolve) => socket.send(ping(), 0, 8, 9, LOOPBACK, resolve))
        assert.instanceOf(error, Error)
      }
    })

    it("hands nothing on after it was closed", async () => {
      const node = await startNode()
      const peer = await stranger(node)
      await peer.exchange(ping())
      const before = node.count("accepted-query")
      for (let i = 0; i < 10; i++) peer.send(ping())
      await node.close()
      assert.strictEqual(node.count("accepted-query"), before)
    })
  })
})
