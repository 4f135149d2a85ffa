import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as DependencyTree from "../../../src/protocol/registry/DependencyTree.ts"
import * as LockFile from "../../../src/protocol/registry/LockFile.ts"
import * as InstallPlan from "../../../src/runtime/install/InstallPlan.ts"
import * as LightLock from "../../../src/runtime/install/LightLock.ts"
import { type Packages, source, type Wishes } from "../../protocol/registry/Dependencies.ts"

const linux: InstallPlan.Platform = { os: "linux", cpu: "x64" }

const lockOf = (wishes: Wishes, packages: Packages) =>
  Effect.map(DependencyTree.resolveTree(wishes, source(packages)), (tree) => LockFile.make(wishes, tree))

const plan = (lock: LockFile.LockFile, options: Partial<InstallPlan.Options<string>> = {}) =>
  InstallPlan.make(lock, { platform: linux, without: new Set(), failed: new Map<string, string>(), ...options })

const idsOf = (result: Result.Result<InstallPlan.Plan, unknown>) => [...Result.getOrThrow(result).instances.keys()]

describe("InstallPlan", () => {
  const machines: ReadonlyArray<readonly [ReadonlyArray<string> | undefined, boolean]> = [
    [undefined, true],
    [[], true],
    [["any"], true],
    [["linux", "darwin"], true],
    [["darwin"], false],
    [["!win32"], true],
    [["!linux"], false],
    [["!linux", "linux"], false],
    [["darwin", "!win32"], false]
  ]
  for (const [os, isFor] of machines) {
    it(`takes a package for ${JSON.stringify(os) ?? "no system in particular"}: ${isFor}`, () =>
      assert.strictEqual(InstallPlan.isFor(os === undefined ? {} : { os }, linux), isFor))
  }

  it.effect("leaves out what requires something that is left out, as far as an optional dependency", () =>
    Effect.gen(function* () {
      const lock = yield* lockOf(
        { dependencies: { a: "1" } },
        {
          "a@1.0.0": { optionalDependencies: { b: "1" }, dependencies: { d: "1" } },
          "b@1.0.0": { dependencies: { c: "1" } },
          "c@1.0.0": { dependencies: { d: "1" }, cpu: ["arm64"] },
          "d@1.0.0": {}
        }
      )
      assert.deepStrictEqual(idsOf(plan(lock)), ["a@1.0.0", "d@1.0.0"])
      assert.deepStrictEqual(idsOf(plan(lock, { platform: { os: "linux", cpu: "arm64" } })), Object.keys(lock.packages))
      assert.deepStrictEqual([...Result.getOrThrow(plan(lock)).left.keys()], ["b@1.0.0"])
    })
  )

  it.effect("fails with what the project cannot do without", () =>
    Effect.gen(function* () {
      const lock = yield* lockOf(
        { dependencies: { a: "1" }, optionalDependencies: { o: "1" } },
        { "a@1.0.0": { dependencies: { b: "1" } }, "b@1.0.0": {}, "o@1.0.0": {} }
      )
      const failed = (id: string) => plan(lock, { failed: new Map([[id, "gone"]]) })
      assert.deepStrictEqual(failed("b@1.0.0"), Result.fail("gone"))
      assert.deepStrictEqual(idsOf(failed("o@1.0.0")), ["a@1.0.0", "b@1.0.0"])
    })
  )

  it.effect("takes peers that were added for others only where those are wanted", () =>
    Effect.gen(function* () {
      const lock = yield* lockOf(
        { dependencies: { a: "1", dev: "1" } },
        { "a@1.0.0": {}, "dev@1.0.0": { peerDependencies: { peer: "1" } }, "peer@1.0.0": {} }
      )
      assert.sameMembers(Object.keys(lock.project), ["a", "dev", "peer"])
      assert.deepStrictEqual(idsOf(plan(lock, { without: new Set(["dev"]) })), ["a@1.0.0"])
    })
  )
})

describe("LightLock", () => {
  it.effect("reads what LockFile writes, and nothing that LockFile refuses", () =>
    Effect.gen(function* () {
      const lock = yield* lockOf(
        { dependencies: { a: "1" } },
        { "a@1.0.0": { optionalDependencies: { "@s/b": "1" }, os: ["linux"] }, "@s/b@1.0.0-rc.1": {}, "@s/b@1.0.0": {} }
      )
      const text = LockFile.toText(lock)
      assert.deepStrictEqual(LightLock.parse(text), yield* LockFile.parse(text))
      const damaged = [
        "",
        "[]",
        text.slice(0, -9),
        text.replace('"lockfileVersion": 1', '"lockfileVersion": 2'),
        text.replaceAll('"a"', '"../a"'),
        text.replaceAll("@s/b", "@s/../b"),
        text.replaceAll('"a"', '".bin"'),
        text.replace('"a": "a@1.0.0"', '"a": "a@2.0.0"'),
        text.replace('"version": "1.0.0"', '"version": "1.0"'),
        text.replace('"infohash": "', '"infohash": "Z'),
        text.replace("sha512-", "sha1-"),
        text.replace('"answers"', '"more": {}, "answers"'),
        text.replace('"os"', '"run"')
      ]
      for (const each of damaged) {
        assert.notStrictEqual(each, text)
        assert.isUndefined(LightLock.parse(each), each)
        assert.isTrue((yield* Effect.exit(LockFile.parse(each)))._tag === "Failure", each)
      }
    })
  )
})
