import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { Ed25519 } from "../src/protocol/core/Ed25519.ts"
import * as KeyPair from "../src/protocol/core/KeyPair.ts"
import type { PackageName } from "../src/protocol/core/PackageName.ts"
import type { PublicKey } from "../src/protocol/core/PublicKey.ts"
import * as NameClaim from "../src/protocol/registry/NameClaim.ts"
import { layer as ed25519 } from "../src/runtime/crypto/NodeEd25519.ts"
import { name, version } from "../test/protocol/registry/Fixtures.ts"
import { runs, runsUpTo } from "./Runs.ts"

/** Few publishers and times, so that claims collide often. */
const claim: fc.Arbitrary<NameClaim.NameClaim> = fc.record({
  k: fc.constantFrom(1, 2, 3, 4).map((fill) => new Uint8Array(32).fill(fill + 4) as PublicKey),
  lv: fc.constantFrom("1.0.0", "2.0.0").map(version),
  fs: fc.integer({ min: 0, max: 1 }),
  t: fc.integer({ min: 3, max: 6 }),
  s: fc.constantFrom(0, 1, 255).map((fill) => new Uint8Array(64).fill(fill))
})
const claims = fc.array(claim, { maxLength: 12 })
const claimSet = claims.map(NameClaim.fromClaims)

const same = (self: NameClaim.ClaimSet, that: NameClaim.ClaimSet) => {
  assert.isTrue(NameClaim.equals(self, that))
  assert.deepStrictEqual(NameClaim.toSorted(self), NameClaim.toSorted(that))
}

describe("claim sets", () => {
  it("merge is commutative", () => {
    fc.assert(
      fc.property(claimSet, claimSet, (a, b) => same(NameClaim.merge(a, b), NameClaim.merge(b, a))),
      runs
    )
  })

  it("merge is associative", () => {
    fc.assert(
      fc.property(claimSet, claimSet, claimSet, (a, b, c) =>
        same(NameClaim.merge(NameClaim.merge(a, b), c), NameClaim.merge(a, NameClaim.merge(b, c)))
      ),
      runs
    )
  })

  it("merge is idempotent, with the empty set as unit", () => {
    fc.assert(
      fc.property(claimSet, claims, (a, shuffled) => {
        const again = NameClaim.merge(a, NameClaim.fromClaims(shuffled))
        same(NameClaim.merge(a, a), a)
        same(NameClaim.merge(again, a), again)
        same(NameClaim.merge(a, NameClaim.empty), a)
        same(NameClaim.merge(NameClaim.empty, a), a)
      }),
      runs
    )
  })

  it("merge is monotone: it loses no publisher and no newer claim, and makes none up", () => {
    fc.assert(
      fc.property(claimSet, claimSet, (a, b) => {
        const merged = NameClaim.merge(a, b)
        for (const [key, each] of [...a, ...b]) assert.isAtLeast(NameClaim.compare(merged.get(key)!, each), 0)
        for (const [key, each] of merged) assert.isTrue(a.get(key) === each || b.get(key) === each)
      }),
      runs
    )
  })

  it("merge changes neither of the two sets", () => {
    fc.assert(
      fc.property(claimSet, claimSet, (a, b) => {
        const before = [[...a], [...b]]
        NameClaim.merge(a, b)
        assert.deepStrictEqual([[...a], [...b]], before)
      }),
      runs
    )
  })

  it("a set does not depend on the order or number of its claims, and is the merge of its parts", () => {
    fc.assert(
      fc.property(
        claims.chain((each) =>
          fc.tuple(fc.constant(each), fc.shuffledSubarray([...each, ...each], { minLength: 2 * each.length }))
        ),
        ([each, shuffled]) => {
          same(NameClaim.fromClaims(each), NameClaim.fromClaims(shuffled))
          const singles = each.map((one) => NameClaim.fromClaims([one]))
          same(NameClaim.fromClaims(each), singles.reduce(NameClaim.merge, NameClaim.empty))
        }
      ),
      runs
    )
  })

  it("compare is a total order: antisymmetric, transitive, 0 for the same claim only", () => {
    const ofOne = claim.filter(({ k }) => k[0] === 5)
    fc.assert(
      fc.property(ofOne, ofOne, ofOne, (a, b, c) => {
        assert.strictEqual(Math.sign(NameClaim.compare(a, b)), -Math.sign(NameClaim.compare(b, a)) + 0)
        if (NameClaim.compare(a, b) <= 0 && NameClaim.compare(b, c) <= 0) assert.isAtMost(NameClaim.compare(a, c), 0)
        if (NameClaim.compare(a, b) === 0) assert.deepStrictEqual(a, b)
      }),
      runs
    )
  })
})

describe("signed claims", () => {
  const backend = Effect.runSync(Effect.provide(Effect.service(Ed25519), ed25519))
  const run = <A>(effect: Effect.Effect<A, never, Ed25519>) =>
    Effect.runSync(Effect.provideService(effect, Ed25519, backend))
  const names = [name("a"), name("b")]
  const [first, second] = [3, 4].map((fill) => run(KeyPair.fromSeed(new Uint8Array(32).fill(fill))))

  interface Signed {
    readonly packageName: PackageName
    readonly claim: NameClaim.NameClaim
  }

  /** By two keys for two names; some differ in one field only. */
  const genuine: ReadonlyArray<Signed> = [first!, second!].flatMap((pair) =>
    names.flatMap((packageName) =>
      [2000, 2001].flatMap((timestamp) =>
        ["1.0.0", "1.0.1"].map((latest) => ({
          packageName,
          claim: NameClaim.sign(pair, packageName, { latestVersion: version(latest), firstSeen: 1000, timestamp })
        }))
      )
    )
  )
  const one = fc.constantFrom(...genuine)
  const fields = fc.subarray(["fs", "k", "lv", "s", "t"])

  /** A genuine claim with some of its fields taken from another, and perhaps another first-seen date. */
  const relabelled = fc
    .tuple(one, one, fields, fc.constantFrom(1000, 1000, 1000, 0, 1999, 2001))
    .map(([base, other, taken, fs]): NameClaim.NameClaim => {
      const replayed = Object.entries(other.claim).filter(([field]) => taken.includes(field))
      return Object.assign({}, base.claim, { fs }, Object.fromEntries(replayed))
    })

  const verified = (packageName: PackageName, each: Iterable<NameClaim.NameClaim>, known?: NameClaim.VerifiedClaims) =>
    run(NameClaim.verifyAll(packageName, each, known))

  it("no forged, replayed or relabelled claim holds: a mix of the fields of genuine ones is one of them or is dropped", () => {
    fc.assert(
      fc.property(relabelled, fc.constantFrom(...names), (each, packageName) => {
        const isGenuine = genuine.some(
          (signed) => signed.packageName === packageName && NameClaim.compare(signed.claim, each) === 0
        )
        assert.strictEqual(verified(packageName, [each]).size, isGenuine ? 1 : 0)
      }),
      runs
    )
  })

  it("what is known to be verified saves checks and changes no verdict", () => {
    const ofName = genuine.filter(({ packageName }) => packageName === names[0]).map((each) => each.claim)
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(...ofName), relabelled), { maxLength: 4 }),
        fc.subarray(ofName, { maxLength: 3 }),
        (each, before) => {
          const known = verified(names[0]!, before)
          same(verified(names[0]!, each, known), verified(names[0]!, each))
        }
      ),
      runsUpTo(250)
    )
  })
})
