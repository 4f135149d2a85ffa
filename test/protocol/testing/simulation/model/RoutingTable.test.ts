import { assert, describe, it } from "@effect/vitest"
import * as Ids from "../../../../../src/protocol/testing/simulation/model/Ids.ts"
import * as NodeId from "../../../../../src/protocol/dht/client/NodeId.ts"
import { Chance } from "../../../../../src/protocol/testing/simulation/Chance.ts"
import { K } from "../../../../../src/protocol/testing/simulation/model/Krpc.ts"
import { RoutingTable } from "../../../../../src/protocol/testing/simulation/model/RoutingTable.ts"

/** XOR distance as one integer: what the words stand for. */
const distance = (self: NodeId.NodeId, that: NodeId.NodeId): bigint => BigInt(`0x${self.hex}`) ^ BigInt(`0x${that.hex}`)

const order = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)

interface Node {
  readonly id: NodeId.NodeId
  readonly address: string
  isUp: boolean
}

const nodesOf = (seed: string, count: number): Array<Node> => {
  const chance = Chance.of(seed)
  return Array.from({ length: count }, (_, at) => ({ id: Ids.random(chance), address: `${at}`, isUp: true }))
}

describe("Xor", () => {
  it("reads the 20 bytes of an id", () => {
    const bytes = Uint8Array.from({ length: 20 }, (_, at) => 255 - at)
    assert.strictEqual(NodeId.fromBytes(bytes).hex, "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedec")
    assert.strictEqual(NodeId.fromBytes(Uint8Array.of(1, 2, 3, ...bytes).subarray(3)).short, "fffefd")
  })

  it("orders ids as their distances do", () => {
    const target = Ids.random(Chance.of("target"))
    const ids = [
      ...nodesOf("far", 100).map(({ id }) => id),
      ...[0, 1, 2, 5, 2 ** 31].map((each) => Ids.beside(target, each))
    ]
    for (const self of ids) {
      for (const that of ids) {
        assert.strictEqual(NodeId.isCloser(target, self, that), distance(self, target) < distance(that, target))
        const bits = distance(self, that).toString(2).length
        assert.strictEqual(NodeId.commonBits(self, that), self.hex === that.hex ? 160 : 160 - bits)
      }
    }
  })

  it("finds the closest, closest first", () => {
    const target = Ids.random(Chance.of("target"))
    const nodes = nodesOf("closest", 200)
    const sorted = nodes.toSorted((a, b) => order(distance(a.id, target), distance(b.id, target)))
    for (const count of [0, 1, 8, 20, 200]) {
      assert.deepStrictEqual(NodeId.closest(nodes, target, count), sorted.slice(0, count))
    }
    assert.deepStrictEqual(NodeId.closest(nodes, target, 500), sorted)
  })
})

describe("RoutingTable", () => {
  it("knows eight of each bucket at most", () => {
    const [own, ...others] = nodesOf("buckets", 500)
    const table = new RoutingTable<Node>(own!.id)
    for (const other of others) table.offer(other)
    const counts = Map.groupBy(
      others.filter((other) => table.has(other)),
      (other) => table.bucketOf(other)
    )
    for (const [bucket, known] of counts) {
      const there = others.filter((other) => table.bucketOf(other) === bucket).length
      assert.strictEqual(known.length, Math.min(K, there))
    }
  })

  it("puts a newcomer in the place of a dead node, or where it must of the one longest there", () => {
    const [own, ...all] = nodesOf("places", 100)
    const table = new RoutingTable<Node>(own!.id)
    const far = all.filter(({ id }) => NodeId.commonBits(own!.id, id) === 0).slice(0, 11)
    const [first, second, ...rest] = far
    for (const node of far.slice(0, 8)) assert.isTrue(table.offer(node))
    assert.isFalse(table.offer(far[8]!))
    second!.isUp = false
    assert.isTrue(table.offer(far[9]!))
    assert.isFalse(table.has(second!))
    table.force(far[10]!)
    assert.isFalse(table.has(first!))
    assert.strictEqual(table.size, 8)
    assert.isTrue(rest.filter((node) => table.has(node)).length === 8)
  })
})
