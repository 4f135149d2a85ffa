import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { PublicKey } from "../src/protocol/core/PublicKey.ts"
import * as KeyPair from "../src/protocol/core/KeyPair.ts"
import * as Version from "../src/protocol/core/Version.ts"
import * as NameClaim from "../src/protocol/registry/NameClaim.ts"
import * as Policy from "../src/protocol/registry/Policy.ts"
import { layer as ed25519 } from "../src/runtime/crypto/NodeEd25519.ts"
import { name } from "../test/protocol/registry/Fixtures.ts"

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

/** Few publishers and times, so that claims collide often. */
const claim: fc.Arbitrary<NameClaim.NameClaim> = fc.record({
  k: fc.constantFrom(1, 2, 3, 4).map((fill) => new Uint8Array(32).fill(fill + 4) as PublicKey),
  lv: fc.constantFrom("1.0.0", "1.0.1", "2.0.0-rc.1", "2.0.0").map((text) => Version.Version.make(text)),
  fs: fc.integer({ min: 0, max: 3 }),
  t: fc.integer({ min: 3, max: 6 }),
  s: fc.constantFrom(0, 1, 255).map((fill) => new Uint8Array(64).fill(fill))
})
const claims = fc.array(claim, { maxLength: 12 })
const claimSet = claims.map(NameClaim.fromClaims)

const same = (self: NameClaim.ClaimSet, that: NameClaim.ClaimSet) => assert.isTrue(NameClaim.equals(self, that))

describe("claim sets", () => {
  it("merge is commutative", () => {
    fc.assert(fc.property(claimSet, claimSet, (a, b) => same(NameClaim.merge(a, b), NameClaim.merge(b, a))))
  })

  it("merge is associative", () => {
    fc.assert(
      fc.property(claimSet, claimSet, claimSet, (a, b, c) =>
        same(NameClaim.merge(NameClaim.merge(a, b), c), NameClaim.merge(a, NameClaim.merge(b, c)))
      )
    )
  })

  it("merge is idempotent, with the empty set as unit", () => {
    fc.assert(
      fc.property(claimSet, (a) => {
        same(NameClaim.merge(a, a), a)
        same(NameClaim.merge(a, NameClaim.empty), a)
      })
    )
  })

  it("merge is monotone: no publisher is lost and no timestamp goes back", () => {
    fc.assert(
      fc.property(claimSet, claimSet, (a, b) => {
        const merged = NameClaim.merge(a, b)
        for (const [key, { t }] of [...a, ...b]) assert.isAtLeast(merged.get(key)!.t, t)
      })
    )
  })

  it("a set does not depend on the order or number of its claims", () => {
    fc.assert(
      fc.property(
        claims.chain((each) =>
          fc.tuple(fc.constant(each), fc.shuffledSubarray([...each, ...each], { minLength: 2 * each.length }))
        ),
        ([each, shuffled]) => same(NameClaim.fromClaims(each), NameClaim.fromClaims(shuffled))
      )
    )
  })

  it("a claim with any field changed does not verify", () => {
    const run = <A>(effect: Effect.Effect<A, never, import("../src/protocol/core/Ed25519.ts").Ed25519>) =>
      Effect.runSync(Effect.provide(effect, ed25519))
    const pair = run(KeyPair.fromSeed(new Uint8Array(32).fill(3)))
    const other = run(KeyPair.fromSeed(new Uint8Array(32).fill(4)))
    const genuine = NameClaim.sign(pair, name("a"), {
      latestVersion: Version.Version.make("1.0.0"),
      firstSeen: 1000,
      timestamp: 2000
    })
    const survivors = (packageName: string, changed: NameClaim.NameClaim) =>
      run(NameClaim.verifyAll(name(packageName), [changed])).size
    assert.strictEqual(survivors("a", genuine), 1)
    assert.strictEqual(survivors("b", genuine), 0)
    assert.strictEqual(survivors("a", { ...genuine, k: other.publicKey }), 0)
    fc.assert(
      fc.property(
        fc
          .record(
            {
              fs: fc.integer({ min: 0, max: 2000 }).filter((fs) => fs !== 1000),
              t: fc.integer({ min: 1000, max: 10_000 }).filter((t) => t !== 2000),
              lv: fc.constantFrom("1.0.1", "2.0.0").map((text) => Version.Version.make(text)),
              s: bytes(64)
            },
            { requiredKeys: [] }
          )
          .filter((change) => Object.keys(change).length > 0),
        (change) => assert.strictEqual(survivors("a", { ...genuine, ...change }), 0)
      )
    )
  })
})

describe("policies", () => {
  const candidate: fc.Arbitrary<Policy.Candidate> = fc.record({
    claim,
    observedAt: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined })
  })
  const candidates = fc
    .uniqueArray(candidate, { selector: ({ claim }) => claim.k[0], maxLength: 4 })
    .chain((each) => fc.tuple(fc.constant(each), fc.shuffledSubarray(each, { minLength: each.length })))

  for (const policy of Policy.byName.values()) {
    it(`${policy.name} is total and does not depend on the order of the candidates`, () => {
      fc.assert(
        fc.property(candidates, ([each, shuffled]) => {
          assert.strictEqual(policy.rank(each).length, each.length)
          assert.deepStrictEqual(policy.rank(shuffled), policy.rank(each))
        })
      )
    })
  }

  it("firstSeen never prefers a publisher that was not observed to one that was", () => {
    fc.assert(
      fc.property(candidates, ([each]) => {
        const ranked = Policy.firstSeen.rank(each).map(({ observedAt }) => observedAt !== undefined)
        assert.deepStrictEqual(
          ranked,
          ranked.toSorted((a, b) => Number(b) - Number(a))
        )
      })
    )
  })
})
