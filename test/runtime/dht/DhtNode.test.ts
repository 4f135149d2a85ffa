import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as DhtNode from "../../../src/runtime/dht/DhtNode.ts"
import { PEER_AGE_MS, PEERS_MAX } from "../../../src/runtime/dht/DhtNode.ts"
import { encodeResponse } from "../../../src/runtime/dht/KrpcMessage.ts"
import { asBytes, asDictionary, LOOPBACK, loose, Stranger, STRANGER_ID, text } from "./LiveNode.ts"

const live = (title: string, body: () => Effect.Effect<void, unknown, Scope.Scope | Ed25519>) =>
  it.live(title, () => body().pipe(Effect.scoped, Effect.provide(ed25519)))

const open = (options: Partial<DhtNode.Options> = {}) =>
  DhtNode.make({ host: LOOPBACK, port: 0, bootstrap: [], ...options })

const strangerTo = (node: DhtNode.DhtNode) =>
  Effect.acquireRelease(
    Effect.promise(() => Stranger.bind(node.port)),
    (stranger) => Effect.promise(() => stranger.close())
  )

const ping = loose({ a: { id: STRANGER_ID }, q: text("ping"), t: text("aa"), y: text("q") })

/** Announces a peer at `port`; gives the peers (ports) that are named after that. */
const announcing = (stranger: Stranger) => {
  const ask = (q: string, a: Parameters<Stranger["ask"]>[1]) =>
    Effect.map(
      Effect.promise(() => stranger.ask(q, a)),
      (reply) => asDictionary(reply?.["r"])
    )
  return {
    announce: Effect.fnUntraced(function* (port: number) {
      const { token } = yield* ask("get_peers", { info_hash: STRANGER_ID })
      yield* ask("announce_peer", { info_hash: STRANGER_ID, port, token: asBytes(token) })
    }),
    ports: Effect.map(ask("get_peers", { info_hash: STRANGER_ID }), ({ values }) =>
      Array.isArray(values) ? values.map((value) => Buffer.from(asBytes(value)).readUInt16BE(4)) : []
    )
  }
}

afterEach(() => vi.useRealTimers())

describe("DhtNode", () => {
  live("forgets announced peers after an hour, unless they announce themselves again", () =>
    Effect.gen(function* () {
      vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] })
      const node = yield* open()
      const { announce, ports } = announcing(yield* strangerTo(node))
      for (const port of [1, 2]) yield* announce(port)
      vi.advanceTimersByTime((PEER_AGE_MS * 2) / 3)
      yield* announce(2)
      assert.sameMembers(yield* ports, [1, 2])
      vi.advanceTimersByTime((PEER_AGE_MS * 2) / 3)
      assert.deepStrictEqual(yield* ports, [2])
      vi.advanceTimersByTime((PEER_AGE_MS * 2) / 3)
      assert.deepStrictEqual(yield* ports, [])
      assert.strictEqual(node.client._peers.size, 0)
    })
  )

  live("holds a bounded number of announced peers, each in no more memory than it takes", () =>
    Effect.gen(function* () {
      const node = yield* open()
      const { announce, ports } = announcing(yield* strangerTo(node))
      const { _peers: peers } = node.client
      const flood = (count: number) => {
        for (let i = 0; i < count; i++) {
          const address = Buffer.alloc(6)
          address.writeUInt32BE(i)
          peers.add((i % 97).toString(16).padStart(40, "0"), address)
        }
      }
      yield* announce(7)
      const [peer] = peers.get(Buffer.from(STRANGER_ID).toString("hex"))
      assert.strictEqual(peer?.buffer.byteLength, 6)
      flood(10 * PEERS_MAX)
      assert.isAtMost(peers.size, 2 * PEERS_MAX + 1)
      yield* announce(8)
      assert.include(yield* ports, 8)
    })
  )

  live("lists who asks when it has answered in turn, under the id that it answered with", () =>
    Effect.gen(function* () {
      const node = yield* open()
      const [honest, other, silent] = [yield* strangerTo(node), yield* strangerTo(node), yield* strangerTo(node)]
      const otherId = text("another-0123456789ab")
      const asked = (stranger: Stranger, id: Uint8Array | undefined) =>
        Effect.callback<void>((resume) => {
          stranger.play((query) => {
            if (query["q"] === undefined) return undefined
            resume(Effect.void)
            return id === undefined ? undefined : { r: { id }, y: text("r") }
          })
          stranger.send(ping)
        })
      yield* asked(silent, undefined)
      const listed = new Promise<void>((resolve) =>
        node.client.on("node", () => {
          if (node.client.nodes.count() === 2) resolve()
        })
      )
      yield* asked(other, otherId)
      yield* asked(honest, STRANGER_ID)
      yield* Effect.promise(() => listed)
      const nodes = node.client.nodes.toArray()
      assert.sameDeepMembers(
        nodes.map(({ id, port }) => [new Uint8Array(id), port]),
        [
          [STRANGER_ID, honest.port],
          [otherId, other.port]
        ]
      )
      assert.isAbove(nodes[0]?.seen ?? 0, 0)
    })
  )

  live("lets its own server answer first, under the id that it was given", () =>
    Effect.gen(function* () {
      const nodeId = text("node-id-0123456789ab")
      const node = yield* open({
        nodeId,
        serve: ({ method, transactionId }) =>
          method === "get" ? encodeResponse(transactionId, { id: nodeId, v: text("served") }) : undefined
      })
      assert.deepStrictEqual(new Uint8Array(node.rpc.id), nodeId)
      const stranger = yield* strangerTo(node)
      const reply = yield* Effect.promise(() => stranger.ask("get", { target: STRANGER_ID }))
      assert.deepStrictEqual(asDictionary(reply?.["r"])["v"], text("served"))
      const pong = yield* Effect.promise(() => stranger.ask("ping", {}))
      assert.deepStrictEqual(asDictionary(pong?.["r"])["id"], nodeId)
    })
  )

  it("reads addresses of hosts by number and by name, and nothing else", () => {
    assert.deepStrictEqual(DhtNode.parseAddress("10.0.0.1:6881"), { host: "10.0.0.1", port: 6881 })
    assert.deepStrictEqual(DhtNode.parseAddress("router.test:1"), { host: "router.test", port: 1 })
    for (const text of ["", ":1", "host", "host:", "host:0", "host:65536", "host:1.5", "host:x"]) {
      assert.isUndefined(DhtNode.parseAddress(text), text)
    }
  })
})
