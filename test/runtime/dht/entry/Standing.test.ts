import { assert, describe, it } from "@effect/vitest"
import * as SecureId from "../../../../src/protocol/dht/client/SecureId.ts"
import { CHANGE_INTERVAL_MS, judge, QUIET_WAIT_MS } from "../../../../src/runtime/dht/entry/Standing.ts"

const external = { host: "85.10.20.30", port: 6881, portIsStable: true, voters: 5 }
const state = {
  id: new Uint8Array(20).fill(0xaa),
  external,
  sinceChangeMs: Infinity,
  waitedMs: 0,
  isIdle: true
}

describe("the id of a node that stays up", () => {
  it("stays while it fits the outer address, and while that is not known", () => {
    assert.strictEqual(judge({ ...state, external: undefined }), "fits")
    assert.strictEqual(judge({ ...state, id: SecureId.make(external.host, state.id) }), "fits")
    assert.strictEqual(judge({ ...state, external: { ...external, host: "192.168.1.1" } }), "fits")
  })

  it("is changed when it does not fit, at most once an hour", () => {
    assert.strictEqual(judge(state), "change")
    assert.strictEqual(judge({ ...state, sinceChangeMs: CHANGE_INTERVAL_MS - 1 }), "wait")
    assert.strictEqual(judge({ ...state, sinceChangeMs: CHANGE_INTERVAL_MS }), "change")
  })

  it("is changed in a quiet moment, where one comes within ten minutes", () => {
    assert.strictEqual(judge({ ...state, isIdle: false }), "wait")
    assert.strictEqual(judge({ ...state, isIdle: false, waitedMs: QUIET_WAIT_MS }), "change")
  })
})
