import { assert, describe, it } from "@effect/vitest"
import { IncomingPlaces, type Place } from "../../../src/runtime/swarm/IncomingPlaces.ts"

const crowd = (most: number) => {
  const state = { now: 0 }
  const places = new IncomingPlaces({ most, evictableMs: 10_000, now: () => state.now })
  const closed: Array<string> = []
  const enter = (host: string, name: string, lastActiveAt = 0) => {
    const place: Place = { host, lastActiveAt: () => lastActiveAt, close: () => void closed.push(name) }
    return places.enter(place) ? place : undefined
  }
  return { state, places, closed, enter }
}

describe("IncomingPlaces", () => {
  it("gives one address every place while nobody else wants one", () => {
    const { enter, places } = crowd(3)
    for (let i = 0; i < 3; i++) assert.isDefined(enter("192.0.2.1", `${i}`))
    assert.strictEqual(places.heldBy("192.0.2.1"), 3)
  })

  it("takes places from the address that holds the most, the longest silent first, until shares are even", () => {
    const { closed, enter, places } = crowd(4)
    for (const [i, lastActiveAt] of [30, 10, 20, 40].entries()) enter("192.0.2.1", `${i}`, lastActiveAt)
    assert.isDefined(enter("192.0.2.2", "a", 50))
    assert.isDefined(enter("192.0.2.2", "b", 50))
    assert.deepStrictEqual(closed, ["1", "2"])
    assert.isUndefined(enter("192.0.2.2", "c", 50))
    assert.isDefined(enter("192.0.2.3", "d", 50))
    assert.strictEqual(places.size, 4)
  })

  it("refuses one more of the address that holds the most", () => {
    const { closed, enter } = crowd(2)
    enter("192.0.2.1", "0")
    enter("192.0.2.1", "1")
    assert.isUndefined(enter("192.0.2.1", "2"))
    assert.deepStrictEqual(closed, [])
  })

  it("among equals gives away the place of whoever was silent for long", () => {
    const { closed, enter, state } = crowd(2)
    enter("192.0.2.1", "a", 100)
    enter("192.0.2.2", "b", 0)
    state.now = 9_999
    assert.isUndefined(enter("192.0.2.3", "c", state.now))
    state.now = 10_000
    assert.isDefined(enter("192.0.2.3", "c", state.now))
    assert.deepStrictEqual(closed, ["b"])
  })

  it("tells beforehand who would be let in, at nobody's cost", () => {
    const { closed, enter, places, state } = crowd(3)
    assert.isTrue(places.mayEnter("192.0.2.1"))
    for (const name of ["a", "b", "c"]) enter(name === "c" ? "192.0.2.2" : "192.0.2.1", name)
    assert.isFalse(places.mayEnter("192.0.2.1"))
    assert.isFalse(places.mayEnter("192.0.2.2"))
    assert.isTrue(places.mayEnter("192.0.2.3"))
    state.now = 10_000
    assert.isTrue(places.mayEnter("192.0.2.1"))
    assert.deepStrictEqual(closed, [])
  })

  it("forgets who has left, once", () => {
    const { enter, places } = crowd(2)
    const place = enter("192.0.2.1", "a")
    assert.isDefined(place)
    if (place === undefined) return
    places.leave(place)
    places.leave(place)
    assert.strictEqual(places.size, 0)
    assert.strictEqual(places.heldBy("192.0.2.1"), 0)
  })
})
