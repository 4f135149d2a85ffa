import { assert, describe, it } from "@effect/vitest"
import { FRESH_MS, type Place, Places, PLACES_MAX } from "../../../src/runtime/dht/Places.ts"

const place = (...holders: ReadonlyArray<string>): Place => ({ closest: [], holders: new Set(holders) })

describe("Places", () => {
  it("remembers a place for a minute", () => {
    const places = new Places()
    places.set("a", 1_000, place("x"))
    assert.deepStrictEqual(places.find("a", 1_000 + FRESH_MS - 1), place("x"))
    assert.isUndefined(places.find("a", 1_000 + FRESH_MS))
    assert.isUndefined(places.find("b", 1_000))
  })

  it("does not make a place younger by changing it, since its tokens grow old", () => {
    const places = new Places()
    places.set("a", 0, place("x"))
    places.amend("a", () => place("x", "y"))
    places.amend("b", () => place("z"))
    assert.deepStrictEqual(places.find("a", FRESH_MS - 1), place("x", "y"))
    assert.isUndefined(places.find("a", FRESH_MS))
    assert.isUndefined(places.find("b", 0))
  })

  it("forgets a place when told to, and the oldest one when there are too many", () => {
    const places = new Places()
    for (let i = 0; i <= PLACES_MAX; i++) places.set(`${i}`, 0, place())
    assert.isUndefined(places.find("0", 0))
    assert.isDefined(places.find("1", 0))
    places.forget("1")
    assert.isUndefined(places.find("1", 0))
  })
})
