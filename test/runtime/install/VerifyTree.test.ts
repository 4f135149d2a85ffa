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
})
