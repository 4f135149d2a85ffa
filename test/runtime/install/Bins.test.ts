import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as InstalledState from "../../../src/runtime/install/InstalledState.ts"
import * as VerifyTree from "../../../src/runtime/install/VerifyTree.ts"
import * as UnpackedIndex from "../../../src/runtime/store/UnpackedIndex.ts"
import { UnpackedReleases } from "../../../src/runtime/store/UnpackedReleases.ts"
import { test } from "./Project.ts"
import { install, installOffline, publish, writeProject } from "./Registry.ts"

const withUmask = <A, E, R>(mask: number, effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => process.umask(mask)),
    () => effect,
    (before) => Effect.sync(() => void process.umask(before))
  )

const again = (project: string, at: string): string => {
  Fs.mkdirSync(at)
  for (const name of ["package.json", InstalledState.LOCK_FILE]) {
    Fs.copyFileSync(Path.join(project, name), Path.join(at, name))
  }
  return at
}

describe("the commands of packages", () => {
  for (const mask of [0o022, 0o002, 0o000, 0o027]) {
    test(`are linked without a change to the store under the umask ${mask.toString(8)}`, ({ project, root }) =>
      withUmask(
        mask,
        Effect.gen(function* () {
          yield* publish(
            root,
            {
              json: { name: "tool", version: "1.0.0", bin: { tool: "cli.js", win: "win.js" } },
              files: { "cli.js": "#!/usr/bin/env node\n", "win.js": "#!/usr/bin/env node\r\n\r\n" }
            },
            { json: { name: "top", version: "1.0.0", dependencies: { tool: "1" } } }
          )
          writeProject(project, { dependencies: { tool: "^1.0.0", top: "1" } })
          yield* install(project)
          const { list } = yield* UnpackedReleases
          const inodes = Effect.map(list, (all) =>
            all.map(({ directory, index }) => {
              assert.isUndefined(UnpackedIndex.changed(directory, index))
              return Fs.statSync(Path.join(directory, "package.json")).ino
            })
          )
          const before = yield* inodes
          const other = again(project, Path.join(root, "other"))
          yield* installOffline(other)
          assert.deepStrictEqual(yield* inodes, before)
          assert.deepStrictEqual((yield* VerifyTree.verify(other))?.problems, [])
          const bin = Path.join(other, "node_modules/.bin")
          assert.strictEqual(Fs.readlinkSync(Path.join(bin, "tool")), "../tool/cli.js")
          Fs.accessSync(Path.join(bin, "tool"), Fs.constants.X_OK)
          Fs.accessSync(Path.join(bin, "win"), Fs.constants.X_OK)
          assert.strictEqual(Fs.readFileSync(Path.join(bin, "win"), "utf8"), "#!/usr/bin/env node\n\r\n")
          const top = Path.dirname(Fs.realpathSync(Path.join(other, "node_modules/top")))
          assert.strictEqual(Fs.readlinkSync(Path.join(top, ".bin/tool")), "../tool/cli.js")
        })
      ))
  }
})
