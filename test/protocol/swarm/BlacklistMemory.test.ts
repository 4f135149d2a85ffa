import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Blacklist, BLACKLIST_MAX, type Entry } from "../../../src/protocol/swarm/Blacklist.ts"
import * as BlacklistSuite from "./BlacklistSuite.ts"

BlacklistSuite.suite("memory", Blacklist.layerMemory)

describe("Blacklist", () => {
  it.effect("drops the oldest entries when it is full", () =>
    Effect.gen(function* () {
      const blacklist = yield* Blacklist
      const { publisher } = yield* BlacklistSuite.entryOf("any", 0)
      const entries = Array.from({ length: BLACKLIST_MAX + 3 }, (_, i): Entry => ({
        infohash: BlacklistSuite.infohashOf(`${i}`),
        publisher,
        reason: `${i}`,
        until: 5_000
      }))
      for (const entry of entries) yield* blacklist.add(entry)
      assert.deepStrictEqual(
        (yield* blacklist.all).map(({ reason }) => reason),
        entries.slice(3).map(({ reason }) => reason)
      )
    }).pipe(Effect.provide(Blacklist.layerMemory))
  )
})
