import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { explain } from "../../../src/protocol/core/Errors.ts"
import type { Fetched } from "../../../src/protocol/swarm/FetchRelease.ts"
import { install } from "../../../src/runtime/install/Install.ts"
import * as Crash from "./Crash.ts"
import { fetchedFrom, writePackage } from "./Packages.ts"
import { test } from "./Project.ts"

/** A package in an old version and in a new one, the new one with another in a scope of its own. */
const packages = Effect.fnUntraced(function* (root: string) {
  const of = (name: string, version: string, files: Readonly<Record<string, string>>) =>
    fetchedFrom(writePackage(root, name, version, files))
  const old = [yield* of("a", "1.0.0", { "index.js": "old" })]
  const next = [
    yield* of("a", "2.0.0", { "index.js": "new", "lib/more.js": "more" }),
    yield* of("@t/c", "1.0.0", { "index.js": "new" })
  ]
  return { old, next }
})

const modulesOf = (project: string) => Path.join(project, "node_modules")

const installed = Effect.fnUntraced(function* (project: string, releases: ReadonlyArray<Fetched>) {
  yield* install(project, releases)
  return Crash.snapshot(modulesOf(project))
})

const same = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>) =>
  JSON.stringify([...a]) === JSON.stringify([...b])

const copy = (from: string, to: string) => {
  Fs.rmSync(to, { recursive: true, force: true })
  Fs.cpSync(from, to, { recursive: true, verbatimSymlinks: true })
  return to
}

describe("Install, when its process dies", () => {
  test("leaves what the next install makes the old tree or the new one of, whichever change was the last", ({
    project,
    root
  }) =>
    Effect.gen(function* () {
      const pid = Crash.deadPid()
      const { next, old } = yield* packages(root)
      const before = yield* installed(project, old)
      const start = copy(project, Path.join(root, "start"))
      const whole = yield* installed(copy(start, Path.join(root, "whole")), next)
      let succeeded = false
      const seen = new Set<"old" | "new">()
      const states = new Set<string>()
      let secondCrashes = 0
      let isMoving = false
      // Until packages are in place a crash leaves nothing but waste, of one kind after each change.
      for (let changes = 0; !succeeded && changes < 400; changes += isMoving ? 1 : 2) {
        const dying = copy(start, Path.join(root, "dying"))
        const outcome = yield* Effect.result(
          install(dying, next).pipe(Effect.provide(Crash.layer(changes), { local: true }))
        )
        Crash.die(modulesOf(dying), pid)
        succeeded = outcome._tag === "Success" && same(Crash.snapshot(modulesOf(dying)), whole)

        isMoving ||= Fs.readdirSync(modulesOf(dying)).some((name) => name.startsWith(".libreseed-install-"))
        const hasJournal = Fs.readdirSync(modulesOf(dying)).some((name) =>
          Fs.existsSync(Path.join(modulesOf(dying), name, "journal.json"))
        )
        const recovered = yield* installed(copy(dying, Path.join(root, "copy")), [])
        const isNew = same(recovered, whole)
        seen.add(isNew ? "new" : "old")
        if (!isNew) assert.deepStrictEqual(recovered, before, `after ${changes} changes`)
        // Many changes are within one package's files: what is to be recovered is the same after each of them.
        const state = hasJournal ? Crash.stateOf(modulesOf(dying)) : isNew ? "new" : "old"
        if (states.has(state)) continue
        states.add(state)
        assert.deepStrictEqual(yield* installed(copy(dying, Path.join(root, "copy")), next), whole)

        for (let more = 0, ended = !hasJournal; !ended && more < 100; more++) {
          const again = copy(dying, Path.join(root, "copy"))
          const second = yield* Effect.result(
            install(again, []).pipe(Effect.provide(Crash.layer(more), { local: true }))
          )
          Crash.die(modulesOf(again), pid)
          ended = second._tag === "Success"
          secondCrashes++
          assert.deepStrictEqual(yield* installed(again, []), before, `after ${changes} and ${more} changes`)
        }
      }
      assert.isTrue(succeeded)
      assert.deepStrictEqual([...seen], ["old", "new"])
      assert.isAbove(states.size, 4)
      assert.isAbove(secondCrashes, 20)
    }))

  test("is undone by the next install when it is killed before it moves a package in", ({ project, root }) =>
    Effect.gen(function* () {
      const { next, old } = yield* packages(root)
      const before = yield* installed(project, old)
      const target = "node_modules/a"
      const home = Path.join(root, "killed")
      Fs.mkdirSync(home)
      const program = Path.join(import.meta.dirname, "KilledInstall.ts")
      const child = ChildProcess.spawn(process.execPath, [program, project, home, target], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      yield* Effect.callback<void>((resume) => {
        let output = ""
        child.stdout.on("data", (bytes) => {
          output += String(bytes)
          if (output.includes("stopped")) child.kill("SIGKILL")
        })
        child.on("exit", () => resume(Effect.void))
        return Effect.sync(() => void child.kill("SIGKILL"))
      })
      assert.strictEqual(child.signalCode, "SIGKILL")
      // A link is replaced in one step: nobody finds nothing in its place.
      assert.strictEqual(Fs.readFileSync(Path.join(project, target, "index.js"), "utf8"), "old")
      const torn = copy(project, Path.join(root, "torn"))
      assert.deepStrictEqual(yield* installed(project, []), before)
      const whole = yield* installed(Path.join(root, "whole"), next)
      assert.deepStrictEqual(yield* installed(torn, next), whole)
    }))

  test("keeps out of the way of another that installs into the same project", ({ project, root }) =>
    Effect.gen(function* () {
      const { next, old } = yield* packages(root)
      const one = yield* installed(Path.join(root, "one"), [...old, next[1]!])
      const two = yield* installed(Path.join(root, "two"), next)
      for (let round = 0; round < 5; round++) {
        yield* Effect.all([install(project, [...old, next[1]!]), install(project, next)], { concurrency: "unbounded" })
        const tree = Crash.snapshot(modulesOf(project))
        assert.isTrue(same(tree, one) || same(tree, two), [...tree].join("\n"))
        assert.deepStrictEqual(Fs.readdirSync(modulesOf(project)).toSorted(), [".libreseed", "@t", "a"])
      }
    }))

  test("leaves alone what a running process has begun, and what only looks as if an install had", ({ project, root }) =>
    Effect.gen(function* () {
      const { old } = yield* packages(root)
      const modules = modulesOf(project)
      const outside = Path.join(root, "outside")
      Fs.mkdirSync(Path.join(modules, `.libreseed-install-${process.ppid}-0-abcdef`, "0-new"), { recursive: true })
      Fs.mkdirSync(Path.join(modules, ".libreseed-install-of-mine"))
      Fs.mkdirSync(outside)
      Fs.writeFileSync(Path.join(outside, "kept"), "kept")
      Fs.symlinkSync(outside, Path.join(modules, `.libreseed-install-${Crash.deadPid()}-0-abcdef`))
      const before = Fs.readdirSync(modules)
      yield* install(project, old)
      assert.deepStrictEqual(Fs.readdirSync(modules).toSorted(), [...before, ".libreseed", "a"].toSorted())
      assert.deepStrictEqual(Fs.readdirSync(outside), ["kept"])
    }))

  const move = { destination: "a", before: "moved", puts: true, newParent: false, setAside: "0-old" }
  const journal = (...moves: ReadonlyArray<object>) => JSON.stringify({ format: 2, moves })
  const hostile: ReadonlyArray<readonly [string, string]> = [
    ["names a place above node_modules", journal({ ...move, destination: "../victim" })],
    ["names an absolute place", journal({ ...move, destination: "/tmp/victim" })],
    ["climbs out of a scope", journal({ ...move, destination: "@s/../../../victim" })],
    ["names another of our own directories", journal({ ...move, destination: ".libreseed/other.json" })],
    ["climbs out of the commands", journal({ ...move, destination: ".bin/../../victim" })],
    ["has a place that is none", journal({ ...move, destination: ".bin/.." })],
    ["takes old files from elsewhere", journal({ ...move, setAside: "../../../victim-old" })],
    ["takes old files from an absolute path", journal({ ...move, setAside: "/tmp/0-old" })],
    ["names one place twice", journal(move, { ...move, setAside: "1-old" })],
    ["goes through a scope that is a link", journal({ ...move, destination: "@out/victim" })],
    ["has a field more", journal({ ...move, run: "rm" })],
    ["is of another format", JSON.stringify({ format: 3, moves: [move] })],
    ["is cut off", journal(move).slice(0, -9)],
    ["is empty", ""]
  ]
  for (const [title, text] of hostile) {
    test(`refuses a journal that ${title}, and touches nothing`, ({ project, root }) =>
      Effect.gen(function* () {
        const old = [yield* fetchedFrom(writePackage(root, "a", "1.0.0", { "index.js": "old" }))]
        yield* install(project, old)
        const staging = Path.join(modulesOf(project), `.libreseed-install-${Crash.deadPid()}-0-abcdef`)
        Fs.mkdirSync(Path.join(staging, "0-old"), { recursive: true })
        Fs.writeFileSync(Path.join(staging, "journal.json"), text)
        Fs.mkdirSync(Path.join(project, "victim"))
        Fs.mkdirSync(Path.join(root, "outside", "victim"), { recursive: true })
        Fs.symlinkSync(Path.join(root, "outside"), Path.join(modulesOf(project), "@out"))
        const list = () => Fs.readdirSync(root, { recursive: true }).toSorted()
        const before = list()
        const error = yield* Effect.flip(install(project, old))
        assert.strictEqual(error._tag, "JournalDamaged", explain(error)?.message)
        assert.include(explain(error)!.hint, staging)
        assert.deepStrictEqual(list(), before)
      }))
  }

  test("does not follow a journal that is a link", ({ project, root }) =>
    Effect.gen(function* () {
      const staging = Path.join(modulesOf(project), `.libreseed-install-${Crash.deadPid()}-0-abcdef`)
      Fs.mkdirSync(staging, { recursive: true })
      Fs.writeFileSync(Path.join(root, "elsewhere.json"), journal(move))
      Fs.symlinkSync(Path.join(root, "elsewhere.json"), Path.join(staging, "journal.json"))
      assert.strictEqual((yield* Effect.flip(install(project, [])))._tag, "JournalDamaged")
    }))

  test("does nothing about moves whose directories are missing", ({ project, root }) =>
    Effect.gen(function* () {
      const old = [yield* fetchedFrom(writePackage(root, "a", "1.0.0", { "index.js": "old" }))]
      const before = yield* installed(project, old)
      const staging = Path.join(modulesOf(project), `.libreseed-install-${Crash.deadPid()}-0-abcdef`)
      Fs.mkdirSync(staging)
      Fs.writeFileSync(
        Path.join(staging, "journal.json"),
        journal(move, { ...move, destination: "gone", setAside: "1-old" })
      )
      assert.deepStrictEqual(yield* installed(project, []), before)
    }))

  test("refuses a scope that leads out of node_modules", ({ project, root }) =>
    Effect.gen(function* () {
      const { next } = yield* packages(root)
      const outside = Path.join(root, "outside")
      Fs.mkdirSync(outside)
      Fs.mkdirSync(modulesOf(project))
      Fs.symlinkSync(outside, Path.join(modulesOf(project), "@t"))
      assert.strictEqual((yield* Effect.flip(install(project, next)))._tag, "ForeignContent")
      assert.deepStrictEqual(Fs.readdirSync(modulesOf(project)), ["@t"])
      assert.deepStrictEqual(Fs.readdirSync(outside), [])
    }))
})
