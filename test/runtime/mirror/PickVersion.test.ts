import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { assert, describe, it } from "vitest"
import * as Version from "../../../src/protocol/core/Version.ts"
import { type Candidate, pick } from "../../../src/runtime/mirror/PickVersion.ts"
import * as Wanted from "../../../src/runtime/mirror/Wanted.ts"

interface Facts {
  readonly deprecated?: boolean
  readonly node?: string
}

const chosen = (
  versions: Readonly<Record<string, Facts>>,
  wanted: string,
  tags: Readonly<Record<string, string>> = {},
  running = "24.0.0"
) => {
  const candidates = new Map(
    Object.entries(versions).map(([text, { deprecated = false, node }]): [string, Candidate] => [
      text,
      { version: Version.Version.make(text), isDeprecated: deprecated, node }
    ])
  )
  const request = Result.getOrThrow(Wanted.dependency("a", wanted))
  return Option.getOrUndefined(pick(candidates, new Map(Object.entries(tags)), request.wanted, running))
}

const plain = (...versions: ReadonlyArray<string>) => Object.fromEntries(versions.map((version) => [version, {}]))

describe("PickVersion", () => {
  it("takes the highest version in range", () => {
    assert.strictEqual(chosen(plain("1.0.0", "1.10.0", "1.9.0", "2.0.0"), "^1"), "1.10.0")
    assert.isUndefined(chosen(plain("1.0.0"), "^2"))
  })

  it("takes what is tagged latest where that is in range, though others are higher", () => {
    const versions = plain("1.0.0", "1.1.0", "1.2.0")
    assert.strictEqual(chosen(versions, "^1", { latest: "1.1.0" }), "1.1.0")
    assert.strictEqual(chosen(versions, "*", { latest: "1.1.0" }), "1.1.0")
    assert.strictEqual(chosen(versions, "", { latest: "1.1.0" }), "1.1.0")
    assert.strictEqual(chosen(versions, ">1.1", { latest: "1.1.0" }), "1.2.0")
    assert.strictEqual(chosen(plain("1.0.0", "2.0.0-rc.1"), "*", { latest: "2.0.0-rc.1" }), "2.0.0-rc.1")
  })

  it("takes deprecated versions last, latest or not", () => {
    const versions = { "1.0.0": {}, "1.1.0": { deprecated: true } }
    assert.strictEqual(chosen(versions, "^1"), "1.0.0")
    assert.strictEqual(chosen(versions, "^1", { latest: "1.1.0" }), "1.0.0")
    assert.strictEqual(chosen(versions, ">1.0"), "1.1.0")
    assert.strictEqual(chosen(versions, "1.1.0"), "1.1.0")
  })

  it("takes those that cannot run here after those that can, deprecated or not", () => {
    const versions = { "1.0.0": { deprecated: true }, "1.1.0": { node: ">=99" }, "1.2.0": { node: "no range at all" } }
    assert.strictEqual(chosen(versions, "^1"), "1.0.0")
    assert.strictEqual(chosen(versions, ">1.0"), "1.2.0")
    assert.strictEqual(chosen({ "1.0.0": {}, "1.1.0": { node: ">=22" } }, "^1", { latest: "1.1.0" }, "20.0.0"), "1.0.0")
    assert.strictEqual(chosen({ "1.0.0": {}, "1.1.0": { node: ">=22" } }, "^1", {}, "24.0.0-nightly"), "1.1.0")
  })

  it("takes an exact version or a named tag and nothing else", () => {
    const versions = plain("1.0.0", "1.1.0", "2.0.0-beta.1")
    assert.strictEqual(chosen(versions, "v1.0.0", { latest: "1.1.0" }), "1.0.0")
    assert.strictEqual(chosen(versions, "=1.0.0"), "1.0.0")
    assert.isUndefined(chosen(versions, "1.0.1"))
    assert.strictEqual(chosen(versions, "beta", { beta: "2.0.0-beta.1" }), "2.0.0-beta.1")
    assert.isUndefined(chosen(versions, "beta", { latest: "1.1.0" }))
    assert.isUndefined(chosen(versions, "beta", { beta: "9.9.9" }))
    assert.isUndefined(chosen(versions, "constructor"))
  })

  it("takes pre-releases only where the range names one", () => {
    const versions = plain("1.0.0", "1.1.0-rc.1", "1.1.0-rc.2")
    assert.strictEqual(chosen(versions, "^1"), "1.0.0")
    assert.strictEqual(chosen(versions, "^1.1.0-rc.0"), "1.1.0-rc.2")
  })
})

describe("Wanted", () => {
  it("reads specs as npm does", () => {
    const read = (spec: string) =>
      Result.match(Wanted.parse(spec), {
        onFailure: (problem) => problem,
        onSuccess: ({ alias, name, wanted }) => [
          name,
          wanted.type,
          wanted.text,
          ...(alias === undefined ? [] : [alias])
        ]
      })
    assert.deepStrictEqual(read("express"), ["express", "tag", "latest"])
    assert.deepStrictEqual(read("@a/b@^1 || 2"), ["@a/b", "range", "^1 || 2"])
    assert.deepStrictEqual(read("a@ v1.2.3 "), ["a", "version", "1.2.3"])
    assert.deepStrictEqual(read("a@"), ["a", "range", "*"])
    assert.deepStrictEqual(read("a@canary"), ["a", "tag", "canary"])
    assert.deepStrictEqual(read("x@npm:@a/b@~1"), ["@a/b", "range", "~1", "x"])
    assert.deepStrictEqual(read("x@npm:b"), ["b", "range", "*", "x"])
    for (const spec of [
      "a@github:b/c",
      "a@https://b/c.tgz",
      "a@file:../b",
      "a@b/c",
      "a@npm:b@npm:c",
      "a@workspace:*"
    ]) {
      assert.isString(read(spec), spec)
    }
    for (const spec of ["JSONStream", "", "a b", "@a", "a@not a tag", `a@${"1".repeat(2000)}`]) {
      assert.isString(read(spec), spec)
    }
  })
})
