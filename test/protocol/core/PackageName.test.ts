import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as PackageName from "../../../src/protocol/core/PackageName.ts"

const accepts = (text: string): boolean => Option.isSome(PackageName.parse(text))

const directory = (text: string): Option.Option<string> => Option.map(PackageName.parse(text), PackageName.directory)

describe("PackageName", () => {
  it("accepts npm's names, those of Node's modules included", () => {
    for (const name of [
      "left-pad",
      "a",
      "0",
      "events",
      "punycode",
      "lodash.merge",
      "a..b",
      "x_y",
      "@types/node",
      "@-xun/fs",
      "@_a/_b",
      "@a/-"
    ]) {
      assert.isTrue(accepts(name), name)
    }
  })

  it("refuses what npm refuses to new packages", () => {
    for (const name of [
      "",
      "Left-Pad",
      ".hidden",
      "_private",
      "-option",
      " a",
      "a ",
      "a b",
      "a!",
      "~a",
      "a'b",
      "(a)",
      "a*",
      "é",
      "a%20b",
      "a:b",
      "node_modules",
      "favicon.ico",
      "@",
      "@a",
      "@a/",
      "@/b",
      "@a/b/c",
      "a/b",
      "@a/.b",
      "@A/b",
      "a@b"
    ]) {
      assert.isFalse(accepts(name), JSON.stringify(name))
    }
  })

  it("refuses what is unsafe as a path on any system", () => {
    for (const name of [
      "..",
      ".",
      "@a/..",
      "@../a",
      "@./a",
      "a\\b",
      "a\0",
      "a\n",
      "a/../b",
      "/a",
      "c:",
      "con",
      "nul",
      "aux.js",
      "com1",
      "lpt9.tar",
      "@a/prn",
      "a.",
      "@a/b.",
      "@a./b",
      "@a/node_modules",
      "\u2025"
    ]) {
      assert.isFalse(accepts(name), JSON.stringify(name))
    }
    assert.isTrue(accepts("console"))
    assert.isTrue(accepts("com10"))
  })

  it("counts the scope toward the limit of 214 characters", () => {
    assert.isTrue(accepts("a".repeat(214)))
    assert.isFalse(accepts("a".repeat(215)))
    assert.isTrue(accepts(`@s/${"a".repeat(211)}`))
    assert.isFalse(accepts(`@s/${"a".repeat(212)}`))
  })

  it("maps a scope into one directory name", () => {
    assert.deepStrictEqual(directory("@a/b"), Option.some("a__b"))
    assert.deepStrictEqual(directory("left-pad"), Option.some("left-pad"))
  })

  it.effect("its schema says what is wrong with a name", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Schema.decodeEffect(PackageName.PackageName)("@a/b"), "@a/b")
      const error = yield* Effect.flip(Schema.decodeUnknownEffect(PackageName.PackageName)("JSONStream"))
      assert.include(error.message, "capital letters")
    })
  )
})
