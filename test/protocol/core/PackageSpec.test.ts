import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as PackageSpec from "../../../src/protocol/core/PackageSpec.ts"
import * as Version from "../../../src/protocol/core/Version.ts"

const read = (text: string) => {
  const { name, range } = Result.getOrThrow(PackageSpec.parse(text))
  return [name as string, range as string] as const
}
const refusal = (text: string): PackageSpec.InvalidSpec => Result.getOrThrow(Result.flip(PackageSpec.parse(text)))

describe("PackageSpec", () => {
  it("reads a name, with or without a scope, and a version, range or tag", () => {
    assert.deepStrictEqual(read("semver"), ["semver", "latest"])
    assert.deepStrictEqual(read(" semver@latest "), ["semver", "latest"])
    assert.deepStrictEqual(read("semver@next"), ["semver", "next"])
    assert.deepStrictEqual(read("semver@^7"), ["semver", "^7"])
    assert.deepStrictEqual(read("semver@7.5.0"), ["semver", "7.5.0"])
    assert.deepStrictEqual(read("@scope/x"), ["@scope/x", "latest"])
    assert.deepStrictEqual(read("@scope/x@^1 || 2"), ["@scope/x", "^1 || 2"])
    assert.deepStrictEqual(read("x@ >=1 <3"), ["x", ">=1 <3"])
    assert.deepStrictEqual(read("x@*"), ["x", "*"])
  })

  it("tells an alias from what lies outside the registry", () => {
    const spec = PackageSpec.parse("a@npm:b@1")
    assert.include(Result.isFailure(spec) ? spec.failure.message : "", "is an alias of another package")
    assert.include(Result.isFailure(spec) ? spec.failure.hint : "", "into package.json")
  })

  it("refuses what lies outside the registry and says so", () => {
    for (const text of [
      "git+ssh://git@github.com/a/b.git",
      "git@github.com:a/b",
      "https://x.org/a.tgz",
      "HTTP://x",
      "file:../a",
      "./a",
      "../a",
      "/a",
      "~/a",
      "..\\a",
      "c:\\a",
      "C:/a",
      "github:a/b",
      "a/b",
      "a.tgz",
      "a@git+https://x/y",
      "a@file:../b",
      "a@github:b/c",
      "a@b/c",
      "a@./b.tar.gz",
      "a@workspace:*",
      "link:../a"
    ]) {
      assert.include(refusal(text).problem, "outside the registry", text)
    }
  })

  it("refuses other specs with a reason and a hint", () => {
    for (const [text, problem] of [
      ["", "is empty"],
      ["@", "scope without a name"],
      ["@scope", "scope without a name"],
      ["Semver", "capital letters"],
      ["semver@", "nothing after"],
      ["semver@beta", "semver version or range"],
      ["semver@1.2.3.4", "semver version or range"],
      ["semver@1@2", "semver version or range"],
      ["a b", "characters other than"],
      ["x".repeat(10_000), "longer than"]
    ] as const) {
      const error = refusal(text)
      assert.include(error.problem, problem, text)
      assert.isAbove(error.hint.length, 0)
      assert.strictEqual(error.exitCode, 2)
      assert.isBelow(error.message.length, 300)
    }
  })

  it("lets no control characters into its message", () => {
    assert.notInclude(refusal("a\u001b[31m\n").message, "\u001b")
  })

  it("writes what it reads", () => {
    const spec = Result.getOrThrow(PackageSpec.parse("@a/b@^1"))
    assert.deepStrictEqual(Result.getOrThrow(PackageSpec.parse(PackageSpec.format(spec))), spec)
    assert.strictEqual(PackageSpec.format({ ...spec, range: Version.anyVersion }), "@a/b@*")
    assert.strictEqual(PackageSpec.format({ ...spec, range: "next" }), "@a/b@next")
  })
})
