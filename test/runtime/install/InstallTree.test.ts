import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { explain } from "../../../src/protocol/core/Errors.ts"
import * as InstalledState from "../../../src/runtime/install/InstalledState.ts"
import { tree, visible } from "./Packages.ts"
import { test } from "./Project.ts"
import { install, installOffline, publish, readText, type Source, spec, writeProject } from "./Registry.ts"

const lib = (name: string, version: string, more: object = {}): Source => ({ json: { name, version, ...more } })

const REQUEST: InstalledState.Request = { production: false, engineStrict: false }

const modulesOf = (project: string) => Path.join(project, "node_modules")

/** Names and versions of everything in the tree. */
const installed = (project: string): ReadonlyArray<string> =>
  Object.values(InstalledState.read(project)?.packages ?? {})
    .map(({ name, version }) => `${name}@${version}`)
    .toSorted()

/** Another project with the same package.json and lock file, as somebody else has it who checked it out. */
const checkOut = (project: string, at: string): string => {
  Fs.mkdirSync(at)
  for (const name of ["package.json", "libreseed.lock.json"]) {
    Fs.copyFileSync(Path.join(project, name), Path.join(at, name))
  }
  return at
}

const tagOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => explain(error)?._tag)

describe("InstallTree", () => {
  test("installs what is named with all that it depends on, and writes down both", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(
        root,
        lib("leaf", "1.0.0"),
        lib("leaf", "2.1.0"),
        lib("@s/mid", "1.0.0", { dependencies: { leaf: "^1" } }),
        {
          json: { name: "top", version: "1.2.3", dependencies: { "@s/mid": "1", leaf: "2" }, bin: "cli.js" },
          files: { "cli.js": "#!/usr/bin/env node\nconsole.log('top runs')" }
        }
      )
      Fs.writeFileSync(Path.join(project, "package.json"), '{\n\t"name": "app",\n\t"files": ["a", "b"]\n}')
      const report = yield* install(project, { add: [spec("top")] })
      assert.deepStrictEqual(report.added, ["@s/mid@1.0.0", "leaf@1.0.0", "leaf@2.1.0", "top@1.2.3"])
      assert.deepStrictEqual(
        report.installed.map(({ name, version }) => `${name}@${version}`),
        ["top@1.2.3"]
      )
      assert.strictEqual(
        readText(project, "package.json"),
        '{\n\t"name": "app",\n\t"files": ["a", "b"],\n\t"dependencies": {\n\t\t"top": "^1.2.3"\n\t}\n}'
      )
      const runs = ChildProcess.execFileSync(Path.join(modulesOf(project), ".bin/top"), { encoding: "utf8" })
      assert.strictEqual(runs, "top runs\n")
      assert.isDefined(InstalledState.current(project, REQUEST))
      assert.isTrue((yield* installOffline(project)).upToDate)
    }))

  test("reproduces a locked tree byte for byte, with the store alone", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, lib("leaf", "1.0.0"), lib("top", "1.0.0", { dependencies: { leaf: "^1" } }))
      writeProject(project, { dependencies: { top: "^1.0.0" } })
      yield* install(project)
      yield* publish(root, lib("leaf", "1.1.0"))
      const other = checkOut(project, Path.join(root, "other"))
      yield* installOffline(other, { frozen: true })
      for (const name of ["libreseed.lock.json", "package.json", "node_modules/.libreseed/state.json"]) {
        assert.strictEqual(readText(other, name), readText(project, name), name)
      }
      assert.deepStrictEqual(visible(modulesOf(other)), visible(modulesOf(project)))
    }))

  test("refuses a frozen install where package.json and the lock disagree, or without a lock", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, lib("a", "1.0.0"), lib("b", "1.0.0"))
      writeProject(project, { dependencies: { a: "^1.0.0" } })
      assert.strictEqual(yield* tagOf(install(project, { frozen: true })), "LockOutdated")
      assert.deepStrictEqual(Fs.readdirSync(project), ["package.json"])
      yield* install(project)
      const before = readText(project, "libreseed.lock.json")
      writeProject(project, { dependencies: { a: "^1.0.0", b: "1" } })
      const error = yield* Effect.flip(install(project, { frozen: true }))
      assert.include(explain(error)?.message, "b@1 is asked for and not locked")
      assert.strictEqual(readText(project, "libreseed.lock.json"), before)
      assert.deepStrictEqual(installed(project), ["a@1.0.0"])
    }))

  test("takes away what package.json no longer asks for, and needs nobody for that", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(
        root,
        lib("leaf", "1.0.0"),
        lib("a", "1.0.0", { dependencies: { leaf: "1" }, bin: "index.js" }),
        lib("@s/b", "1.0.0")
      )
      yield* install(project, { add: [spec("a"), spec("@s/b")] })
      const report = yield* installOffline(project, { remove: ["a"] })
      assert.deepStrictEqual(report.removed, ["a@1.0.0", "leaf@1.0.0"])
      assert.deepStrictEqual(installed(project), ["@s/b@1.0.0"])
      assert.deepStrictEqual(JSON.parse(readText(project, "package.json")), { dependencies: { "@s/b": "^1.0.0" } })
      assert.deepStrictEqual(Fs.readdirSync(modulesOf(project)).toSorted(), [".bin", ".libreseed", "@s"])
      assert.deepStrictEqual(Fs.readdirSync(Path.join(modulesOf(project), ".bin")), [])
      assert.lengthOf(Fs.readdirSync(Path.join(modulesOf(project), ".libreseed")), 2)
      yield* installOffline(project, { remove: ["@s/b"] })
      assert.deepStrictEqual(Fs.readdirSync(modulesOf(project)).toSorted(), [".bin", ".libreseed"])
      assert.strictEqual(yield* tagOf(installOffline(project, { remove: ["a"] })), "NotInstalled")
    }))

  test("moves no other package when one is added, and those that are named when they are updated", ({
    project,
    root
  }) =>
    Effect.gen(function* () {
      yield* publish(root, lib("a", "1.0.0"), lib("b", "1.0.0"))
      yield* install(project, { add: [spec("a"), spec("b@1.0.0")] })
      assert.deepStrictEqual(JSON.parse(readText(project, "package.json")).dependencies, { a: "^1.0.0", b: "^1.0.0" })
      yield* publish(root, lib("a", "1.1.0"), lib("b", "1.1.0"), lib("c", "2.0.0"))
      yield* install(project, { add: [spec("c@>=1 <3")] })
      assert.deepStrictEqual(installed(project), ["a@1.0.0", "b@1.0.0", "c@2.0.0"])
      assert.strictEqual(JSON.parse(readText(project, "package.json")).dependencies.c, "^2.0.0")
      yield* install(project, { update: new Set(["a"]) })
      assert.deepStrictEqual(installed(project), ["a@1.1.0", "b@1.0.0", "c@2.0.0"])
      yield* install(project, { update: "all" })
      assert.deepStrictEqual(installed(project), ["a@1.1.0", "b@1.1.0", "c@2.0.0"])
    }))

  test("leaves out what only development needs, what is for other systems, and what is optional and missing", ({
    project,
    root
  }) =>
    Effect.gen(function* () {
      yield* publish(
        root,
        lib("dev", "1.0.0"),
        lib("elsewhere", "1.0.0", { os: ["!linux", "!darwin", "!win32"] }),
        lib("user", "1.0.0", { dependencies: { elsewhere: "1" } }),
        lib("a", "1.0.0", { optionalDependencies: { user: "1", nowhere: "1" } })
      )
      writeProject(project, { dependencies: { a: "1" }, devDependencies: { dev: "1" } })
      const report = yield* install(project)
      assert.deepStrictEqual(installed(project), ["a@1.0.0", "dev@1.0.0"])
      assert.lengthOf(report.left, 1)
      assert.match(report.left[0]!, /^user@1\.0\.0 is left out: it is made for/)
      assert.isTrue(report.warnings.some((warning) => warning.includes("nowhere@1")))
      yield* installOffline(project, { production: true })
      assert.deepStrictEqual(installed(project), ["a@1.0.0"])
      assert.isUndefined(InstalledState.current(project, REQUEST), "another kind of install is asked for")
      writeProject(project, { dependencies: { user: "1" } })
      assert.strictEqual(yield* tagOf(install(project)), "UnsupportedPlatform")
      assert.deepStrictEqual(installed(project), ["a@1.0.0"])
    }))

  test("warns of packages for another Node, or refuses them where the project is strict", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, lib("old", "1.0.0", { engines: { node: "<1" } }))
      writeProject(project, { dependencies: { old: "1" } })
      assert.strictEqual(yield* tagOf(install(project, { engineStrict: true })), "UnsupportedEngine")
      const report = yield* install(project)
      assert.isTrue(report.warnings.some((warning) => warning.includes("node <1")))
    }))

  test("writes nothing down where that is not wanted", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, lib("a", "1.0.0"), lib("b", "1.0.0"))
      writeProject(project, { dependencies: { a: "1" } })
      yield* install(project)
      const before = [readText(project, "package.json"), readText(project, "libreseed.lock.json")]
      yield* install(project, { add: [spec("b")], save: "nowhere" })
      assert.deepStrictEqual(installed(project), ["a@1.0.0", "b@1.0.0"])
      assert.deepStrictEqual([readText(project, "package.json"), readText(project, "libreseed.lock.json")], before)
      assert.isUndefined(InstalledState.current(project, REQUEST))
      yield* installOffline(project)
      assert.deepStrictEqual(installed(project), ["a@1.0.0"])
    }))

  test("puts a package into the section that is asked for, and leaves it in the one that it is in", ({
    project,
    root
  }) =>
    Effect.gen(function* () {
      yield* publish(root, lib("a", "1.0.0"), lib("a", "1.1.0"))
      writeProject(project, { dependencies: {} })
      yield* install(project, { add: [spec("a@1.0.0")], save: "devDependencies" })
      yield* install(project, { add: [spec("a")] })
      assert.deepStrictEqual(JSON.parse(readText(project, "package.json")), {
        dependencies: {},
        devDependencies: { a: "^1.1.0" }
      })
      yield* install(project, { add: [spec("a")], save: "dependencies" })
      assert.deepStrictEqual(JSON.parse(readText(project, "package.json")), { dependencies: { a: "^1.1.0" } })
    }))

  test("takes two installs of one project one after the other, and keeps what both have added", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, lib("a", "1.0.0"), lib("b", "1.0.0"))
      yield* Effect.all([install(project, { add: [spec("a")] }), install(project, { add: [spec("b")] })], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(JSON.parse(readText(project, "package.json")).dependencies, { a: "^1.0.0", b: "^1.0.0" })
      assert.deepStrictEqual(installed(project), ["a@1.0.0", "b@1.0.0"])
    }))

  test("leaves package.json, lock and tree as they were where something cannot be had", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, lib("a", "1.0.0"), lib("broken", "1.0.0", { dependencies: { nowhere: "1" } }))
      yield* install(project, { add: [spec("a")] })
      const before = tree(project)
      assert.strictEqual(yield* tagOf(install(project, { add: [spec("broken")] })), "DependencyNotResolved")
      assert.strictEqual(yield* tagOf(installOffline(project, { add: [spec("broken")] })), "NeedsNetwork")
      assert.deepStrictEqual(tree(project), before)
      assert.isDefined(InstalledState.current(project, REQUEST))
    }))
})
