import { assert, describe, it } from "@effect/vitest"
import { sha1 } from "../../../../src/protocol/core/Digest.ts"
import * as Networks from "../../../../src/protocol/dht/client/Networks.ts"
import { CLOSEST_NODES, NetworkSize, WIDTH_MAX } from "../../../../src/protocol/dht/client/NetworkSize.ts"
import * as NodeId from "../../../../src/protocol/dht/client/NodeId.ts"
import { LATE_MAX_MS, LATE_MIN_MS, RoundTrips } from "../../../../src/protocol/dht/client/RoundTrips.ts"

const idOf = (label: string) => NodeId.fromBytes(sha1(new TextEncoder().encode(label)))

const network = (count: number) => Array.from({ length: count }, (_, i) => ({ id: idOf(`node ${i} of ${count}`) }))

const measured = (nodes: ReadonlyArray<{ readonly id: NodeId.NodeId }>, times = 9) => {
  const size = new NetworkSize()
  for (let i = 0; i < times; i++) {
    const target = idOf(`target ${i}`)
    size.note(target, NodeId.closest(nodes, target, CLOSEST_NODES))
  }
  return size
}

/** Nodes that somebody put next to a target. */
const besieging = (target: NodeId.NodeId, count: number) =>
  Array.from({ length: count }, (_, i) => {
    const bytes = NodeId.toBytes(target)
    bytes[19]! ^= i + 1
    return { id: NodeId.fromBytes(bytes) }
  })

describe("NetworkSize", () => {
  it("guesses how many nodes there are", () => {
    for (const count of [60, 1_000, 20_000]) {
      const estimate = measured(network(count)).estimate ?? 0
      assert.isAbove(estimate, count / 1.5)
      assert.isBelow(estimate, count * 1.5)
    }
  })

  it("knows nothing of a network with fewer nodes than a look-up asks, nor before the first look-up", () => {
    assert.isUndefined(measured(network(CLOSEST_NODES - 1)).estimate)
    assert.isUndefined(measured(network(500), 0).estimate)
    assert.isDefined(measured(network(500), 1).estimate)
  })

  it("finds nothing wrong with targets that nobody besieges", () => {
    const nodes = network(2_000)
    const size = measured(nodes)
    const targets = Array.from({ length: 200 }, (_, i) => idOf(`other ${i}`))
    const widened = targets.filter(
      (target) => size.widthFor(target, NodeId.closest(nodes, target, CLOSEST_NODES)) !== CLOSEST_NODES
    )
    assert.isAtMost(widened.length, 4)
  })

  it("reaches past those who stand too close together, to as many as would be there by chance", () => {
    const nodes = network(2_000)
    const size = measured(nodes)
    const target = idOf("besieged")
    const all = [...besieging(target, 30), ...nodes]
    let width = CLOSEST_NODES
    for (let wider = 0; wider !== width;) {
      wider = width
      width = size.widthFor(target, NodeId.closest(all, target, width))
    }
    const honest = NodeId.closest(all, target, width).filter(({ id }) => nodes.some((node) => node.id === id))
    assert.isAtLeast(honest.length, 8)
    assert.isBelow(width, 30 + 2 * CLOSEST_NODES)
  })

  it("has a limit, and one besieged target moves nothing", () => {
    const nodes = network(2_000)
    const size = measured(nodes)
    const before = size.estimate ?? 0
    const target = idOf("besieged")
    const hostile = besieging(target, 200)
    assert.strictEqual(size.widthFor(target, NodeId.closest(hostile, target, 200)), WIDTH_MAX)
    size.note(target, NodeId.closest(hostile, target, CLOSEST_NODES))
    assert.isBelow(Math.abs((size.estimate ?? 0) - before) / before, 0.5)
  })
})

describe("Networks", () => {
  it("takes nodes of one /16 for one owner, but not those of a private network", () => {
    assert.strictEqual(Networks.count(["8.8.8.8:1", "8.8.4.4:2", "8.9.0.1:3"]), 2)
    assert.strictEqual(Networks.count(["10.0.0.1:1", "10.0.0.2:1", "127.0.0.1:1", "127.0.0.1:2"]), 4)
    assert.strictEqual(Networks.count([]), 0)
  })
})

describe("RoundTrips", () => {
  it("calls an answer late by what was usual, within bounds", () => {
    const trips = new RoundTrips()
    assert.strictEqual(trips.lateMs, LATE_MAX_MS)
    for (let i = 0; i < 50; i++) trips.note(2)
    assert.strictEqual(trips.lateMs, LATE_MIN_MS)
    for (let i = 0; i < 50; i++) trips.note(i % 2 === 0 ? 180 : 220)
    assert.isAbove(trips.lateMs, 220)
    for (let i = 0; i < 50; i++) trips.note(5_000)
    assert.strictEqual(trips.lateMs, LATE_MAX_MS)
  })
})
