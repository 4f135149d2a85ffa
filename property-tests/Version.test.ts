import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Option from "effect/Option"
import semver from "semver"
import * as Version from "../src/protocol/core/Version.ts"
import { runs } from "./Runs.ts"

const number = fc.oneof(fc.nat({ max: 3 }), fc.constant(10))
const identifier = fc.constantFrom("0", "1", "10", "a", "b", "rc", "-", "99999999999999999999", "99999999999999999998")
const build = fc.constantFrom("1", "01", "001", "a", "a-b")
const suffix = (prefix: string, part: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(part, { maxLength: 2 }).map((parts) => (parts.length === 0 ? "" : prefix + parts.join(".")))

const version = fc
  .tuple(number, number, number, suffix("-", identifier), suffix("+", build))
  .map(([major, minor, patch, pre, meta]) =>
    Option.getOrThrow(Version.parse(`${major}.${minor}.${patch}${pre}${meta}`))
  )

const range = fc
  .constantFrom("*", "^1", "~1.2", ">=1 <3", "1 || 3", ">=1.0.0-0", "^2.0.0-rc", "<1.2.3-b || >2")
  .map((text) => Option.getOrThrow(Version.parseRange(text)))

describe("Version", () => {
  it("compare is a total order: antisymmetric, transitive, and 0 for equal texts only", () => {
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        assert.strictEqual(Version.compare(a, b) + Version.compare(b, a), 0)
        assert.strictEqual(Version.compare(a, b) === 0, a === b)
        if (Version.compare(a, b) <= 0 && Version.compare(b, c) <= 0) assert.isAtMost(Version.compare(a, c), 0)
      }),
      runs
    )
  })

  it("refines precedence: compare never contradicts npm's", () => {
    fc.assert(
      fc.property(version, version, (a, b) => {
        const precedence = semver.compare(a, b)
        assert.isTrue(precedence === 0 || precedence === Version.compare(a, b))
      }),
      runs
    )
  })

  it("satisfies and maxSatisfying are npm's, up to build metadata; the order of the list does not matter", () => {
    fc.assert(
      fc.property(fc.array(version, { maxLength: 8 }), range, (versions, wanted) => {
        for (const v of versions) assert.strictEqual(Version.satisfies(v, wanted), semver.satisfies(v, wanted))
        const best = Version.maxSatisfying(versions, wanted)
        const npms = semver.maxSatisfying(versions, wanted)
        assert.strictEqual(Option.isNone(best), npms === null)
        assert.deepStrictEqual(Version.maxSatisfying(versions.toReversed(), wanted), best)
        if (Option.isSome(best) && npms !== null) assert.strictEqual(semver.compare(best.value, npms), 0)
      }),
      runs
    )
  })

  it("one spelling: what parse accepts, it keeps, and no decoration of it is accepted", () => {
    fc.assert(
      fc.property(version, fc.constantFrom("v", "=", " ", "0", "\n"), (v, decoration) => {
        assert.isTrue(Option.isNone(Version.parse(decoration + v)))
        assert.deepStrictEqual(Version.parse(v), Option.some(v))
      }),
      runs
    )
  })

  it("pick takes what node-semver would for a range, and for latest what it would for * with pre-releases as a last resort", () => {
    const tag = fc.constantFrom<Version.Wanted>("latest", "next", Version.anyVersion)
    fc.assert(
      fc.property(fc.array(version, { maxLength: 8 }), range, tag, (versions, wanted, tagged) => {
        const precedence = (self: Option.Option<Version.Version>, npms: string | null) => {
          assert.strictEqual(Option.isNone(self), npms === null)
          if (Option.isSome(self) && npms !== null) assert.strictEqual(semver.compare(self.value, npms), 0)
        }
        if (wanted !== "*") precedence(Version.pick(versions, wanted), semver.maxSatisfying(versions, wanted))
        const newest = semver.maxSatisfying(versions, "*", { includePrerelease: true })
        const release = semver.maxSatisfying(versions, "*")
        precedence(Version.pick(versions, tagged), tagged === "next" ? newest : (release ?? newest))
        assert.deepStrictEqual(Version.pick(versions.toReversed(), tagged), Version.pick(versions, tagged))
      }),
      runs
    )
  })

  it("a range prefers no pre-release to every release unless it may", () => {
    fc.assert(
      fc.property(fc.array(version, { maxLength: 8 }), range, (versions, wanted) => {
        const best = Option.getOrUndefined(Version.pick(versions, wanted))
        const hasRelease = versions.some((each) => !Version.isPrerelease(each) && Version.satisfies(each, wanted))
        if (best !== undefined && hasRelease && Version.isPrerelease(best)) {
          assert.isTrue(Version.mayPreferPrerelease(wanted))
        }
      }),
      runs
    )
  })

  it("places are the order of compare", () => {
    fc.assert(
      fc.property(fc.array(version, { maxLength: 8 }), (versions) => {
        const places = Version.places(versions)
        for (const a of versions) {
          for (const b of versions) {
            assert.strictEqual(Math.sign(places.get(a)! - places.get(b)!), Version.compare(a, b))
          }
        }
      }),
      runs
    )
  })

  it("exactOf gives back every version that only spells as a range, and nothing that npm takes for more than one", () => {
    fc.assert(
      fc.property(version, range, fc.constantFrom("", "v", "=", " = "), (v, wanted, prefix) => {
        const spelled = Option.getOrThrow(Version.parseRange(prefix + v))
        assert.deepStrictEqual(Version.exactOf(spelled), Option.some(v))
        assert.deepStrictEqual(Version.exactOf(Version.only(v)), Option.some(v))
        assert.deepStrictEqual(Version.exactOf(wanted), Option.none())
      }),
      runs
    )
  })
})
