/**
 * Datagrams that a DHT node must survive, sent over UDP on loopback to a live node behind the guard,
 * and once more as replies to the node's own queries.
 */
import { afterAll, assert, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Bencode from "../../src/protocol/core/Bencode.ts"
import * as KrpcGuard from "../../src/runtime/dht/KrpcGuard.ts"
import { NODES_MAX } from "../../src/protocol/dht/client/Krpc.ts"
import {
  asBytes,
  asDictionary,
  codeOf,
  type Dictionary,
  type LiveNode,
  LOOPBACK,
  startNode,
  startStorageNode,
  Stranger,
  STRANGER_ID
} from "../runtime/dht/LiveNode.ts"
import * as Vectors from "./Vectors.ts"

interface Datagram {
  readonly id: string
  readonly hex: string
  readonly expect: string
}

/** What an `expect` sentence allows to come back. */
const allows = (sentence: string, replies: ReadonlyArray<Dictionary>): boolean => {
  if (replies.length === 0) return !/^(error|answer|reply)/.test(sentence) || sentence.includes("drop")
  if (replies.length > 1) return false
  const code = codeOf(replies[0])
  if (code !== undefined) return new RegExp(`error [\\d/]*${code}`).test(sentence)
  return /answer|reply|echo|prototype|fine|ignore/.test(sentence)
}

/** What the datagram decodes to when it is a reply; those are replayed as answers to our own queries. */
const replyIn = (datagram: Uint8Array): Dictionary | undefined => {
  const decoded = Bencode.decode(datagram, { canonicalKeys: false })
  if (Result.isFailure(decoded)) return undefined
  try {
    const root = asDictionary(decoded.success)
    const y = Buffer.from(asBytes(root["y"])).toString("latin1")
    return y === "r" || y === "e" ? root : undefined
  } catch {
    return undefined
  }
}

/** Bytes of `nodes` that the guard lets the library see. */
const nodesIn = (datagram: Uint8Array): number => {
  const verdict = KrpcGuard.inspect(datagram)
  if (verdict._tag !== "Accept" || verdict.message._tag !== "Response") return 0
  const { nodes } = verdict.message.values
  return nodes instanceof Uint8Array ? nodes.length / 26 : 0
}

Vectors.topic("bep", ({ file }) => {
  file<ReadonlyArray<Datagram>>("krpc_malformed.json", (datagrams, name) => {
    const kinds = [
      ["a storage node", startStorageNode],
      ["a node of the library", () => startNode()]
    ] as const
    describe.each(kinds)(`${name}, sent by a stranger to %s`, (_, start) => {
      let node: LiveNode
      let stranger: Stranger
      beforeAll(async () => {
        node = await start()
        stranger = await Stranger.bind(node.port)
      })
      afterAll(async () => {
        await stranger.close()
        await node.close()
      })

      it.each(datagrams)("$id: $expect", async ({ hex, expect: sentence }) => {
        const before = node.state()
        const counted = [...node.socket.counters().values()].reduce((a, b) => a + b, 0)
        const replies = await stranger.exchange(Vectors.fromHex(hex))
        assert(allows(sentence, replies), `${sentence} does not allow ${JSON.stringify(replies.map(codeOf))}`)
        expect(node.state()).toEqual(before)
        expect(node.defects).toEqual([])
        // One for the ping that follows, at least one for the datagram itself.
        expect([...node.socket.counters().values()].reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(counted + 2)
      })

      it("leaves every built-in prototype as it was", () => {
        expect(Reflect.has({}, "x")).toBe(false)
      })
    })

    const answers = datagrams.flatMap(({ id, hex, expect }) => {
      const reply = replyIn(Vectors.fromHex(hex))
      return reply === undefined ? [] : [{ id, expect, reply, datagram: Vectors.fromHex(hex) }]
    })
    if (answers.length === 0) return

    describe(`${name}, as answers to the node's own queries`, () => {
      it.each(answers)("$id: $expect", async ({ reply, datagram }) => {
        const node = await startNode({}, { timeout: 40 })
        const stranger = await Stranger.bind(node.port)
        const peers: Array<unknown> = []
        node.dht.on("peer", (peer) => peers.push(peer))
        // Nodes that an answer names would be asked too; a ping does not follow them.
        const method = nodesIn(datagram) === 0 ? "get_peers" : "ping"
        stranger.play((query) => (Buffer.from(asBytes(query["q"])).toString() === method ? reply : undefined))
        if (method === "get_peers") {
          node.dht.addNode({ id: STRANGER_ID, host: LOOPBACK, port: stranger.port })
          await new Promise((resolve) => node.dht.lookup(STRANGER_ID, resolve))
        } else {
          const added = new Promise((resolve) => node.dht.once("node", resolve))
          node.dht.addNode({ host: LOOPBACK, port: stranger.port })
          await added
        }
        expect(node.defects).toEqual([])
        expect(peers).toEqual([])
        const live = await stranger.exchange()
        expect(live).toEqual([])
        await stranger.close()
        await node.close()
      })

      it.each(answers.filter(({ expect }) => expect.includes("at most")))("$id: $expect", ({ datagram }) => {
        expect(nodesIn(datagram)).toBeGreaterThan(0)
        expect(nodesIn(datagram)).toBeLessThanOrEqual(NODES_MAX)
      })
    })
  })

  file<ReadonlyArray<{ readonly name: string; readonly bencoded: string }>>("bep5_messages.json", (messages, name) => {
    describe(name, () => {
      it.each(messages)("accepts the $name", ({ bencoded }) => {
        expect(KrpcGuard.inspect(Buffer.from(bencoded, "latin1"))._tag).toBe("Accept")
      })
    })
  })
})
