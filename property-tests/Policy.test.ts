import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { PublicKey } from "../src/protocol/core/PublicKey.ts"
import * as Policy from "../src/protocol/registry/Policy.ts"
import * as Requirement from "../src/protocol/registry/Requirement.ts"
import { version } from "../test/protocol/registry/Fixtures.ts"
import { runs } from "./Runs.ts"

const NOW = 1_000

const key = (fill: number) => new Uint8Array(32).fill(fill) as PublicKey

/** Few values of each kind, so that ties are common. */
const candidate: fc.Arbitrary<Policy.Candidate> = fc.record({
  claim: fc.record({
    k: fc.integer({ min: 3, max: 12 }).map(key),
    lv: fc.constantFrom("1.0.0", "1.0.0+b", "1.10.0", "1.9.0", "2.0.0-rc.1", "2.0.0").map(version),
    fs: fc.constantFrom(-1, 0, 1, 9e15),
    t: fc.constantFrom(0, 1)
  }),
  observedAt: fc.option(fc.constantFrom(0, 1, NOW - 1, NOW), { nil: undefined }),
  isTrusted: fc.boolean(),
  seeders: fc.option(fc.nat({ max: 2 }), { nil: undefined })
})

/** One for each publisher, as claim sets have it. */
const field = fc.uniqueArray(candidate, { maxLength: 8, selector: ({ claim }) => claim.k[0] })

const simple = fc.constantFrom(Policy.firstSeen, Policy.latestVersion, Policy.seederCount)
const requirement = fc.oneof(
  fc.constant(Requirement.trusted),
  fc.nat({ max: 2 }).map(Requirement.seeders),
  fc.constantFrom(0, 1, NOW).map((ms) => Requirement.observedFor(ms)),
  fc.uniqueArray(fc.integer({ min: 3, max: 12 }), { maxLength: 5 }).map((keys) => Requirement.notAmong(keys.map(key)))
)
const { policy } = fc.letrec<{ policy: Policy.Policy }>((tie) => ({
  policy: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(...Policy.byName.values()),
    fc.tuple(tie("policy"), tie("policy")).map(([first, second]) => Policy.orElse(first, second)),
    fc.tuple(tie("policy"), requirement).map(([inner, condition]) => Policy.require(inner, condition))
  )
}))

const ids = (candidates: ReadonlyArray<Policy.Candidate>) => candidates.map(({ claim }) => claim.k[0]!)
const ranked = (each: Policy.Policy, candidates: ReadonlyArray<Policy.Candidate>) =>
  ids(each.judge(candidates, NOW).ranked)
const refused = (each: Policy.Policy, candidates: ReadonlyArray<Policy.Candidate>) =>
  each.judge(candidates, NOW).refused.map(({ candidate, reason }) => `${candidate.claim.k[0]} ${reason}`)

const sameJudgement = (self: Policy.Policy, that: Policy.Policy, candidates: ReadonlyArray<Policy.Candidate>) => {
  assert.deepStrictEqual(ranked(self, candidates), ranked(that, candidates))
  assert.deepStrictEqual(refused(self, candidates), refused(that, candidates))
}

const check = <Ts extends [unknown, ...Array<unknown>]>(
  ...args: [...{ [I in keyof Ts]: fc.Arbitrary<Ts[I]> }, (...values: Ts) => void]
) => fc.assert(fc.property<Ts>(...args), runs)

describe("policies", () => {
  it("are total: every candidate is ranked or refused, once, and every loser has a reason", () => {
    check(policy, field, (each, candidates) => {
      const judgement = each.judge(candidates, NOW)
      const all = [...judgement.ranked, ...judgement.refused.map(({ candidate }) => candidate)]
      assert.sameMembers(ids(all), ids(candidates))
      const [winner, ...losers] = judgement.ranked
      for (const loser of losers) assert.isNotEmpty(judgement.lost(loser, winner!))
    })
  })

  it("are functions of the set of candidates: their order does not matter", () => {
    const shuffled = field.chain((candidates) =>
      fc.tuple(fc.constant(candidates), fc.shuffledSubarray(candidates, { minLength: candidates.length }))
    )
    check(policy, shuffled, (each, [candidates, others]) => {
      assert.deepStrictEqual(ranked(each, candidates), ranked(each, others))
      assert.deepStrictEqual(refused(each, candidates), refused(each, others))
    })
  })

  it("rank two candidates alike whoever else is there, where they only rank", () => {
    check(simple, field, candidate, (each, candidates, newcomer) => {
      const others = candidates.filter(({ claim }) => claim.k[0] !== newcomer.claim.k[0])
      const withIt = ranked(each, [...others, newcomer]).filter((id) => id !== newcomer.claim.k[0])
      assert.deepStrictEqual(withIt, ranked(each, others))
    })
  })

  it("firstSeen puts whoever this host observed before whoever it did not, whatever dates they claim", () => {
    check(field, (candidates) => {
      const known = Policy.firstSeen.judge(candidates, NOW).ranked.map(({ observedAt }) => observedAt ?? Infinity)
      assert.deepStrictEqual(
        known,
        known.toSorted((a, b) => a - b)
      )
    })
  })

  it("firstSeen moves nobody for a claim that changes a date, where both were observed at different times", () => {
    check(field, fc.constantFrom(-1, 0, 9e15), (candidates, fs) => {
      const seen = candidates.map((each, i) => ({ ...each, observedAt: i }))
      const [first, ...others] = seen
      if (first === undefined) return
      const redated = (each: Policy.Candidate): Policy.Candidate => ({ ...each, claim: { ...each.claim, fs } })
      const dated = others.map(redated)
      assert.deepStrictEqual(ranked(Policy.firstSeen, [first, ...dated]), ids(seen))
    })
  })

  it("userTrust never yields a key that is not trusted, nor does anything that requires trust", () => {
    check(policy, field, (each, candidates) => {
      for (const closed of [Policy.userTrust, Policy.require(each, Requirement.trusted)]) {
        assert.isTrue(closed.judge(candidates, NOW).ranked.every(({ isTrusted }) => isTrusted))
      }
    })
  })

  it("seederCount never puts fewer seeders before more", () => {
    check(field, (candidates) => {
      const counts = Policy.seederCount.judge(candidates, NOW).ranked.map(({ seeders }) => seeders ?? 0)
      assert.deepStrictEqual(
        counts,
        counts.toSorted((a, b) => b - a)
      )
    })
  })
})

describe("combinators of policies", () => {
  it("orElse is its first part where that leaves somebody, else its second", () => {
    check(policy, policy, field, (first, second, candidates) => {
      const decides = ranked(first, candidates).length > 0 ? first : second
      sameJudgement(Policy.orElse(first, second), decides, candidates)
    })
  })

  it("orElse is associative and idempotent", () => {
    check(policy, policy, policy, field, (a, b, c, candidates) => {
      const left = Policy.orElse(Policy.orElse(a, b), c)
      const right = Policy.orElse(a, Policy.orElse(b, c))
      sameJudgement(left, right, candidates)
      assert.strictEqual(left.name, right.name)
      assert.deepStrictEqual(ranked(Policy.orElse(a, a), candidates), ranked(a, candidates))
    })
  })

  it("require yields only who meets it, and leaves the order of those alone where the policy only ranks", () => {
    check(simple, requirement, field, (each, condition, candidates) => {
      const meets = (candidate: Policy.Candidate) => condition.problem(candidate, NOW) === undefined
      const expected = each.judge(candidates, NOW).ranked.filter(meets)
      assert.deepStrictEqual(ranked(Policy.require(each, condition), candidates), ids(expected))
    })
  })

  it("require is idempotent, and two of them can change places", () => {
    check(policy, requirement, requirement, field, (each, one, other, candidates) => {
      const once = Policy.require(each, one)
      sameJudgement(Policy.require(once, one), once, candidates)
      const both = Policy.require(once, other)
      const turned = Policy.require(Policy.require(each, other), one)
      assert.deepStrictEqual(ranked(both, candidates), ranked(turned, candidates))
    })
  })

  it("except leaves out just those named, and two of them are one of both", () => {
    const keys = fc.uniqueArray(fc.integer({ min: 3, max: 12 }), { maxLength: 5 })
    check(simple, keys, keys, field, (each, some, others, candidates) => {
      const without = Policy.except(each, some.map(key))
      const expected = ranked(each, candidates).filter((id) => !some.includes(id))
      assert.deepStrictEqual(ranked(without, candidates), expected)
      const twice = Policy.except(without, others.map(key))
      assert.deepStrictEqual(
        ranked(twice, candidates),
        ranked(Policy.except(each, [...some, ...others].map(key)), candidates)
      )
    })
  })

  it("a composed policy needs what its parts need", () => {
    check(policy, policy, requirement, (a, b, condition) => {
      const { needs } = Policy.require(Policy.orElse(a, b), condition)
      assert.deepStrictEqual(
        [...needs].toSorted(),
        [...new Set([...a.needs, ...b.needs, ...condition.needs])].toSorted()
      )
    })
  })
})
