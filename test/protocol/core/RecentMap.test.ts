import { assert, describe, it } from "@effect/vitest"
import { RecentMap } from "../../../src/protocol/core/RecentMap.ts"

describe("RecentMap", () => {
  it("keeps as many entries as it may, and forgets the oldest first", () => {
    const map = new RecentMap<string, number>(2)
    map.set("a", 1)
    map.set("b", 2)
    map.set("c", 3)
    assert.deepStrictEqual([map.get("a"), map.get("b"), map.get("c"), map.size], [undefined, 2, 3, 2])
  })

  it("counts an entry that is set again as the latest", () => {
    const map = new RecentMap<string, number>(2)
    map.set("a", 1)
    map.set("b", 2)
    map.set("a", 3)
    map.set("c", 4)
    assert.deepStrictEqual([map.get("a"), map.get("b"), map.get("c")], [3, undefined, 4])
  })

  it("makes a value once", () => {
    const map = new RecentMap<string, number>(2)
    let made = 0
    const make = () => ++made
    assert.deepStrictEqual([map.getOrMake("a", make), map.getOrMake("a", make)], [1, 1])
    map.delete("a")
    assert.strictEqual(map.getOrMake("a", make), 2)
  })
})
