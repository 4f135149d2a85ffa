import { randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { KrpcTransactions, TRANSACTION_LIFETIME_MS } from "../../../src/runtime/dht/KrpcTransactions.ts"

/** As k-rpc-socket writes one. */
const QUERY = Buffer.from("d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", "latin1")
const PEER = "127.0.0.1:6881"

describe("KrpcTransactions", () => {
  it("await the answer to a query of the library for some seconds, and no longer where the clock is set back", () => {
    for (const [ms, isAwaited] of [
      [0, true],
      [TRANSACTION_LIFETIME_MS - 1, true],
      [TRANSACTION_LIFETIME_MS, false],
      [-1, false]
    ] as const) {
      let now = 1_000_000
      const transactions = new KrpcTransactions({ now: () => now, randomBytes, readOnly: false })
      const opened = transactions.open(QUERY, PEER)
      assert.isDefined(opened)
      now += ms
      assert.strictEqual(transactions.expects(opened, PEER), isAwaited, `after ${ms} ms`)
      assert.strictEqual(transactions.size, isAwaited ? 1 : 0)
    }
  })
})
