import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { ExternalAddress, VOTERS_MIN } from "../src/runtime/dht/entry/ExternalAddress.ts"
import { runs } from "./Runs.ts"

const HOME = "85.10.20.30"

/** A node of the `i`-th network. */
const voter = (i: number): string => `20.${i}.1.1:6881`

const liar = fc.record({ host: fc.ipV4(), port: fc.integer({ min: -1, max: 70_000 }) })

describe("ExternalAddress", () => {
  it("safety: a minority of liars never moves it, whatever they say and in whatever order", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: VOTERS_MIN, max: 40 }),
        fc.array(liar, { maxLength: 39 }),
        fc.infiniteStream(fc.nat()),
        (honest, lies, order) => {
          const address = new ExternalAddress(() => 0)
          for (let i = 0; i < honest; i++) address.vote(voter(i), HOME, 6881)
          assert.strictEqual(address.get()?.host, HOME)
          const told = lies.slice(0, honest - 1)
          const turns = told.map((lie, i) => ({ lie, i, at: order.next().value ?? 0 })).toSorted((a, b) => a.at - b.at)
          for (const { i, lie } of turns) {
            address.vote(voter(100 + i), lie.host, lie.port)
            assert.strictEqual(address.get()?.host, HOME)
          }
        }
      ),
      runs
    )
  })

  it("order: the verdict on votes of different networks does not depend on how they come", () => {
    const votes = fc.uniqueArray(
      fc.record({ by: fc.nat({ max: 99 }), host: fc.constantFrom(HOME, "66.66.66.66", "77.77.77.77") }),
      { selector: ({ by }) => by, maxLength: 30 }
    )
    fc.assert(
      fc.property(votes, (cast) => {
        const hostOf = (list: typeof cast) => {
          const address = new ExternalAddress(() => 0)
          for (const { by, host } of list) address.vote(voter(by), host, 6881)
          return address.get()?.host
        }
        assert.strictEqual(hostOf(cast), hostOf(cast.toReversed()))
      }),
      runs
    )
  })
})
