import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SyncFiles from "../../../src/runtime/install/SyncFiles.ts"
import { test } from "./Project.ts"
import { install, publish, spec } from "./Registry.ts"

describe("PlaceInstances", () => {
  test("flushes the files of a package that is added to a tree, and none of a first install", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, { json: { name: "a", version: "1.0.0" } }, { json: { name: "b", version: "1.0.0" } })
      const flushed: Array<string> = []
      const files: SyncFiles.SyncFiles = {
        ...SyncFiles.node,
        flush: (path) => {
          flushed.push(Path.join(Path.basename(Path.dirname(path)), Path.basename(path)))
          return SyncFiles.node.flush(path)
        }
      }
      const add = (name: string) =>
        install(project, { add: [spec(name)] }).pipe(Effect.provideService(SyncFiles.SyncFiles, files))
      yield* add("a")
      assert.deepStrictEqual(flushed, [])
      yield* add("b")
      assert.sameMembers(flushed, ["b/index.js", "b/package.json"])
    }))
})
