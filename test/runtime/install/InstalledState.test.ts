import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HomePlace from "../../../src/cli/HomePlace.ts"
import * as InstalledState from "../../../src/runtime/install/InstalledState.ts"
import * as VerifyTree from "../../../src/runtime/install/VerifyTree.ts"
import * as WarmTree from "../../../src/runtime/install/WarmTree.ts"
import * as FileTrustBook from "../../../src/runtime/store/FileTrustBook.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import { tree } from "./Packages.ts"
import { test } from "./Project.ts"
import { install, publish, readText, writeProject } from "./Registry.ts"

const REQUEST = { production: false, engineStrict: false }

const prepared = Effect.fnUntraced(function* (root: string, project: string) {
  yield* publish(
    root,
    { json: { name: "leaf", version: "1.0.0", bin: "index.js" } },
    { json: { name: "top", version: "1.0.0", dependencies: { leaf: "1" }, bin: { top: "index.js" } } }
  )
  writeProject(project, { dependencies: { top: "^1.0.0" } })
  yield* install(project).pipe(Effect.provide(FileTrustBook.layer))
  return Path.join(project, "node_modules")
})

/** Writes a file anew, not through a link to the store. */
const rewrite = (location: string, content: string) => {
  Fs.rmSync(location)
  Fs.writeFileSync(location, content)
}

const remove = (location: string) => Fs.rmSync(location, { recursive: true })

describe("InstalledState", () => {
  const seen: ReadonlyArray<readonly [string, (modules: string, instance: string) => void]> = [
    ["a package.json is empty", (_, instance) => rewrite(Path.join(instance, "top/package.json"), "")],
    ["the package is gone from its instance", (_, instance) => remove(Path.join(instance, "top"))],
    ["the commands are gone", (modules) => remove(Path.join(modules, ".bin"))],
    ["a command is another file", (modules) => rewrite(Path.join(modules, ".bin/top"), "#!/bin/sh\n")],
    [
      "nothing says how long a package.json is",
      (modules) => {
        const location = Path.join(modules, ".libreseed/state.json")
        rewrite(location, Fs.readFileSync(location, "utf8").replaceAll(/"packageJson":\d+,?/g, ""))
      }
    ]
  ]
  for (const [title, change] of seen) {
    test(`is not current where ${title}, and an install mends it`, ({ project, root }) =>
      Effect.gen(function* () {
        const modules = yield* prepared(root, project)
        const before = tree(project)
        assert.isDefined(InstalledState.current(project, REQUEST))
        change(modules, Path.dirname(Fs.realpathSync(Path.join(modules, "top"))))
        assert.isUndefined(InstalledState.current(project, REQUEST))
        assert.isDefined(yield* WarmTree.install(project, yield* Home, REQUEST))
        assert.deepStrictEqual(tree(project), before)
        assert.isDefined(InstalledState.current(project, REQUEST))
      }))
  }

  const hidden: ReadonlyArray<readonly [string, (instance: string) => void]> = [
    ["a file is shorter", (instance) => rewrite(Path.join(instance, "top/index.js"), "")],
    ["a file is gone", (instance) => remove(Path.join(instance, "top/index.js"))],
    ["a dependency is gone", (instance) => remove(Path.join(instance, "leaf"))],
    ["a command beside a package is gone", (instance) => remove(Path.join(instance, ".bin/leaf"))]
  ]
  for (const [title, change] of hidden) {
    test(`has its instances mended by the next install that looks at them, where ${title}`, ({ project, root }) =>
      Effect.gen(function* () {
        const modules = yield* prepared(root, project)
        change(Path.dirname(Fs.realpathSync(Path.join(modules, "top"))))
        const report = yield* install(project).pipe(Effect.provide(FileTrustBook.layer))
        assert.isFalse(report.upToDate)
        assert.deepStrictEqual((yield* VerifyTree.verify(project))?.problems, [])
      }))
  }

  const odd: ReadonlyArray<readonly [string, (state: Record<string, unknown>) => void]> = [
    ["a command elsewhere", (state) => (state["bins"] = ["../../victim"])],
    [
      "a package elsewhere",
      (state) => (state["project"] = { "../victim": Object.keys(state["packages"] as object)[0] })
    ],
    [
      "a hidden directory for a package",
      (state) => (state["project"] = { ".git": Object.keys(state["packages"] as object)[0] })
    ],
    ["an instance elsewhere", (state) => (state["project"] = { top: "../../victim" })]
  ]
  for (const [title, change] of odd) {
    test(`is none where it names ${title}, and the next install writes it anew`, ({ project, root }) =>
      Effect.gen(function* () {
        yield* prepared(root, project)
        const victim = Path.join(project, "victim")
        Fs.writeFileSync(victim, "precious")
        const location = InstalledState.locationOf(project)
        const state = JSON.parse(Fs.readFileSync(location, "utf8"))
        change(state)
        Fs.writeFileSync(location, JSON.stringify(state))
        assert.isUndefined(InstalledState.read(project))
        yield* install(project).pipe(Effect.provide(FileTrustBook.layer))
        assert.strictEqual(readText(project, "victim"), "precious")
        assert.isDefined(InstalledState.current(project, REQUEST))
      }))
  }

  test("is not current where its publisher was revoked or the name pinned to another since", ({ project, root }) =>
    Effect.gen(function* () {
      yield* prepared(root, project)
      const home = yield* Home
      const places = HomePlace.trustPlacesOf(home.directory)
      assert.deepStrictEqual(places, { trust: home.trust, records: home.records })
      const book = JSON.parse(Fs.readFileSync(home.trust, "utf8"))
      const [pin] = book.pins
      const later = new Date(Date.now() + 60_000)
      const isCurrent = (changed: object) => {
        Fs.writeFileSync(home.trust, JSON.stringify({ ...book, ...changed }))
        Fs.utimesSync(home.trust, later, later)
        return InstalledState.current(project, REQUEST, places) !== undefined
      }
      assert.isTrue(isCurrent({}), "a newer book that says nothing else")
      assert.isTrue(isCurrent({ pins: [...book.pins, { ...pin, name: "another" }] }))
      assert.isTrue(isCurrent({ pins: [] }), "a book that knows nothing of it")
      const other = Buffer.alloc(32, 1).toString("base64")
      assert.isFalse(isCurrent({ pins: [{ ...pin, publisher: other }, ...book.pins.slice(1)] }))
      const { publisher } = Object.values(InstalledState.read(project)!.packages)[0]!
      assert.isFalse(isCurrent({ revoked: [{ publisher, reason: "", timestamp: 1, since: 1 }] }))
      Fs.rmSync(home.trust)
      assert.isDefined(InstalledState.current(project, REQUEST, places), "a home without a book")
    }))
})
