import { assert, describe, it } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import { ROTATE_MS, TOKEN_BYTES, WriteTokens } from "../../../../src/runtime/dht/items/WriteTokens.ts"
import { TestTime } from "./Items.ts"

const made = () => {
  const time = new TestTime()
  return { time, tokens: new WriteTokens({ now: time.now, randomBytes }) }
}

describe("WriteTokens", () => {
  it("honours a token for the address that it was made for, and for no other", () => {
    const { tokens } = made()
    const token = tokens.of("192.0.2.1")
    assert.strictEqual(token.length, TOKEN_BYTES)
    assert.isTrue(tokens.honours(token, "192.0.2.1"))
    assert.isFalse(tokens.honours(token, "192.0.2.2"))
    assert.deepStrictEqual(tokens.of("192.0.2.1"), token)
  })

  it("honours a token for at least five minutes and less than ten", () => {
    for (const age of [0, 1, ROTATE_MS / 2, ROTATE_MS - 1]) {
      const { time, tokens } = made()
      time.pass(age)
      const token = tokens.of("192.0.2.1")
      time.pass(ROTATE_MS)
      assert.isTrue(tokens.honours(token, "192.0.2.1"))
      time.pass(2 * ROTATE_MS - ROTATE_MS - age - 1)
      assert.isTrue(tokens.honours(token, "192.0.2.1"), `made ${age} ms after a change`)
      time.pass(1)
      assert.isFalse(tokens.honours(token, "192.0.2.1"))
    }
  })

  it("honours nothing of before a long silence, or before its clock was set back", () => {
    for (const ms of [2 * ROTATE_MS, 100 * ROTATE_MS + 7, -10 * ROTATE_MS]) {
      const { time, tokens } = made()
      const token = tokens.of("192.0.2.1")
      time.pass(ms)
      assert.isFalse(tokens.honours(token, "192.0.2.1"))
      assert.isTrue(tokens.honours(tokens.of("192.0.2.1"), "192.0.2.1"))
    }
  })

  it("honours no token of another length, or with one bit changed", () => {
    const { tokens } = made()
    const token = tokens.of("192.0.2.1")
    for (const length of [0, 1, 4, 7, 9, 20, 64]) assert.isFalse(tokens.honours(new Uint8Array(length), "192.0.2.1"))
    for (let bit = 0; bit < 8 * TOKEN_BYTES; bit++) {
      const changed = Uint8Array.from(token)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      assert.isFalse(tokens.honours(changed, "192.0.2.1"))
    }
  })

  it("is of no use to another node", () => {
    const [one, other] = [made().tokens, made().tokens]
    assert.isFalse(other.honours(one.of("192.0.2.1"), "192.0.2.1"))
  })
})
