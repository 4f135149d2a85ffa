/** A bug is put where it belongs, or nowhere. */
import { assert, describe, it } from "@effect/vitest"
import * as MutantSource from "./MutantSource.ts"

const change = { name: "swapped", file: "core/Nothing.ts", find: "a < b", replace: "b < a" }

describe("a change of the source", () => {
  it("is made at the only place that has the text", () => {
    assert.strictEqual(MutantSource.changed(change, "if (a < b) return"), "if (b < a) return")
  })

  it("takes what it puts there literally", () => {
    assert.strictEqual(MutantSource.changed({ ...change, replace: "$& $1" }, "if (a < b)"), "if ($& $1)")
  })

  it("fails, and says where, if the text is not there, or more than once", () => {
    for (const [text, times] of [
      ["if (a <= b)", "not there"],
      ["a < b && a < b", "there 2 times"]
    ] as const) {
      assert.throws(() => MutantSource.changed(change, text), MutantSource.NoSuchPlace, times)
      assert.throws(() => MutantSource.changed(change, text), "src/protocol/core/Nothing.ts")
    }
  })

  it("fails if it changes nothing", () => {
    assert.throws(() => MutantSource.changed({ ...change, replace: "a < b" }, "a < b"), "changes nothing")
  })
})
