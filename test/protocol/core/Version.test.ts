import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Version from "../../../src/protocol/core/Version.ts"

const v = (text: string): Version.Version => Option.getOrThrow(Version.parse(text))
const r = (text: string): Version.Range => Option.getOrThrow(Version.parseRange(text))

const padded = (chars: number): string => "1".padEnd(chars, " ")

describe("Version", () => {
  it("orders numbers of any length, where npm's own order goes round in circles", () => {
    const texts = [
      "10.10.0-99999999999999999998+1",
      "10.10.0-99999999999999999999",
      "10.10.0-99999999999999999999+1",
      "10.10.0-99999999999999999999.0",
      "10.10.0-100000000000000000000",
      "10.10.0-a",
      "10.10.0",
      "10.10.0+01.9",
      "10.10.0+1.10",
      "10.10.0+x"
    ]
    const versions = texts.map((text) => Version.Version.make(text))
    for (const [i, a] of versions.entries()) {
      for (const [j, b] of versions.entries()) assert.strictEqual(Version.compare(a, b), Math.sign(i - j), `${a} ${b}`)
    }
  })

  it("accepts semver 2.0", () => {
    for (const text of [
      "0.0.0",
      "1.2.3",
      "1.2.3-beta.1",
      "1.0.0-0.3.7",
      "1.0.0--",
      "1.0.0+001",
      "1.0.0-rc.1+sha.5",
      "1.0.0-99999999999999999999",
      `${2 ** 53 - 1}.0.0`
    ]) {
      assert.isTrue(Option.isSome(Version.parse(text)), text)
    }
  })

  it("refuses prefixes, white space, leading zeros, missing parts and unsafe integers", () => {
    for (const text of [
      "",
      "1",
      "1.2",
      "v1.2.3",
      "=1.2.3",
      " 1.2.3",
      "1.2.3 ",
      "1.2.3\n",
      "01.2.3",
      "1.2.3-01",
      "1.2.3-",
      "1.2.3+",
      "1.2.3-a..b",
      "1.2.3.4",
      "latest",
      `${2 ** 53}.0.0`,
      "1.2.3-é"
    ]) {
      assert.isTrue(Option.isNone(Version.parse(text)), JSON.stringify(text))
    }
  })

  it("is at most 256 characters long", () => {
    assert.isTrue(Option.isSome(Version.parse(`1.0.0-${"a".repeat(250)}`)))
    assert.isTrue(Option.isNone(Version.parse(`1.0.0-${"a".repeat(251)}`)))
  })

  it("orders by precedence, then build metadata, then text", () => {
    const sorted = [
      "1.0.0-alpha",
      "1.0.0-alpha.1",
      "1.0.0-alpha.beta",
      "1.0.0-2147483648",
      "1.0.0",
      "1.0.0+1",
      "1.0.0+01",
      "1.0.0+a",
      "1.0.1",
      "2.0.0-rc.1",
      "10.0.0"
    ]
      .map(v)
      .toSorted(Version.compare)
    assert.deepStrictEqual(sorted.map(String), [
      "1.0.0-2147483648",
      "1.0.0-alpha",
      "1.0.0-alpha.1",
      "1.0.0-alpha.beta",
      "1.0.0",
      "1.0.0+01",
      "1.0.0+1",
      "1.0.0+a",
      "1.0.1",
      "2.0.0-rc.1",
      "10.0.0"
    ])
  })

  it("tells pre-releases from releases", () => {
    assert.isTrue(Version.isPrerelease(v("1.0.0-rc.1")))
    assert.isFalse(Version.isPrerelease(v("1.0.0+build-1")))
  })
})

describe("Range", () => {
  it("keeps its text", () => {
    assert.strictEqual(r("^1.2 || >=3 <4"), "^1.2 || >=3 <4")
    assert.strictEqual(r(""), "")
    assert.isTrue(Option.isNone(Version.parseRange("latest")))
    assert.isTrue(Option.isNone(Version.parseRange("1.2.3.4")))
    assert.isTrue(Option.isNone(Version.parseRange("file:../x")))
  })

  it("is at most RANGE_MAX_CHARS long", () => {
    assert.isTrue(Option.isSome(Version.parseRange(padded(Version.RANGE_MAX_CHARS))))
    assert.isTrue(Option.isNone(Version.parseRange(padded(Version.RANGE_MAX_CHARS + 1))))
  })

  it("matches pre-releases only beside a comparator that names one of the same version", () => {
    assert.isTrue(Version.satisfies(v("1.2.3-beta.2"), r(">=1.2.3-beta.1")))
    assert.isFalse(Version.satisfies(v("1.2.4-beta.2"), r(">=1.2.3-beta.1")))
    assert.isFalse(Version.satisfies(v("2.0.0-rc.1"), Version.anyVersion))
    assert.isTrue(Version.satisfies(v("2.0.0"), Version.anyVersion))
  })

  it("finds the greatest version that satisfies, whatever the order of the list", () => {
    const versions = ["1.2.0", "1.10.0", "1.9.0+b", "1.9.0+a", "2.0.0-rc.1", "0.9.0"].map(v)
    for (const list of [versions, versions.toReversed()]) {
      assert.deepStrictEqual(Version.maxSatisfying(list, r("^1")), Option.some(v("1.10.0")))
      assert.deepStrictEqual(Version.maxSatisfying(list, r("<1.10")), Option.some(v("1.9.0+b")))
      assert.deepStrictEqual(Version.maxSatisfying(list, r("*")), Option.some(v("1.10.0")))
      assert.deepStrictEqual(Version.maxSatisfying(list, r(">=2.0.0-0")), Option.some(v("2.0.0-rc.1")))
      assert.deepStrictEqual(Version.maxSatisfying(list, r("^7")), Option.none())
    }
    assert.deepStrictEqual(Version.maxSatisfying([], r("*")), Option.none())
  })
})

describe("Wanted", () => {
  const wanted = (text: string) => Option.getOrThrow(Version.parseWanted(text))
  const picked = (texts: ReadonlyArray<string>, text: string) =>
    Option.getOrUndefined(Version.pick(texts.map(v), wanted(text)))

  it("is a range or one of two tags", () => {
    assert.strictEqual(wanted("next"), "next")
    assert.isTrue(Version.isTag(wanted("latest")))
    assert.isFalse(Version.isTag(wanted("^1")))
    assert.isTrue(Option.isNone(Version.parseWanted("beta")))
  })

  it("latest, * and nothing take the newest release, and a pre-release only where there is nothing else", () => {
    for (const text of ["latest", "*", "", " "]) {
      assert.strictEqual(picked(["1.0.0", "2.0.0-rc.1", "0.9.0"], text), "1.0.0")
      assert.strictEqual(picked(["2.0.0-rc.1", "2.0.0-rc.2"], text), "2.0.0-rc.2")
      assert.isUndefined(picked([], text))
    }
    assert.isUndefined(picked(["2.0.0-rc.1"], ">=0.0.0"))
  })

  it("next takes the newest of all", () => {
    assert.strictEqual(picked(["1.0.0", "2.0.0-rc.1"], "next"), "2.0.0-rc.1")
    assert.strictEqual(picked(["2.0.0", "2.0.0-rc.1"], "next"), "2.0.0")
  })

  it("is one version where it is spelled so", () => {
    for (const text of ["1.2.3", "v1.2.3", "=1.2.3", " = v1.2.3 "]) {
      assert.deepStrictEqual(Version.exactOf(wanted(text)), Option.some(v("1.2.3")), text)
    }
    assert.deepStrictEqual(Version.exactOf(wanted("1.2.3-rc.1+b.1")), Option.some(v("1.2.3-rc.1+b.1")))
    for (const text of ["^1.2.3", "1.2", "1.2.3 || 2.0.0", ">=1.2.3", "latest", "1.2.x", "1.2.3 - 2.0.0"]) {
      assert.deepStrictEqual(Version.exactOf(wanted(text)), Option.none(), text)
    }
    assert.deepStrictEqual(Version.exactOf(Version.only(v("1.2.3-a"))), Option.some(v("1.2.3-a")))
  })

  it("may prefer a pre-release only where it names one", () => {
    for (const text of ["next", "^1.0.0-rc", "1.x || 2.0.0-beta", "<2.0.0-1"]) {
      assert.isTrue(Version.mayPreferPrerelease(wanted(text)), text)
    }
    for (const text of ["latest", "*", "^1", "^0.0.1", ">=1 <3", "1 || 2", "~1.2.3"]) {
      assert.isFalse(Version.mayPreferPrerelease(wanted(text)), text)
    }
  })

  it("gives versions their places", () => {
    const places = Version.places(["1.10.0", "1.9.0", "1.10.0", "1.10.0-a"].map(v))
    assert.deepStrictEqual(
      [...places].toSorted(([, a], [, b]) => a - b).map(([version]) => String(version)),
      ["1.9.0", "1.10.0-a", "1.10.0"]
    )
  })
})
