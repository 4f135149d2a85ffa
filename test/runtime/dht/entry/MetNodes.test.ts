import { assert, describe, it } from "@effect/vitest"
import * as SecureId from "../../../../src/protocol/dht/client/SecureId.ts"
import * as MetNodes from "../../../../src/runtime/dht/entry/MetNodes.ts"

const DAY_MS = 24 * 60 * 60 * 1000
const NOW = 100 * DAY_MS

/** The same numbers each time. */
const chance = (): MetNodes.Random => {
  let state = 1
  return () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

const node = (host: string, more: Partial<MetNodes.MetNode> = {}): MetNodes.MetNode => ({
  address: `${host}:6881`,
  id: "aa".repeat(20),
  first: NOW - DAY_MS,
  last: NOW,
  ...more
})

const secure = (host: string, more: Partial<MetNodes.MetNode> = {}): MetNodes.MetNode =>
  node(host, { id: hex(SecureId.make(host, new Uint8Array(20).fill(7))), ...more })

/** Each of a network of its own. */
const many = (count: number, prefix: number, more: Partial<MetNodes.MetNode> = {}) =>
  Array.from({ length: count }, (_, i) => node(`${prefix + (i >> 8)}.${i & 0xff}.1.1`, more))

describe("MetNodes", () => {
  it("keeps the time of the first meeting of a node that is met again, unless its id is another", () => {
    const known = [node("20.1.1.1", { first: 5 }), node("20.2.1.1", { first: 5 })]
    const met = [
      { address: "20.1.1.1:6881", id: known[0]!.id },
      { address: "20.2.1.1:6881", id: "bb".repeat(20) },
      { address: "20.3.1.1:6881", id: "cc".repeat(20) }
    ]
    const merged = MetNodes.merge(known, met, NOW)
    assert.deepStrictEqual(
      merged.map(({ first, last }) => [first, last]),
      [
        [5, NOW],
        [NOW, NOW],
        [NOW, NOW]
      ]
    )
  })

  it("forgets nodes that were not met for 30 days", () => {
    const nodes = [
      node("20.1.1.1", { last: NOW - MetNodes.LIFETIME_MS }),
      node("20.2.1.1", { last: NOW - 29 * DAY_MS })
    ]
    assert.deepStrictEqual(MetNodes.select(nodes, NOW, NOW, chance()), nodes.slice(1))
  })

  it("keeps a limited number, and few of one network", () => {
    assert.strictEqual(MetNodes.select(many(500, 30), NOW, NOW, chance()).length, MetNodes.NODES_MAX)
    const oneNetwork = Array.from({ length: 50 }, (_, i) => node(`30.1.${i}.1`))
    assert.strictEqual(MetNodes.select(oneNetwork, NOW, NOW, chance()).length, MetNodes.PER_NETWORK_MAX)
  })

  it("puts those first whose ids fit their addresses, then those that have been around for longest", () => {
    const fresh = node("20.1.1.1", { first: NOW })
    const old = node("20.2.1.1", { first: NOW - 20 * DAY_MS })
    const fitting = secure("20.3.1.1", { first: NOW })
    assert.deepStrictEqual(MetNodes.select([fresh, old, fitting], NOW, 0, chance()), [fitting, old, fresh])
  })

  it("leaves a share of the places to nodes of earlier times, however good the new ones look", () => {
    const since = NOW - 1000
    const before = many(200, 30, { first: NOW - DAY_MS })
    const siege = Array.from({ length: 500 }, (_, i) =>
      secure(`${50 + (i >> 8)}.${i & 0xff}.1.1`, { first: NOW - 500 })
    )
    const kept = MetNodes.select([...before, ...siege], NOW, since, chance())
    assert.strictEqual(kept.length, MetNodes.NODES_MAX)
    assert.isAtLeast(kept.filter((each) => before.includes(each)).length, MetNodes.LOTS)
  })

  it("asks the best and some by lot in turn, each once", () => {
    const nodes = many(40, 30)
    const ordered = MetNodes.order(nodes, chance())
    assert.sameMembers([...ordered], nodes)
    assert.notDeepEqual(ordered.slice(0, 10), nodes.slice(0, 10))
  })

  it("remembers nodes of the Internet and of the own private network only", () => {
    assert.isTrue(MetNodes.isOfNetwork("20.1.1.1:6881", "0.0.0.0"))
    assert.isTrue(MetNodes.isOfNetwork("127.0.0.1:6881", "127.0.0.1"))
    for (const address of ["127.0.0.1:6881", "192.168.1.1:6881", "240.0.0.1:6881"]) {
      assert.isFalse(MetNodes.isOfNetwork(address, "0.0.0.0"), address)
    }
  })
})
