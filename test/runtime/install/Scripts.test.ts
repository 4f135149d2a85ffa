import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { explain } from "../../../src/protocol/core/Errors.ts"
import * as InstalledState from "../../../src/runtime/install/InstalledState.ts"
import { UnpackedReleases } from "../../../src/runtime/store/UnpackedReleases.ts"
import { tree } from "./Packages.ts"
import { test } from "./Project.ts"
import { install, publish, readText, type Source, writeProject } from "./Registry.ts"

/** Writes down in its own package what it was told. */
const NOTE = `const fs = require("node:fs")
const { PATH, npm_lifecycle_event: event, npm_package_name: name, SECRET_TOKEN = "nothing" } = process.env
fs.appendFileSync("note.txt", [event, name, process.cwd() === __dirname, PATH.includes(".bin"), SECRET_TOKEN].join(" ") + "\\n")
fs.writeFileSync("index.js", "module.exports = 'built'")
`

const scripted = (name: string, scripts: Readonly<Record<string, string>>, more: object = {}): Source => ({
  json: { name, version: "1.0.0", scripts, ...more },
  files: { "note.js": NOTE }
})

const notes = (project: string, name: string): ReadonlyArray<string> => {
  const location = Path.join(project, "node_modules", name, "note.txt")
  return Fs.existsSync(location) ? Fs.readFileSync(location, "utf8").trim().split("\n") : []
}

describe("install scripts", () => {
  test("never run unless the package is allowed, which is remembered", ({ project, root }) =>
    Effect.gen(function* () {
      const scripts = {
        preinstall: "node note.js",
        postinstall: "node note.js",
        prepare: "node note.js",
        test: "false"
      }
      yield* publish(root, scripted("builds", scripts), scripted("also", { install: "node note.js" }))
      writeProject(project, { dependencies: { builds: "1", also: "1" } })
      const first = yield* install(project)
      assert.deepStrictEqual(first.scripts, { run: [], notRun: ["also", "builds"] })
      assert.deepStrictEqual(notes(project, "builds"), [])
      process.env["SECRET_TOKEN"] = "secret"
      const second = yield* install(project, { allowScripts: ["builds"] })
      delete process.env["SECRET_TOKEN"]
      assert.deepStrictEqual(second.scripts, { run: ["builds@1.0.0"], notRun: ["also"] })
      assert.deepStrictEqual(notes(project, "builds"), [
        "preinstall builds true true nothing",
        "postinstall builds true true nothing"
      ])
      assert.deepStrictEqual(notes(project, "also"), [])
      assert.deepStrictEqual(JSON.parse(readText(project, "package.json")).libreseed, { allowScripts: ["builds"] })
      assert.isTrue((yield* install(project)).upToDate)
    }))

  test("work on files of their own, and change nothing in the store", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, scripted("builds", { install: "node note.js" }))
      writeProject(project, { dependencies: { builds: "1" }, libreseed: { allowScripts: ["builds"] } })
      const unpacked = yield* UnpackedReleases
      yield* install(project)
      assert.strictEqual(readText(project, "node_modules/builds/index.js"), "module.exports = 'built'")
      const [only] = yield* unpacked.list
      assert.strictEqual(tree(only!.directory).get("note.txt"), undefined)
      assert.strictEqual(
        Fs.readFileSync(Path.join(only!.directory, "index.js"), "utf8"),
        "module.exports = require('./package.json')"
      )
    }))

  test("run after those of what a package depends on", ({ project, root }) =>
    Effect.gen(function* () {
      const script = `node -e "require('fs').appendFileSync(process.env.INIT_CWD + '/order', process.env.npm_package_name + ' ')"`
      yield* publish(
        root,
        scripted("last", { install: script }, { dependencies: { middle: "1" } }),
        scripted("middle", { install: script }, { dependencies: { first: "1" } }),
        scripted("first", { install: script })
      )
      writeProject(project, { dependencies: { last: "1" } })
      yield* install(project, { allowScripts: ["first", "last", "middle"] })
      assert.strictEqual(readText(project, "order"), "first middle last ")
    }))

  test("that fail leave the old tree, show what they printed, and only cost an optional package", ({ project, root }) =>
    Effect.gen(function* () {
      const fails = { install: `node -e "console.error('no compiler'); process.exit(3)"` }
      yield* publish(root, scripted("fails", fails), { json: { name: "a", version: "1.0.0" } })
      writeProject(project, { dependencies: { a: "1" } })
      yield* install(project)
      const before = tree(project)
      writeProject(project, { dependencies: { a: "1", fails: "1" } })
      const json = readText(project, "package.json")
      const error = explain(yield* Effect.flip(install(project, { allowScripts: ["fails"] })))
      assert.strictEqual(error?._tag, "ScriptFailed")
      assert.include(error?.message, "ended with 3")
      assert.include(error?.message, "no compiler")
      assert.strictEqual(readText(project, "package.json"), json)
      writeProject(project, { dependencies: { a: "1" } })
      assert.deepStrictEqual(tree(project), before)
      writeProject(project, { dependencies: { a: "1" }, optionalDependencies: { fails: "1" } })
      const report = yield* install(project, { allowScripts: ["fails"] })
      assert.deepStrictEqual(report.left, ["fails@1.0.0 is left out: its install script ended with 3"])
      assert.deepStrictEqual(Object.keys(InstalledState.read(project)!.project), ["a"])
    }))
})
