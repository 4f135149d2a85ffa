import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import { keyPair, name, text, version } from "./Fixtures.ts"

const fields = { latestVersion: version("1.2.3"), firstSeen: 1000, timestamp: 2000 }

/** How many signatures `work` has checked. */
const checksOf = <A, E>(work: Effect.Effect<A, E, Ed25519>) =>
  Effect.gen(function* () {
    const backend = yield* Ed25519
    let checks = 0
    const verify: typeof backend.verify = (...parts) => {
      checks += 1
      return backend.verify(...parts)
    }
    const value = yield* Effect.provideService(work, Ed25519, { ...backend, verify })
    return { value, checks }
  })

describe("NameClaim", () => {
  it.effect("is spelled as canonical bencode, and read back", () =>
    Effect.gen(function* () {
      const claim = NameClaim.sign(yield* keyPair("alice"), name("a"), fields)
      const bytes = NameClaim.encode(claim)
      const parts = [text("d2:fsi1000e1:k32:"), claim.k, text("2:lv5:1.2.31:s64:"), claim.s, text("1:ti2000ee")]
      assert.deepStrictEqual(bytes, Bytes.concat(parts))
      assert.deepStrictEqual(Result.getOrThrow(NameClaim.decode(bytes)), claim)
    }).pipe(Effect.provide(ed25519))
  )

  it.effect("says what is wrong with one", () =>
    Effect.gen(function* () {
      const claim = NameClaim.sign(yield* keyPair("alice"), name("a"), fields)
      const weak = NameClaim.encode(claim)
      weak.fill(0, 17, 49)
      assert.strictEqual(
        Result.getOrThrow(Result.flip(NameClaim.decode(weak))),
        "the field k is not a public key that is neither weak nor malformed"
      )
      assert.throws(() => NameClaim.encode({ ...claim, t: -1 }), RangeError, "the field t is not an integer")
    }).pipe(Effect.provide(ed25519))
  )

  it.effect("is not checked again where the same one was verified before", () =>
    Effect.gen(function* () {
      const [alice, bob] = [yield* keyPair("alice"), yield* keyPair("bob")]
      const claims = [alice, bob].map((pair) => NameClaim.sign(pair, name("a"), fields))
      const first = yield* checksOf(NameClaim.verifyAll(name("a"), claims))
      assert.strictEqual(first.checks, 2)
      const later = NameClaim.sign(alice, name("a"), { ...fields, timestamp: 2001 })
      const forged = { ...claims[1]!, fs: 0 }
      const again = yield* checksOf(NameClaim.verifyAll(name("a"), [...claims, later, forged], first.value))
      assert.strictEqual(again.checks, 2)
      assert.deepStrictEqual(again.value, NameClaim.fromClaims([claims[1]!, later]))
    }).pipe(Effect.provide(ed25519))
  )

  it.effect("stands under the hex digits of its publisher, and sets are written in the order of keys", () =>
    Effect.gen(function* () {
      const claims = yield* Effect.forEach(["a", "b", "c", "d", "e"], (label) =>
        Effect.map(keyPair(label), (pair) => NameClaim.sign(pair, name("a"), fields))
      )
      const set = NameClaim.fromClaims(claims)
      assert.sameMembers(
        [...set.keys()],
        claims.map(({ k }) => PublicKey.toHex(k))
      )
      assert.deepStrictEqual(
        NameClaim.toSorted(set),
        claims.toSorted((self, that) => PublicKey.compare(self.k, that.k))
      )
    }).pipe(Effect.provide(ed25519))
  )
})
