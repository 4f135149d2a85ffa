import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Option from "effect/Option"
import * as Path from "node:path"
import * as Result from "effect/Result"
import * as PackageName from "../src/protocol/core/PackageName.ts"
import * as PackageSpec from "../src/protocol/core/PackageSpec.ts"

const char = fc.constantFrom(...Array.from("abcz019-_.@/\\~%:A \0é"))
const text = fc.string({ unit: char, maxLength: 12 })
const valid = fc
  .tuple(fc.option(fc.stringMatching(/^[a-z0-9_-][a-z0-9._-]{0,8}$/)), fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,8}$/))
  .map(([scope, name]) => (scope === null ? name : `@${scope}/${name}`))

describe("PackageName", () => {
  it("confined: an accepted name stays inside the directory it is joined to, in as many parts as it has", () => {
    fc.assert(
      fc.property(fc.oneof(text, valid), (name) => {
        const parsed = PackageName.parse(name)
        if (Option.isNone(parsed)) return
        for (const path of [Path.posix, Path.win32]) {
          const joined = path.join("root", name)
          assert.deepStrictEqual(joined.split(path.sep), ["root", ...name.split("/")])
          assert.strictEqual(path.join("root", PackageName.directory(parsed.value)).split(path.sep).length, 2)
        }
      }),
      { numRuns: 3000 }
    )
  })

  it("URL-safe: an accepted name needs no escape in any part", () => {
    fc.assert(
      fc.property(fc.oneof(text, valid), (name) => {
        if (Option.isNone(PackageName.parse(name))) return
        for (const part of name.replace("@", "").split("/")) assert.strictEqual(encodeURIComponent(part), part)
      })
    )
  })

  it("spec round trip: a valid name with a range reads back as that name and range", () => {
    fc.assert(
      fc.property(valid, fc.constantFrom("1.2.3", "^1", ">=1 <3 || 5.x", "*", "latest", "next"), (name, range) => {
        if (Option.isNone(PackageName.parse(name))) return
        const spec = Result.getOrThrow(PackageSpec.parse(`${name}@${range}`))
        assert.deepEqual<object>(spec, { name, range })
      })
    )
  })

  it("total: any text is a spec or an explained refusal", () => {
    fc.assert(
      fc.property(fc.oneof(text, fc.string()), (source) => {
        Result.match(PackageSpec.parse(source), {
          onFailure: (error) => assert.isAbove(error.message.length + error.hint.length, 0),
          onSuccess: (spec) => assert.deepStrictEqual(PackageSpec.parse(PackageSpec.format(spec)), Result.succeed(spec))
        })
      }),
      { numRuns: 2000 }
    )
  })
})
