import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as VerifyTree from "../../../src/runtime/install/VerifyTree.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import { UnpackedReleases } from "../../../src/runtime/store/UnpackedReleases.ts"
import { test } from "./Project.ts"
import { install, publish, spec } from "./Registry.ts"

/** A file that a script may write to without writing to the store, with which it is one. */
const rewrite = (location: string, content: string) => {
  Fs.rmSync(location)
  Fs.writeFileSync(location, content)
}

describe("VerifyTree", () => {
  test("finds nothing in a tree as it was installed, and every change to it", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(
        root,
        { json: { name: "leaf", version: "1.0.0" } },
        {
          json: { name: "top", version: "1.0.0", dependencies: { leaf: "1" }, bin: "cli.js" },
          files: { "cli.js": "#!/usr/bin/env node\r\n", "lib/a.js": "a", "lib/b.js": "b" }
        }
      )
      yield* install(project, { add: [spec("top")] })
      const clean = yield* VerifyTree.verify(project)
      assert.deepStrictEqual(clean, { packages: 2, files: 7, problems: [], built: [] })
      const top = Fs.realpathSync(Path.join(project, "node_modules/top"))
      rewrite(Path.join(top, "lib/a.js"), "A")
      Fs.rmSync(Path.join(top, "lib/b.js"))
      Fs.writeFileSync(Path.join(top, "lib/c.js"), "c")
      Fs.chmodSync(Path.join(top, "cli.js"), 0o644)
      Fs.rmSync(Path.join(top, "../leaf"))
      Fs.symlinkSync(root, Path.join(top, "../leaf"))
      Fs.mkdirSync(Path.join(project, "node_modules/.libreseed/stray"))
      const changed = yield* VerifyTree.verify(project)
      const found = changed!.problems.map(
        ({ kind, path }) => `${kind} ${path.replace(/^.*\.libreseed\/(?:top@1\.0\.0-\w+\/node_modules\/)?/, "")}`
      )
      assert.sameMembers(found, [
        "changed top/lib/a.js",
        "missing top/lib/b.js",
        "added top/lib/c.js",
        "changed top/cli.js",
        "link leaf",
        "added stray"
      ])
    }))

  test("says what it cannot verify", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, { json: { name: "a", version: "1.0.0" } })
      yield* install(project, { add: [spec("a")] })
      const { packages } = yield* Home
      Fs.rmSync(packages, { recursive: true })
      const verified = yield* VerifyTree.verify(project)
      assert.deepStrictEqual(
        verified?.problems.map(({ kind }) => kind),
        ["unverified"]
      )
      assert.isUndefined(yield* VerifyTree.verify(root))
    }))

  test("finds what was written through a link to the store, which then makes its own anew", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, { json: { name: "a", version: "1.0.0" } })
      yield* install(project, { add: [spec("a")] })
      Fs.appendFileSync(Path.join(project, "node_modules/a/index.js"), "// mine")
      assert.lengthOf((yield* VerifyTree.verify(project))!.problems, 1)
      Fs.rmSync(Path.join(project, "node_modules"), { recursive: true })
      yield* install(project)
      assert.deepStrictEqual((yield* VerifyTree.verify(project))!.problems, [])
      assert.lengthOf(yield* (yield* UnpackedReleases).list, 1)
    }))

  test("finds what would be run and was not installed: commands, packages beside others, another lock", ({
    project,
    root
  }) =>
    Effect.gen(function* () {
      yield* publish(
        root,
        { json: { name: "leaf", version: "1.0.0", bin: "index.js" } },
        {
          json: { name: "tool", version: "1.0.0", bin: { tool: "cli.js" }, dependencies: { leaf: "1" } },
          files: { "cli.js": "#!/usr/bin/env node\n" }
        }
      )
      yield* install(project, { add: [spec("tool")] })
      assert.deepStrictEqual((yield* VerifyTree.verify(project))!.problems, [])
      const modules = Path.join(project, "node_modules")
      const instance = Path.dirname(Fs.realpathSync(Path.join(modules, "tool")))
      rewrite(Path.join(modules, ".bin/tool"), "#!/bin/sh\n")
      Fs.symlinkSync("../tool/index.js", Path.join(modules, ".bin/git"))
      Fs.symlinkSync("../theirs/cli.js", Path.join(modules, ".bin/theirs"))
      Fs.rmSync(Path.join(instance, ".bin/leaf"))
      Fs.symlinkSync("../leaf/package.json", Path.join(instance, ".bin/leaf"))
      Fs.rmSync(Path.join(instance, ".bin/tool"))
      Fs.mkdirSync(Path.join(instance, "express"))
      Fs.mkdirSync(Path.join(instance, "@s/stray"), { recursive: true })
      Fs.writeFileSync(Path.join(instance, "../stray.js"), "")
      Fs.mkdirSync(Path.join(modules, ".libreseed/node_modules"))
      Fs.appendFileSync(Path.join(project, "libreseed.lock.json"), "\n")
      const { problems } = (yield* VerifyTree.verify(project))!
      assert.sameMembers(
        problems.map(
          ({ kind, path }) => `${kind} ${path.replace(/^node_modules\/(\.libreseed\/tool@1\.0\.0-\w+\/)?/, "")}`
        ),
        [
          "link .bin/tool",
          "added .bin/git",
          "link node_modules/.bin/leaf",
          "missing node_modules/.bin/tool",
          "added node_modules/express",
          "added node_modules/@s/stray",
          "added stray.js",
          "added .libreseed/node_modules",
          "changed libreseed.lock.json"
        ]
      )
    }))

  test("reports what cannot be looked at, and goes on", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, { json: { name: "a", version: "1.0.0" }, files: { "lib/x.js": "x", "other.js": "y" } })
      yield* install(project, { add: [spec("a")] })
      const a = Fs.realpathSync(Path.join(project, "node_modules/a"))
      Fs.rmSync(Path.join(a, "lib"), { recursive: true })
      Fs.writeFileSync(Path.join(a, "lib"), "a file")
      rewrite(Path.join(a, "other.js"), "z")
      const found = (yield* VerifyTree.verify(project))!.problems.map(({ path, problem }) => [
        Path.basename(path),
        problem
      ])
      assert.sameDeepMembers(found, [
        ["x.js", "cannot be read: ENOTDIR"],
        ["other.js", "has other content"],
        ["lib", "was not signed"]
      ])
      Fs.rmSync(Path.join(a, ".."), { recursive: true })
      Fs.symlinkSync("node_modules", Path.join(a, ".."))
      const links = (yield* VerifyTree.verify(project))!.problems.map(({ problem }) => problem)
      assert.include(links, "cannot be read: ELOOP")
    }))

  test("finds nothing in a package whose commands are a directory of files", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, {
        json: { name: "dirbin", version: "1.0.0", directories: { bin: "commands" } },
        files: { "commands/go": "#!/usr/bin/env node\n" }
      })
      yield* install(project, { add: [spec("dirbin")] })
      Fs.accessSync(Path.join(project, "node_modules/.bin/go"), Fs.constants.X_OK)
      assert.deepStrictEqual((yield* VerifyTree.verify(project))!.problems, [])
    }))
})
