/** The look-up against nodes that are played: whom it asks, when it ends, and what it does not fall for. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Value } from "bittorrent-dht"
import type { Asked, Query, Rpc } from "k-rpc"
import * as NodeSearch from "../../../src/runtime/dht/NodeSearch.ts"
import { SILENT_FOR_MS, SilentNodes } from "../../../src/runtime/dht/SilentNodes.ts"

const TARGET = new Uint8Array(20)

/** The node at 10.0.x.y, port 6881; the smaller `index` the closer it is to {@link TARGET}. */
const nodeOf = (index: number) => {
  const id = Buffer.alloc(20)
  id.writeUInt32BE(index, 16)
  return { id, host: `10.0.${index >> 8}.${index & 255}`, port: 6881 }
}

const indexOf = ({ host }: Asked): number => {
  const [, , high, low] = host.split(".").map(Number)
  return high! * 256 + low!
}

const compact = (indices: ReadonlyArray<number>): Buffer =>
  Buffer.concat(
    indices.map((index) => {
      const { host, id } = nodeOf(index)
      return Buffer.concat([id, Buffer.from(host.split(".").map(Number)), Buffer.from([0x1a, 0xe1])])
    })
  )

type Answer = { readonly [key: string]: Value } | "silent" | "error" | "never"

interface Played extends NodeSearch.Searcher {
  /** Indices of the nodes in the routing table; those found dead leave it. */
  readonly table: Set<number>
  readonly asked: Array<{ readonly index: number; readonly q: string }>
  /** In ms. */
  readonly time: { now: number }
}

/** Every reply comes in a turn of its own, in the order of the queries. */
const play = (
  table: ReadonlyArray<number>,
  answer: (index: number, query: Query) => Answer,
  bootstrap: ReadonlyArray<number> = []
): Played => {
  const nodes = new Set(table)
  const time = { now: 0 }
  const asked: Played["asked"] = []
  const rpc: Rpc = {
    id: Buffer.alloc(20, 0xff),
    bootstrap: bootstrap.map(nodeOf).map(({ host, port }) => ({ host, port })),
    nodes: {
      closest: (_id, count) =>
        [...nodes]
          .toSorted((a, b) => a - b)
          .slice(0, count)
          .map(nodeOf),
      get: (id) => (nodes.has(Buffer.from(id).readUInt32BE(16)) ? nodeOf(Buffer.from(id).readUInt32BE(16)) : null),
      remove: (id) => void nodes.delete(Buffer.from(id).readUInt32BE(16))
    },
    query: (node, query, callback) => {
      const index = indexOf(node)
      asked.push({ index, q: query.q })
      queueMicrotask(() => {
        const reply = answer(index, query)
        if (reply === "never") return
        if (reply === "silent") return callback(Object.assign(new Error("silent"), { code: "ETIMEDOUT" }), null, node)
        const from = { address: node.host, port: node.port }
        if (reply === "error") return callback(Object.assign(new Error("204"), { code: 204 }), {}, from)
        const token = Buffer.from("token")
        callback(null, { r: { id: nodeOf(index).id, token, ...reply } }, from)
      })
    }
  }
  const silent = new SilentNodes(() => time.now)
  return { rpc, silent, table: nodes, asked, time }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
const item = { v: Buffer.from("item") }

describe("NodeSearch", () => {
  it.effect("ends with the 20 closest nodes, closest first, and asks each once", () =>
    Effect.gen(function* () {
      // Each node knows eight others, half as far away as itself.
      const nodes = (index: number) => compact(range(Math.max(1, (index >> 1) - 4), (index >> 1) + 4))
      const { asked, ...node } = play([400], (index) => ({ nodes: nodes(index) }))
      const { answers, closest, isComplete } = yield* NodeSearch.search(node, TARGET)
      assert.isTrue(isComplete)
      assert.deepStrictEqual(closest.map(indexOf), range(1, 21))
      assert.strictEqual(answers, asked.length)
      assert.strictEqual(new Set(asked.map(({ index }) => index)).size, asked.length)
    })
  )

  it.effect("passes over silent nodes, which leave the routing table, and those that answer an error, which stay", () =>
    Effect.gen(function* () {
      const node = play(range(1, 31), (index) => (index === 1 ? "silent" : index === 2 ? "error" : {}))
      const { closest } = yield* NodeSearch.search(node, TARGET)
      assert.deepStrictEqual(closest.map(indexOf), range(3, 22))
      assert.isFalse(node.table.has(1))
      assert.isTrue(node.table.has(2))
    })
  )

  it.effect("leaves silent nodes alone for a while, though others go on naming them", () =>
    Effect.gen(function* () {
      const { asked, ...node } = play(range(1, 6), (index) => (index === 9 ? "silent" : { nodes: compact([8, 9]) }))
      const timesAsked = () => asked.filter(({ index }) => index === 9).length
      yield* NodeSearch.search(node, TARGET)
      assert.strictEqual(timesAsked(), 1)
      node.time.now = SILENT_FOR_MS - 1
      yield* NodeSearch.search(node, TARGET)
      assert.strictEqual(timesAsked(), 1)
      node.time.now = SILENT_FOR_MS
      yield* NodeSearch.search(node, TARGET)
      assert.strictEqual(timesAsked(), 2)
      // It turned up again by itself.
      node.table.add(9)
      yield* NodeSearch.search(node, TARGET)
      assert.strictEqual(timesAsked(), 3)
    })
  )

  it.effect("asks silent nodes all the same where hardly anybody else answers", () =>
    Effect.gen(function* () {
      let isBack = false
      const node = play([1], (index) => (index === 1 || isBack ? { nodes: compact([2]) } : "silent"))
      assert.strictEqual((yield* NodeSearch.search(node, TARGET)).answers, 1)
      isBack = true
      assert.strictEqual((yield* NodeSearch.search(node, TARGET)).answers, 2)
    })
  )

  it.effect("hears an honest node that a liar names under a false id, and ranks it by its own", () =>
    Effect.gen(function* () {
      const falsely = Buffer.concat([nodeOf(1).id, compact([25]).subarray(20)])
      const { asked, ...node } = play([30], (index) => (index === 30 ? { nodes: falsely } : {}))
      const { closest } = yield* NodeSearch.search(node, TARGET)
      assert.deepStrictEqual(closest.map(indexOf), [25, 30])
      assert.deepStrictEqual(closest[0]?.id, nodeOf(25).id)
      assert.strictEqual(asked.filter(({ q }) => q === "get").length, 2)
    })
  )

  it.effect("takes the old id of a node out of the routing table, and no other node's", () =>
    Effect.gen(function* () {
      // Node 5 now answers as node 40; a liar names node 7 at an address where nobody answers.
      const dead = Buffer.concat([nodeOf(7).id, Buffer.from([10, 9, 9, 9, 0x1a, 0xe1])])
      const node = play(
        [5, 7],
        (index) => (index === 5 ? { id: nodeOf(40).id, nodes: dead } : index === 7 ? {} : "silent"),
        []
      )
      yield* NodeSearch.search(node, TARGET)
      assert.isFalse(node.table.has(5))
      assert.isTrue(node.table.has(7))
    })
  )

  it.effect("does not count nodes without a token among those that can be written to", () =>
    Effect.gen(function* () {
      const node = play(range(1, 4), (index) => (index === 2 ? { token: 5 } : {}))
      const { answers, closest } = yield* NodeSearch.search(node, TARGET)
      assert.strictEqual(answers, 3)
      assert.deepStrictEqual(closest.map(indexOf), [1, 3])
    })
  )

  it.effect("asks nobody else once it has heard enough", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const { asked, ...node } = play(range(1, 101), () => ({ ...item, nodes: compact(range(101, 109)) }))
      const { isComplete } = yield* NodeSearch.search(node, TARGET, ({ from }) => (heard.push(from), false))
      assert.isFalse(isComplete)
      assert.deepStrictEqual(heard, ["10.0.0.1:6881"])
      assert.isAtMost(asked.length, 16)
    })
  )

  it.effect("asks nobody else once it is interrupted", () =>
    Effect.gen(function* () {
      const { asked, ...node } = play(range(1, 101), () => "never")
      const fiber = yield* Effect.forkChild(NodeSearch.search(node, TARGET), { startImmediately: true })
      const before = asked.length
      assert.isAbove(before, 0)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(asked.length, before)
    })
  )

  it.effect("asks holders who name no neighbours for those, with a few queries", () =>
    Effect.gen(function* () {
      const { asked, ...node } = play([1, 2, 3, 4, 5], (_index, { q }) =>
        q === "find_node" ? { nodes: compact(range(1, 11)) } : item
      )
      const { answers } = yield* NodeSearch.search(node, TARGET)
      assert.strictEqual(answers, 10)
      assert.strictEqual(asked.filter(({ q }) => q === "find_node").length, 3)
    })
  )

  it.effect("asks those too that came into the routing table meanwhile", () =>
    Effect.gen(function* () {
      const played = play([1], () => (played.table.add(2), item))
      assert.strictEqual((yield* NodeSearch.search(played, TARGET)).answers, 2)
    })
  )

  it.effect("goes back to the bootstrap nodes when hardly anybody in its table answers", () =>
    Effect.gen(function* () {
      const node = play(
        [1, 2, 3],
        (index) => (index < 10 ? "silent" : index < 100 ? {} : { nodes: compact([20, 21]) }),
        [100, 101, 102]
      )
      const { closest } = yield* NodeSearch.search(node, TARGET)
      assert.deepStrictEqual(closest.map(indexOf), [20, 21, 100, 101, 102])
    })
  )

  it.effect("leaves the bootstrap nodes alone while its table serves", () =>
    Effect.gen(function* () {
      const { asked, ...node } = play([1, 2, 3], () => ({}), [100, 101, 102])
      yield* NodeSearch.search(node, TARGET)
      assert.isFalse(asked.some(({ index }) => index >= 100))
    })
  )

  it.effect("ends where nobody is known, and where nobody answers", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        (yield* NodeSearch.search(
          play([], () => ({})),
          TARGET
        )).answers,
        0
      )
      const { closest, answers } = yield* NodeSearch.search(
        play([1, 2], () => "silent", [3]),
        TARGET
      )
      assert.strictEqual(answers, 0)
      assert.deepStrictEqual(closest, [])
    })
  )

  it.effect("ends with liars who name ever closer nodes", () =>
    Effect.gen(function* () {
      const lie = (index: number) => ({ nodes: compact(range(Math.max(1, index - 40), index)) })
      const { asked, ...node } = play([60_000], lie)
      yield* NodeSearch.search(node, TARGET)
      assert.isAtMost(asked.length, NodeSearch.QUERIES_MAX)
    })
  )
})
