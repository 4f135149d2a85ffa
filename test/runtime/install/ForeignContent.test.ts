import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { explain } from "../../../src/protocol/core/Errors.ts"
import { tree } from "./Packages.ts"
import { test } from "./Project.ts"
import { install, publish, type Source, spec } from "./Registry.ts"

const a: Source = { json: { name: "a", version: "1.0.0", bin: { tool: "index.js" } } }

/** Puts files below `node_modules`, as npm or a person has put them there. */
const put = (project: string, files: Readonly<Record<string, string>>) => {
  for (const [path, content] of Object.entries(files)) {
    const location = Path.join(project, "node_modules", path)
    Fs.mkdirSync(Path.dirname(location), { recursive: true })
    Fs.writeFileSync(location, content)
  }
}

const read = (project: string, path: string) => Fs.readFileSync(Path.join(project, "node_modules", path), "utf8")

describe("what is in node_modules already", () => {
  test("is replaced where it is the package that belongs there, and left alone elsewhere", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, a)
      put(project, {
        "a/package.json": '{"name":"a","version":"0.1.0"}',
        "a/old.js": "old",
        "other/package.json": '{"name":"other","version":"1.0.0"}',
        "@s/more/package.json": '{"name":"@s/more"}',
        ".bin/tool": "#!/bin/sh",
        ".bin/else": "#!/bin/sh",
        ".package-lock.json": "{}"
      })
      const report = yield* install(project, { add: [spec("a")] })
      assert.deepStrictEqual(report.foreign, ["@s/more", "other"])
      assert.strictEqual(JSON.parse(read(project, "a/package.json")).version, "1.0.0")
      assert.isFalse(Fs.existsSync(Path.join(project, "node_modules/a/old.js")))
      assert.strictEqual(read(project, ".bin/else"), "#!/bin/sh")
      assert.isTrue(Fs.lstatSync(Path.join(project, "node_modules/.bin/tool")).isSymbolicLink())
      // And goes back to nothing of ours, with all of theirs.
      yield* install(project, { remove: ["a"] })
      assert.deepStrictEqual([...tree(Path.join(project, "node_modules")).keys()].toSorted(), [
        ".bin/else",
        ".libreseed/state.json",
        ".package-lock.json",
        "@s/more/package.json",
        "other/package.json"
      ])
    }))

  const obstacles: ReadonlyArray<readonly [string, Readonly<Record<string, string>>]> = [
    ["somebody's directory", { "a/notes.txt": "mine" }],
    ["another package", { "a/package.json": '{"name":"b"}' }],
    ["a file", { a: "mine" }],
    ["a repository", { "a/package.json": '{"name":"a"}', "a/.git/HEAD": "ref: refs/heads/main" }],
    ["a file where our directory belongs", { ".libreseed": "mine" }],
    ["a file where commands belong", { ".bin": "mine" }]
  ]
  for (const [title, files] of obstacles) {
    test(`is not touched where it is ${title}`, ({ project, root }) =>
      Effect.gen(function* () {
        yield* publish(root, a)
        put(project, files)
        const before = tree(project)
        const error = explain(yield* Effect.flip(install(project, { add: [spec("a")] })))
        assert.strictEqual(error?._tag, "ForeignContent", error?.message)
        assert.strictEqual(error?.exitCode, 2)
        assert.include(error?.message, Path.join(project, "node_modules", Object.keys(files)[0]!.split("/")[0]!))
        assert.deepStrictEqual(tree(project), before)
      }))
  }

  test("is not followed where it is a link to somewhere else", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, a)
      const outside = Path.join(root, "outside")
      Fs.mkdirSync(outside)
      Fs.symlinkSync(outside, Path.join(project, "node_modules"))
      assert.strictEqual(explain(yield* Effect.flip(install(project, { add: [spec("a")] })))?._tag, "ForeignContent")
      assert.deepStrictEqual(Fs.readdirSync(outside), [])
    }))

  test("is given up where it is a link to a package, which stays where it is", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, a)
      const linked = Path.join(root, "linked")
      Fs.mkdirSync(linked)
      Fs.writeFileSync(Path.join(linked, "package.json"), '{"name":"a","version":"0.0.1"}')
      Fs.mkdirSync(Path.join(project, "node_modules"))
      Fs.symlinkSync(linked, Path.join(project, "node_modules", "a"))
      yield* install(project, { add: [spec("a")] })
      assert.strictEqual(JSON.parse(read(project, "a/package.json")).version, "1.0.0")
      assert.deepStrictEqual(Fs.readdirSync(linked), ["package.json"])
    }))
})
