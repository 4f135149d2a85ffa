import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as InstalledState from "../../../src/runtime/install/InstalledState.ts"
import * as Crash from "./Crash.ts"
import { visible } from "./Packages.ts"
import { test } from "./Project.ts"
import { install, installOffline, publish, readText, spec } from "./Registry.ts"

const copy = (from: string, to: string): string => {
  Fs.rmSync(to, { recursive: true, force: true })
  Fs.cpSync(from, to, { recursive: true, verbatimSymlinks: true })
  return to
}

const FILES = ["package.json", "libreseed.lock.json"] as const

describe("InstallTree, when its process dies", () => {
  test("leaves package.json, lock and tree old or new, each whole, and the next install makes them fit", ({
    project,
    root
  }) =>
    Effect.gen(function* () {
      const pid = Crash.deadPid()
      yield* publish(root, { json: { name: "a", version: "1.0.0" } }, { json: { name: "b", version: "1.0.0" } })
      yield* install(project, { add: [spec("a")] })
      const start = copy(project, Path.join(root, "start"))
      const whole = copy(start, Path.join(root, "whole"))
      yield* install(whole, { add: [spec("b")] })
      const modulesOf = (at: string) => Path.join(at, "node_modules")
      const trees = [visible(modulesOf(start)), visible(modulesOf(whole))]
      const seen = new Set<string>()
      let succeeded = false
      for (let changes = 0; !succeeded && changes < 200; changes++) {
        const dying = copy(start, Path.join(root, "dying"))
        const outcome = yield* Effect.result(
          install(dying, { add: [spec("b")] }).pipe(Effect.provide(Crash.layer(changes), { local: true }))
        )
        Crash.die(modulesOf(dying), pid)
        succeeded = outcome._tag === "Success"
        const found = FILES.map((name) => {
          const text = readText(dying, name)
          const at = [start, whole].findIndex((each) => readText(each, name) === text)
          assert.isAtLeast(at, 0, `${name} is torn after ${changes} changes`)
          return at === 1
        })
        // The lock is written before package.json, so that package.json asks for nothing that is not locked.
        assert.notDeepEqual(found, [true, false])
        yield* installOffline(dying)
        const isNew = found[0] === true
        seen.add(found.join())
        assert.deepStrictEqual(visible(modulesOf(dying)), trees[isNew ? 1 : 0], `after ${changes} changes`)
        assert.isDefined(InstalledState.current(dying, { production: false, engineStrict: false }))
        assert.strictEqual(readText(dying, FILES[1]), readText(isNew ? whole : start, FILES[1]))
      }
      assert.isTrue(succeeded)
      assert.sameMembers([...seen], ["false,false", "false,true", "true,true"])
    }))
})
