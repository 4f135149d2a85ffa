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

/** Our verdict; `undefined` where the text of the version is not strict semver and we refuse it earlier. */
const ours = (range: string, version: string): boolean | undefined => {
  const parsed = Version.parse(version)
  if (Option.isNone(parsed)) return undefined
  return Option.match(Version.parseRange(range), {
    onNone: () => false,
    onSome: (range) => Version.satisfies(parsed.value, range)
  })
}

type InRange = readonly [range: string, version: string, options?: Options]
type Pair = readonly [a: string, b: string, options?: Options]

interface File<A> {
  readonly format: string
  readonly cases: ReadonlyArray<A>
}

Vectors.topic("semver", ({ file, others }) => {
  /** Checks every case of the files of this name or this format. */
  const each = <A>(name: string, format: string, claim: string, check: (c: A) => void) =>
    file<File<A>>(
      name,
      ({ cases }, found) => {
        it(`${found}: ${claim}`, () => cases.forEach(check))
      },
      (found, contents) => found === name || contents.format === format
    )

  for (const [name, expected, format] of [
    ["range-include.json", true, "[range, version, options?] version must satisfy"],
    ["range-exclude.json", false, "[range, version, options?] version must NOT satisfy"],
    ["version-gt-range.json", false, "[range, version, options?] version > whole range"],
    ["version-lt-range.json", false, "[range, version, options?] version < whole range"]
  ] as const) {
    each<InRange>(name, format, `every verdict is ${expected}`, ([range, version, options]) => {
      assert.strictEqual(semver.satisfies(version, range, npmOptions(options)), expected, `${version} in ${range}`)
      const verdict = isDefault(options) ? ours(range, version) : undefined
      if (verdict !== undefined) assert.strictEqual(verdict, expected, `${version} in ${range}`)
    })
  }

  each<Pair>("comparisons.json", "[greater, lesser, loose?]", "the first is greater", ([greater, lesser, options]) => {
    assert.strictEqual(semver.compare(greater, lesser, npmOptions(options)), 1, `${greater} > ${lesser}`)
    const pair = Option.all([Version.parse(greater), Version.parse(lesser)])
    if (Option.isNone(pair)) return
    const [a, b] = pair.value
    assert.strictEqual(Version.compare(a, b), 1, `${greater} > ${lesser}`)
    assert.strictEqual(Version.compare(b, a), -1, `${lesser} < ${greater}`)
  })

  each<Pair>(
    "equality.json",
    "[a, b, loose?] equal by precedence",
    "equal by precedence; we order what differs in build metadata, and only that",
    ([a, b, options]) => {
      assert.strictEqual(semver.compare(a, b, npmOptions(options)), 0, `${a} = ${b}`)
      const pair = Option.all([Version.parse(a), Version.parse(b)])
      if (Option.isNone(pair)) return
      const order = Version.compare(pair.value[0], pair.value[1])
      assert.strictEqual(order === 0, a === b, `${a} = ${b}`)
      if (order !== 0) assert.include(`${a}${b}`, "+")
    }
  )

  each<readonly [string, number, number, number, ReadonlyArray<unknown>, ReadonlyArray<string>]>(
    "valid-versions.json",
    "[version, major, minor, patch, prerelease[], build[]]",
    "all parse",
    ([version, , , , prerelease]) => {
      const parsed = Version.parse(version)
      assert.strictEqual(Option.isSome(parsed), true, version)
      if (Option.isSome(parsed)) assert.strictEqual(Version.isPrerelease(parsed.value), prerelease.length > 0, version)
    }
  )

  each<readonly [unknown, string, Options?]>(
    "invalid-versions.json",
    "[value, reason, options?] must not parse",
    "none parses",
    ([version, reason]) => {
      if (typeof version === "string") assert.strictEqual(Option.isNone(Version.parse(version)), true, reason)
    }
  )

  each<readonly [string, string | null, Options?]>(
    "range-parse.json",
    "[range, canonical form|null, options?]",
    "the same ranges parse",
    ([range, canonical, options]) => {
      assert.strictEqual(semver.validRange(range, npmOptions(options)), canonical, range)
      if (isDefault(options)) assert.strictEqual(Option.isSome(Version.parseRange(range)), canonical !== null, range)
    }
  )

  each<readonly [ReadonlyArray<string>, string, string | null, Options?]>(
    "max-satisfying.json",
    "[[versions], range, best, loose?]",
    "the same version is the best",
    ([versions, range, best, options]) => {
      assert.strictEqual(semver.maxSatisfying(versions, range, npmOptions(options)), best, range)
      const all = Option.all([Option.all(versions.map(Version.parse)), Version.parseRange(range)])
      if (!isDefault(options) || Option.isNone(all)) return
      assert.strictEqual(Option.getOrNull(Version.maxSatisfying(all.value[0], all.value[1])), best, range)
    }
  )

  others()
})
