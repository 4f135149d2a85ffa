import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HostLookup from "../../../../src/runtime/dht/entry/HostLookup.ts"

describe("HostLookup", () => {
  it.live("asks nobody for what is an address already, and this computer for its own names", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* HostLookup.system.addresses("20.1.1.1"), ["20.1.1.1"])
      assert.include(yield* HostLookup.system.addresses("localhost"), "127.0.0.1")
    })
  )
})
