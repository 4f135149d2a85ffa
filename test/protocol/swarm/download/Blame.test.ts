import { assert, describe, it } from "@effect/vitest"
import { Blame } from "../../../../src/protocol/swarm/download/Blame.ts"

describe("Blame", () => {
  it("finds who sent a wrong piece alone guilty at once", () => {
    const blame = new Blame<string>()
    assert.deepStrictEqual(blame.onFailed(3, ["liar", "liar"], ["a", "wrong"]), ["liar"])
    assert.isFalse(blame.isContested(3))
  })

  it("contests a wrong piece from several, and finds the guilty one when it is true", () => {
    const blame = new Blame<string>()
    assert.deepStrictEqual(blame.onFailed(3, ["honest", "liar"], ["a", "wrong"]), [])
    assert.isTrue(blame.isContested(3))
    assert.deepStrictEqual(blame.onVerified(3, ["a", "b"]), ["liar"])
    assert.isFalse(blame.isContested(3))
  })

  it("accuses nobody where it is not told what the true blocks are", () => {
    const blame = new Blame<string>()
    blame.onFailed(3, ["honest", "liar"], ["a", "wrong"])
    assert.deepStrictEqual(blame.onVerified(3, []), [])
    assert.isFalse(blame.isContested(3))
  })
})
