import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NpmRegistry from "../../../scripts/NpmRegistry.ts"
import { explain } from "../../../src/protocol/core/Errors.ts"
import * as MirrorSource from "../../../src/runtime/mirror/MirrorSource.ts"
import * as MirrorTree from "../../../src/runtime/mirror/MirrorTree.ts"
import * as RegistryClient from "../../../src/runtime/mirror/RegistryClient.ts"
import { offer, options as optionsOf, request } from "./Registries.ts"

type Versions = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** The tree of `specs` in a registry of these packages: `name@version` and what package.json says. */
const planOf = (packages: Versions, specs: ReadonlyArray<string>, overrides: Partial<MirrorTree.Options> = {}) =>
  Effect.gen(function* () {
    const offered = Object.entries(packages).map(([id, fields]) => {
      const at = id.lastIndexOf("@")
      return offer(id.slice(0, at), id.slice(at + 1), fields)
    })
    const registry = yield* NpmRegistry.make(offered)
    const options = optionsOf(registry.url, overrides)
    const source = yield* MirrorSource.make(yield* RegistryClient.make(options), options.node)
    const tree = MirrorTree.make(source, options)
    yield* tree.ask(specs.map(request))
    const { notes, packages: found } = yield* tree.tree()
    return { ids: [...found.keys()].toSorted(), notes, requests: registry.requests }
  }).pipe(Effect.scoped)

const failureOf = (packages: Versions, spec: string) =>
  Effect.map(Effect.flip(planOf(packages, [spec])), (error) => ({ code: explain(error)?._tag, message: error.message }))

describe("MirrorTree", () => {
  it.live("asks once for each package, whoever depends on it, circles included", () =>
    Effect.gen(function* () {
      const { ids, requests } = yield* planOf(
        {
          "a@1.0.0": { dependencies: { b: "^1", c: "*" } },
          "b@1.0.0": { dependencies: { c: "^1" } },
          "c@1.0.0": { dependencies: { a: "^1" } }
        },
        ["a"]
      )
      assert.deepStrictEqual(ids, ["a@1.0.0", "b@1.0.0", "c@1.0.0"])
      assert.deepStrictEqual(requests.toSorted(), ["a", "b", "c"])
    })
  )

  it.live("leaves out what is optional and cannot be had, with all that only it needs", () =>
    Effect.gen(function* () {
      const { ids, notes } = yield* planOf(
        {
          "a@1.0.0": { dependencies: { b: "1" }, optionalDependencies: { native: "1", nowhere: "1", b: "1" } },
          "b@1.0.0": {},
          "native@1.0.0": { dependencies: { only: "1", missing: "1" } },
          "only@1.0.0": {}
        },
        ["a"]
      )
      assert.deepStrictEqual(ids, ["a@1.0.0", "b@1.0.0"])
      assert.strictEqual(notes.length, 2)
      assert.match(notes[0]!, /^a@1\.0\.0 goes without native, which is optional: .*missing/)
      assert.match(notes[1]!, /nowhere/)
    })
  )

  it.live("fails where what is required cannot be had, and says who requires it", () =>
    Effect.gen(function* () {
      const missing = yield* failureOf(
        { "a@1.0.0": { dependencies: { b: "1" } }, "b@1.0.0": { dependencies: { c: "2" } }, "c@1.0.0": {} },
        "a"
      )
      assert.strictEqual(missing.code, "DependencyNotResolved")
      assert.match(missing.message, /^b@1\.0\.0 depends on c@2/)
      const outside = yield* failureOf({ "a@1.0.0": { dependencies: { b: "github:x/y" } } }, "a")
      assert.strictEqual(outside.code, "UnsupportedDependency")
      assert.include(outside.message, "b@github:x/y")
      assert.strictEqual((yield* failureOf({}, "a")).code, "NotInRegistry")
      assert.strictEqual((yield* failureOf({ "a@1.0.0": {} }, "a@2")).code, "NoSuchVersion")
    })
  )

  it.live("takes a peer that nothing else brings, and none that something does", () =>
    Effect.gen(function* () {
      const packages = {
        "plugin@1.0.0": {
          peerDependencies: { core: "^2", extra: "*", gone: "*" },
          peerDependenciesMeta: { extra: { optional: true } }
        },
        "core@2.0.0": { peerDependencies: { base: "*" } },
        "core@2.1.0": { peerDependencies: { base: "*" } },
        "base@1.0.0": {},
        "extra@1.0.0": {},
        "app@1.0.0": { dependencies: { core: "2.0.0", plugin: "1" } }
      }
      const alone = yield* planOf(packages, ["plugin"])
      assert.deepStrictEqual(alone.ids, ["base@1.0.0", "core@2.1.0", "plugin@1.0.0"])
      assert.match(alone.notes.join(), /plugin@1\.0\.0 goes without gone, a peer/)
      const within = yield* planOf(packages, ["app"])
      assert.deepStrictEqual(within.ids, ["app@1.0.0", "base@1.0.0", "core@2.0.0", "plugin@1.0.0"])
    })
  )

  it.live("takes the package behind an alias, under its own name", () =>
    Effect.gen(function* () {
      const { ids, notes } = yield* planOf({ "a@1.0.0": { dependencies: { old: "npm:b@^1" } }, "b@1.0.0": {} }, ["a"])
      assert.deepStrictEqual(ids, ["a@1.0.0", "b@1.0.0"])
      assert.match(notes[0]!, /b@1\.0\.0 under the name old/)
    })
  )

  it.live("goes on to dependencies, and to those for development, as it is told", () =>
    Effect.gen(function* () {
      const packages = {
        "a@1.0.0": { dependencies: { b: "1" }, devDependencies: { c: "1" } },
        "b@1.0.0": { devDependencies: { d: "1" } },
        "c@1.0.0": {},
        "d@1.0.0": {}
      }
      assert.deepStrictEqual((yield* planOf(packages, ["a"])).ids, ["a@1.0.0", "b@1.0.0"])
      assert.deepStrictEqual((yield* planOf(packages, ["a"], { dependencies: false })).ids, ["a@1.0.0"])
      assert.deepStrictEqual((yield* planOf(packages, ["a"], { development: true })).ids, [
        "a@1.0.0",
        "b@1.0.0",
        "c@1.0.0"
      ])
    })
  )

  it.live("reads what a registry says with care", () =>
    Effect.gen(function* () {
      const plan = (document: unknown) =>
        Effect.gen(function* () {
          const registry = yield* NpmRegistry.make([], {
            intercept: (_, __, response) => {
              response.end(JSON.stringify(document))
              return true
            }
          })
          const options = optionsOf(registry.url)
          const source = yield* MirrorSource.make(yield* RegistryClient.make(options), options.node)
          return yield* source.answer(request("a@1.0.0"))
        }).pipe(Effect.scoped)
      const dist = { tarball: "http://127.0.0.1/a.tgz" }
      const versions = { "1.0.0": { name: "a", version: "1.0.0", dist, dependencies: ["old", "form"] } }
      assert.deepInclude(yield* plan({ name: "a", versions }), { id: "a@1.0.0", wishes: {}, integrity: undefined })
      const many = Object.fromEntries(Array.from({ length: 50_001 }, (_, i) => [`1.0.${i}`, {}]))
      for (const document of [
        [],
        {},
        { name: "b", versions },
        { name: "a", versions: [] },
        { name: "a", versions: many },
        { name: "a", versions: { "1.0.0": { name: "b", version: "1.0.0", dist } } },
        { name: "a", versions: { "1.0.0": { name: "a", version: "1.0.1", dist } } },
        { name: "a", versions: { "1.0.0": { name: "a", version: "1.0.0" } } },
        { name: "a", versions: { "1.0.0": null } }
      ]) {
        const error = yield* Effect.flip(plan(document))
        assert.strictEqual(explain(error)?._tag, "UnusablePackument", JSON.stringify(document).slice(0, 80))
      }
    })
  )
})
