import { assert, it } from "@effect/vitest"
import * as Option from "effect/Option"
import semver from "semver"
import * as Version from "../../src/protocol/core/Version.ts"
import * as Vectors from "./Vectors.ts"

/** npm's options: a boolean or an object. Ours is what npm does without any. */
type Options = boolean | { readonly [name: string]: unknown } | null | undefined

const isDefault = (options: Options): boolean =>
  typeof options === "object" && options !== null ? !options["loose"] && !options["includePrerelease"] : !options

const npmOptions = (options: Options): semver.RangeOptions =>
  typeof options === "object" && options !== null
    ? { loose: Boolean(options["loose"]), includePrerelease: Boolean(options["includePrerelease"]) }
    : { loose: Boolean(options) }

const casesOf = <A>(path: string, file: string): ReadonlyArray<A> =>
  Vectors.readJson<{ readonly cases: ReadonlyArray<A> }>(path, file).cases

/** Our verdict; `undefined` where the text of the version is not strict semver and we refuse it earlier. */
const ours = (range: string, version: string): boolean | undefined => {
  const parsed = Version.parse(version)
  if (Option.isNone(parsed)) return undefined
  return Option.match(Version.parseRange(range), {
    onNone: () => false,
    onSome: (range) => Version.satisfies(parsed.value, range)
  })
}

Vectors.topic("semver", (path) => {
  for (const [file, expected] of [
    ["range-include.json", true],
    ["range-exclude.json", false]
  ] as const) {
    it(`${file}: every verdict is ${expected}`, () => {
      let answered = 0
      for (const [range, version, options] of casesOf<readonly [string, string, Options?]>(path, file)) {
        assert.strictEqual(semver.satisfies(version, range, npmOptions(options)), expected, `${version} in ${range}`)
        const verdict = isDefault(options) ? ours(range, version) : undefined
        if (verdict === undefined) continue
        answered++
        assert.strictEqual(verdict, expected, `${version} in ${range}`)
      }
      assert.isAbove(answered, 0)
    })
  }

  it("comparisons.json: the first is greater", () => {
    for (const [greater, lesser, options] of casesOf<readonly [string, string, Options?]>(path, "comparisons.json")) {
      assert.strictEqual(semver.compare(greater, lesser, npmOptions(options)), 1, `${greater} > ${lesser}`)
      const pair = Option.all([Version.parse(greater), Version.parse(lesser)])
      if (Option.isNone(pair)) continue
      const [a, b] = pair.value
      assert.strictEqual(Version.compare(a, b), 1, `${greater} > ${lesser}`)
      assert.strictEqual(Version.compare(b, a), -1, `${lesser} < ${greater}`)
    }
  })

  it("equality.json: equal by precedence; we order what differs in build metadata, and only that", () => {
    for (const [a, b, options] of casesOf<readonly [string, string, Options?]>(path, "equality.json")) {
      assert.strictEqual(semver.compare(a, b, npmOptions(options)), 0, `${a} = ${b}`)
      const pair = Option.all([Version.parse(a), Version.parse(b)])
      if (Option.isNone(pair)) continue
      const order = Version.compare(pair.value[0], pair.value[1])
      assert.strictEqual(order === 0, a === b, `${a} = ${b}`)
      if (order !== 0) assert.include(`${a}${b}`, "+")
    }
  })

  it("valid-versions.json: all parse", () => {
    for (const [version, , , , prerelease] of casesOf<
      readonly [string, number, number, number, ReadonlyArray<unknown>, ReadonlyArray<string>]
    >(path, "valid-versions.json")) {
      const parsed = Version.parse(version)
      assert.strictEqual(Option.isSome(parsed), true, version)
      if (Option.isSome(parsed)) assert.strictEqual(Version.isPrerelease(parsed.value), prerelease.length > 0, version)
    }
  })

  it("invalid-versions.json: none parses", () => {
    const parsed = casesOf<readonly [unknown, string, Options?]>(path, "invalid-versions.json").filter(
      ([version]) => typeof version === "string" && Option.isSome(Version.parse(version))
    )
    assert.deepStrictEqual(parsed, [])
  })

  it("range-parse.json: the same ranges parse", () => {
    for (const [range, canonical, options] of casesOf<readonly [string, string | null, Options?]>(
      path,
      "range-parse.json"
    )) {
      assert.strictEqual(semver.validRange(range, npmOptions(options)), canonical, range)
      if (isDefault(options)) assert.strictEqual(Option.isSome(Version.parseRange(range)), canonical !== null, range)
    }
  })

  it("max-satisfying.json: the same version is the best", () => {
    for (const [versions, range, best, options] of casesOf<
      readonly [ReadonlyArray<string>, string, string | null, Options?]
    >(path, "max-satisfying.json")) {
      assert.strictEqual(semver.maxSatisfying(versions, range, npmOptions(options)), best, range)
      const all = Option.all([Option.all(versions.map(Version.parse)), Version.parseRange(range)])
      if (!isDefault(options) || Option.isNone(all)) continue
      assert.strictEqual(Option.getOrNull(Version.maxSatisfying(all.value[0], all.value[1])), best, range)
    }
  })
})
