import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Scope from "effect/Scope"
import * as InstalledState from "../../../src/runtime/install/InstalledState.ts"
import * as InstallSite from "../../../src/runtime/install/InstallSite.ts"
import * as Staging from "../../../src/runtime/install/Staging.ts"
import * as Crash from "./Crash.ts"
import { visible } from "./Packages.ts"
import { test } from "./Project.ts"
import { install, publish, spec } from "./Registry.ts"

describe("InstallSite", () => {
  test("goes to the one who waited for an install that came to nothing", ({ project }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const modules = InstalledState.modulesOf(project)
      const first = yield* Scope.make()
      yield* Scope.provide(InstallSite.hold(project), first)
      const looked = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      // The second one has looked at the lock, and finds no directory when it goes on.
      const watched = FileSystem.make({
        ...fs,
        readFile: (path) =>
          Effect.tap(fs.readFile(path), () =>
            Path.basename(path) === Staging.LOCK
              ? Effect.andThen(Deferred.succeed(looked, undefined), Deferred.await(goOn))
              : Effect.void
          )
      })
      const second = yield* InstallSite.hold(project).pipe(
        Effect.andThen(Effect.sync(() => Fs.existsSync(Path.join(modules, Staging.LOCK)))),
        Effect.scoped,
        Effect.provideService(FileSystem.FileSystem, watched),
        Effect.forkChild
      )
      yield* Deferred.await(looked)
      yield* Scope.close(first, Exit.void)
      assert.isFalse(Fs.existsSync(modules))
      yield* Deferred.succeed(goOn, undefined)
      assert.isTrue(yield* Fiber.join(second))
      assert.isFalse(Fs.existsSync(modules))
    }))

  test("leaves what others put into node_modules the moment before it would go", ({ project }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const modules = InstalledState.modulesOf(project)
      const theirs = Path.join(modules, "theirs/work.txt")
      const put = Effect.sync(() => {
        Fs.mkdirSync(Path.dirname(theirs))
        Fs.writeFileSync(theirs, "precious")
      })
      const racing = FileSystem.make({
        ...fs,
        readDirectory: (path, options) =>
          Effect.tap(fs.readDirectory(path, options), (names) =>
            path === modules && names.length === 0 ? put : Effect.void
          ),
        remove: (path, options) =>
          Effect.tap(fs.remove(path, options), () =>
            Path.basename(path) === Staging.LOCK && !Fs.existsSync(theirs) ? put : Effect.void
          )
      })
      yield* Effect.scoped(InstallSite.hold(project)).pipe(Effect.provideService(FileSystem.FileSystem, racing))
      assert.strictEqual(Fs.readFileSync(theirs, "utf8"), "precious")
    }))

  test("has one whole tree for those who only look, wherever the install before was killed", ({ project, root }) =>
    Effect.gen(function* () {
      const pid = Crash.deadPid()
      const copy = (from: string, name: string) => {
        const to = Path.join(root, name)
        Fs.rmSync(to, { recursive: true, force: true })
        Fs.cpSync(from, to, { recursive: true, verbatimSymlinks: true })
        return to
      }
      yield* publish(root, { json: { name: "a", version: "1.0.0" } }, { json: { name: "@s/b", version: "1.0.0" } })
      yield* install(project, { add: [spec("a")] })
      const whole = copy(project, "whole")
      yield* install(whole, { add: [spec("@s/b")] })
      const trees = [project, whole].map((at) => visible(InstalledState.modulesOf(at)))
      let undone = 0
      for (let changes = 0, succeeded = false; !succeeded; changes += 2) {
        const dying = copy(project, "dying")
        const modules = InstalledState.modulesOf(dying)
        const outcome = yield* Effect.result(
          install(dying, { add: [spec("@s/b")] }).pipe(Effect.provide(Crash.layer(changes), { local: true }))
        )
        Crash.die(modules, pid)
        succeeded = outcome._tag === "Success"
        const before = visible(modules)
        yield* InstallSite.settle(dying)
        const after = visible(modules)
        assert.deepInclude(trees, after, `after ${changes} changes`)
        if (JSON.stringify([...before]) !== JSON.stringify([...after])) undone++
      }
      assert.isAbove(undone, 0)
    }))

  test("leaves an install that is under way alone, and a project without any", ({ project }) =>
    Effect.gen(function* () {
      yield* InstallSite.settle(project)
      assert.deepStrictEqual(Fs.readdirSync(project), [])
      yield* Effect.scoped(InstallSite.hold(project))
      const staging = Path.join(project, `node_modules/.libreseed-install-${process.ppid}-0-abcdef`)
      Fs.mkdirSync(staging, { recursive: true })
      Fs.writeFileSync(Path.join(staging, "journal.json"), "")
      yield* InstallSite.settle(project)
      assert.isTrue(Fs.existsSync(staging))
    }))
})
