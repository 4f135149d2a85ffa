import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { explain } from "../../../src/protocol/core/Errors.ts"
import type * as DependencyGraph from "../../../src/protocol/registry/DependencyGraph.ts"
import * as DependencyTree from "../../../src/protocol/registry/DependencyTree.ts"
import { choiceOf, type Counted, manifestOf, type Packages, source, split, type Wishes } from "./Dependencies.ts"

const make = (wishes: Wishes, packages: Packages, counted?: Counted) =>
  DependencyTree.resolveTree(wishes, source(packages, counted))

/** Instance id → what it sees. */
const shape = (
  tree: DependencyTree.DependencyTree
): { readonly [id: string]: { readonly [name: string]: string } } => ({
  project: Object.fromEntries(tree.project),
  ...Object.fromEntries([...tree.instances].map(([id, { dependencies }]) => [id, Object.fromEntries(dependencies)]))
})

const on = (...names: ReadonlyArray<string>): { readonly [name: string]: string } =>
  Object.fromEntries(names.map((each) => split(each)))

describe("a tree of dependencies", () => {
  it.effect("does not ask for what a package brings in a node_modules of its own", () =>
    Effect.gen(function* () {
      const file = { sha256: "0".repeat(64), size: 1, mode: "0644" as const }
      const files = { "node_modules/b/package.json": file, "node_modules/@s/d/package.json": file }
      const dependencies = { b: "^9", c: "1", "@s/d": "^9" }
      const tree = yield* DependencyTree.resolveTree(
        { dependencies: { a: "1" } },
        {
          ...source({ "a@1.0.0": {}, "c@1.0.0": {} }),
          manifestOf: ({ release: { n, v } }) =>
            Effect.succeed({
              ...manifestOf(`${n}@${v}`, n === "a" ? { dependencies } : {}),
              ...(n === "a" ? { files } : {})
            })
        }
      )
      assert.deepStrictEqual([...tree.instances.keys()], ["a@1.0.0", "c@1.0.0"])
    })
  )

  it.effect("gives every package what it declares and nothing else", () =>
    Effect.gen(function* () {
      const tree = yield* make(
        { dependencies: on("app@^1.0.0") },
        {
          "app@1.2.0": { dependencies: on("left@^1.0.0", "right@~2.0.0") },
          "left@1.9.0": { dependencies: on("deep@>=1 <3") },
          "right@2.0.5": { dependencies: on("deep@1.0.0") },
          "right@2.1.0": {},
          "deep@1.0.0": {},
          "deep@2.5.0": {},
          "deep@3.0.0": {}
        }
      )
      assert.deepStrictEqual(shape(tree), {
        project: { app: "app@1.2.0" },
        "app@1.2.0": { left: "left@1.9.0", right: "right@2.0.5" },
        "left@1.9.0": { deep: "deep@2.5.0" },
        "right@2.0.5": { deep: "deep@1.0.0" },
        "deep@1.0.0": {},
        "deep@2.5.0": {}
      })
    })
  )

  it.effect("ends when dependencies go in a circle", () =>
    Effect.gen(function* () {
      const tree = yield* make(
        { dependencies: on("a@1") },
        {
          "a@1.0.0": { dependencies: on("b@1") },
          "b@1.0.0": { dependencies: on("c@1") },
          "c@1.0.0": { dependencies: on("a@1", "c@1") }
        }
      )
      assert.deepStrictEqual(shape(tree)["c@1.0.0"], { a: "a@1.0.0", c: "c@1.0.0" })
      assert.strictEqual(tree.instances.size, 3)
    })
  )

  it.effect("asks once for each name and range, however many paths lead there", () =>
    Effect.gen(function* () {
      // Twenty layers of two packages that each depend on both of the next: a million paths.
      const packages: Record<string, Wishes> = {}
      for (let layer = 0; layer < 20; layer++) {
        for (const side of ["a", "b"]) {
          packages[`${side}${layer}@1.0.0`] =
            layer === 19 ? {} : { dependencies: on(`a${layer + 1}@^1`, `b${layer + 1}@^1`) }
        }
      }
      const counted = { resolved: 0, described: 0 }
      const tree = yield* make({ dependencies: on("a0@1") }, packages, counted)
      assert.strictEqual(tree.instances.size, 39)
      assert.strictEqual(counted.resolved, 39)
      assert.strictEqual(counted.described, 39)
    })
  )

  it.effect("is refused when it never ends", () =>
    Effect.gen(function* () {
      const endless: DependencyGraph.Source<never, never> = {
        resolve: ({ name }) => Effect.succeed(choiceOf(`${name}@1.0.0`)),
        manifestOf: ({ release }) => {
          const [, number] = release.n.split("-")
          const next = Array.from({ length: 20 }, (_, i) => `x-${Number(number) * 20 + i + 1}@1`)
          return Effect.succeed(manifestOf(`${release.n}@1.0.0`, { dependencies: on(...next) }))
        }
      }
      const error = yield* Effect.flip(DependencyTree.resolveTree({ dependencies: on("x-0@1") }, endless))
      assert.strictEqual(error.reason._tag, "TooManyDependencies")
    })
  )

  it.effect("names who asked when a required dependency cannot be had", () =>
    Effect.gen(function* () {
      const packages = { "a@1.0.0": { dependencies: on("gone@^2") }, "gone@1.0.0": {} }
      const error = yield* Effect.flip(make({ dependencies: on("a@1") }, packages))
      assert.strictEqual(error.reason._tag, "DependencyNotResolved")
      assert.include(error.message, "a@1.0.0 depends on gone@^2")
      assert.strictEqual(explain(error)?.exitCode, 3)
    })
  )

  it.effect("refuses a dependency that points outside the registry", () =>
    Effect.gen(function* () {
      for (const range of [
        "git+https://example.org/x.git",
        "file:../x",
        "npm:npm:other@1",
        "npm:other@npm:another@1",
        "npm:",
        "npm:Other@1",
        "npm:../other",
        "npm:other@file:../x",
        "user/repo",
        "https://e.org/x.tgz"
      ]) {
        const error = yield* Effect.flip(
          make({ dependencies: on("a@1") }, { "a@1.0.0": { dependencies: { x: range } } })
        )
        assert.strictEqual(error.reason._tag, "UnsupportedDependency", range)
      }
    })
  )

  it.effect("reads an empty range as any version", () =>
    Effect.gen(function* () {
      const tree = yield* make({ dependencies: { a: "" } }, { "a@1.0.0": {}, "a@2.0.0": {} })
      assert.strictEqual(tree.project.get(choiceOf("a@1.0.0").release.n), "a@2.0.0")
    })
  )
})

describe("a dependency that cannot be read", () => {
  it.effect("is quoted with what is wrong with it", () =>
    Effect.gen(function* () {
      const spaced = yield* Effect.flip(make({ dependencies: { "a b c": "^1" } }, {}))
      assert.include(spaced.message, "depends on a b c@^1, which does not begin with a package name")
      const problemOf = (name: string, range: string) =>
        Effect.map(
          Effect.flip(make({ dependencies: { [name]: range } }, { "other@1.0.0": {} })),
          ({ message }) => message
        )
      assert.include(
        yield* problemOf("x", "npm:other@npm:third@1"),
        "x@npm:other@npm:third@1, which is an alias of an alias"
      )
      assert.include(yield* problemOf("x", "npm:npm:other"), "is an alias of an alias")
      assert.include(yield* problemOf("x", "npm:"), "is an alias of nothing")
      assert.include(
        yield* problemOf("x", "npm:Other@1"),
        'is an alias of "Other", and that does not begin with a package name'
      )
      // The name is a place in node_modules.
      for (const name of ["../x", "X", "node_modules", ""]) {
        assert.include(yield* problemOf(name, "npm:other@1"), "is an alias with a name that", name)
      }
    })
  )
})

describe("an alias", () => {
  it.effect("is the package behind it, under the name of the alias", () =>
    Effect.gen(function* () {
      const tree = yield* make(
        { dependencies: { ui: "1", "@s/old": "npm:width", any: " NPM:@s/x " } },
        {
          "ui@1.0.0": { dependencies: { width: "^5", "width-cjs": "npm:width@^4.2.0", ui: "npm:@s/x@" } },
          "width@4.2.1": {},
          "width@4.1.0": {},
          "width@5.0.0": { dependencies: { width: "npm:width@4.1.0" } },
          "@s/x@1.0.0": {}
        }
      )
      assert.deepStrictEqual(shape(tree), {
        project: { "@s/old": "width@5.0.0", any: "@s/x@1.0.0", ui: "ui@1.0.0" },
        "@s/x@1.0.0": {},
        "ui@1.0.0": { ui: "@s/x@1.0.0", width: "width@5.0.0", "width-cjs": "width@4.2.1" },
        "width@4.1.0": {},
        "width@4.2.1": {},
        "width@5.0.0": { width: "width@4.1.0" }
      })
      assert.strictEqual(tree.answers.get("width-cjs@npm:width@^4.2.0"), "width@4.2.1")
    })
  )

  it.effect("is what peers of that name get, and its own name is not", () =>
    Effect.gen(function* () {
      const packages: Packages = {
        "dom@1.0.0": { peerDependencies: on("react@>=10") },
        "preact@10.0.0": {},
        "react@18.0.0": {},
        "helper@1.0.0": { peerDependencies: on("preact@*") }
      }
      const tree = yield* make({ dependencies: { react: "npm:preact@10", dom: "1", helper: "1" } }, packages)
      assert.deepStrictEqual(shape(tree)["project"], {
        dom: "dom@1.0.0(react@npm:preact@10.0.0)",
        helper: "helper@1.0.0(preact@10.0.0)",
        preact: "preact@10.0.0",
        react: "preact@10.0.0"
      })
      assert.deepStrictEqual(shape(tree)["dom@1.0.0(react@npm:preact@10.0.0)"], { react: "preact@10.0.0" })
      const strict: Packages = { ...packages, "dom@1.0.0": { peerDependencies: on("react@^18") } }
      const error = yield* Effect.flip(make({ dependencies: { react: "npm:preact@10", dom: "1" } }, strict))
      assert.strictEqual(error.reason._tag, "PeerConflict")
    })
  )

  it.effect("tells apart places that see one package under different names", () =>
    Effect.gen(function* () {
      const user = (more: Wishes["dependencies"]): Wishes => ({ dependencies: { both: "1", ...more } })
      const tree = yield* make(
        { dependencies: on("one@1", "two@1") },
        {
          "both@1.0.0": {
            peerDependencies: on("p@*", "q@*"),
            peerDependenciesMeta: { p: { optional: true }, q: { optional: true } }
          },
          "one@1.0.0": user({ p: "npm:x@1" }),
          "two@1.0.0": user({ q: "npm:x@1" }),
          "x@1.0.0": {}
        }
      )
      assert.deepStrictEqual(shape(tree)["both@1.0.0(p@npm:x@1.0.0)"], { p: "x@1.0.0" })
      assert.deepStrictEqual(shape(tree)["both@1.0.0(q@npm:x@1.0.0)"], { q: "x@1.0.0" })
    })
  )
})

describe("optional dependencies", () => {
  it.effect("that cannot be had are left out with a warning, with all that only they need", () =>
    Effect.gen(function* () {
      const tree = yield* make(
        { dependencies: on("a@1"), optionalDependencies: on("nowhere@1") },
        {
          "a@1.0.0": { optionalDependencies: on("native@1") },
          "native@1.0.0": { dependencies: on("helper@1", "gone@1") },
          "helper@1.0.0": {}
        }
      )
      assert.deepStrictEqual(shape(tree), { project: { a: "a@1.0.0" }, "a@1.0.0": {} })
      assert.strictEqual(tree.warnings.length, 2)
      assert.isTrue(tree.warnings.some((warning) => warning.includes("native@1")))
    })
  )

  it.effect("are marked, and what is also required elsewhere is not", () =>
    Effect.gen(function* () {
      const tree = yield* make(
        { dependencies: on("a@1"), optionalDependencies: on("o@1") },
        {
          "a@1.0.0": { dependencies: on("both@1") },
          "o@1.0.0": { dependencies: on("both@1", "only@1") },
          "both@1.0.0": {},
          "only@1.0.0": {}
        }
      )
      const optional = [...tree.instances.values()].filter(({ isOptional }) => isOptional).map(({ id }) => id)
      assert.deepStrictEqual(optional, ["o@1.0.0", "only@1.0.0"])
    })
  )

  it.effect("take the place of a required one of the same name, as in npm", () =>
    Effect.gen(function* () {
      const tree = yield* make(
        { dependencies: on("x@1"), optionalDependencies: on("x@2") },
        { "x@1.0.0": {}, "x@2.0.0": {} }
      )
      assert.deepStrictEqual(shape(tree)["project"], { x: "x@2.0.0" })
    })
  )

  it.effect("are not left out because the network failed", () =>
    Effect.gen(function* () {
      const failing = { exitCode: 5 as const, hint: "", message: "down", _tag: "NoNodes" }
      const exit = yield* Effect.exit(
        DependencyTree.resolveTree(
          { optionalDependencies: on("a@1") },
          { resolve: () => Effect.fail(failing), manifestOf: () => Effect.fail(failing) }
        )
      )
      assert.isTrue(Exit.isFailure(exit))
    })
  )
})

describe("peer dependencies", () => {
  it.effect("are those of whoever uses the package", () =>
    Effect.gen(function* () {
      const tree = yield* make(
        { dependencies: on("react@17.0.0", "dom@1", "nested@1") },
        {
          "react@17.0.0": {},
          "react@18.0.0": {},
          "dom@1.0.0": { peerDependencies: on("react@>=17") },
          "nested@1.0.0": { dependencies: on("react@18.0.0", "dom@1") }
        }
      )
      assert.deepStrictEqual(shape(tree), {
        project: { react: "react@17.0.0", dom: "dom@1.0.0(react@17.0.0)", nested: "nested@1.0.0" },
        "react@17.0.0": {},
        "react@18.0.0": {},
        "dom@1.0.0(react@17.0.0)": { react: "react@17.0.0" },
        "dom@1.0.0(react@18.0.0)": { react: "react@18.0.0" },
        "nested@1.0.0": { react: "react@18.0.0", dom: "dom@1.0.0(react@18.0.0)" }
      })
    })
  )

  it.effect("reach through packages that do not provide them", () =>
    Effect.gen(function* () {
      const tree = yield* make(
        { dependencies: on("host@2.0.0", "outer@1") },
        {
          "host@1.0.0": {},
          "host@2.0.0": {},
          "outer@1.0.0": { dependencies: on("inner@1") },
          "inner@1.0.0": { peerDependencies: on("host@*") }
        }
      )
      assert.deepStrictEqual(shape(tree)["inner@1.0.0(host@2.0.0)"], { host: "host@2.0.0" })
      assert.deepStrictEqual(shape(tree)["outer@1.0.0(host@2.0.0)"], { inner: "inner@1.0.0(host@2.0.0)" })
    })
  )

  it.effect("that nobody provides are added to the project, in a version that suits all", () =>
    Effect.gen(function* () {
      const tree = yield* make(
        { dependencies: on("a@1", "b@1") },
        {
          "a@1.0.0": { peerDependencies: on("p@^1 || ^2") },
          "b@1.0.0": { peerDependencies: on("p@^1.5") },
          "p@1.7.0": { peerDependencies: on("q@1") },
          "p@2.0.0": {},
          "q@1.0.0": {}
        }
      )
      assert.deepStrictEqual(shape(tree)["project"], {
        a: "a@1.0.0(p@1.7.0)(q@1.0.0)",
        b: "b@1.0.0(p@1.7.0)(q@1.0.0)",
        p: "p@1.7.0(q@1.0.0)",
        q: "q@1.0.0"
      })
    })
  )

  it.effect("that are optional are used where they are, and not added where not", () =>
    Effect.gen(function* () {
      const plugin = { peerDependencies: on("p@1"), peerDependenciesMeta: { p: { optional: true } } }
      const without = yield* make({ dependencies: on("a@1") }, { "a@1.0.0": plugin, "p@1.0.0": {} })
      assert.deepStrictEqual(shape(without), { project: { a: "a@1.0.0" }, "a@1.0.0": {} })
      const beside = yield* make({ dependencies: on("a@1", "p@1") }, { "a@1.0.0": plugin, "p@1.0.0": {} })
      assert.deepStrictEqual(shape(beside)["a@1.0.0(p@1.0.0)"], { p: "p@1.0.0" })
    })
  )

  it.effect("that the project has in another version are a conflict, and deeper down a warning", () =>
    Effect.gen(function* () {
      const packages: Packages = {
        "p@1.0.0": {},
        "p@2.0.0": {},
        "a@1.0.0": { peerDependencies: on("p@2") },
        "outer@1.0.0": { dependencies: on("a@1") }
      }
      const error = yield* Effect.flip(make({ dependencies: on("p@1", "a@1") }, packages))
      assert.strictEqual(error.reason._tag, "PeerConflict")
      const tree = yield* make({ dependencies: on("p@1", "outer@1") }, packages)
      assert.strictEqual(tree.warnings.length, 1)
    })
  )

  it.effect("may go in circles", () =>
    Effect.gen(function* () {
      const tree = yield* make(
        { dependencies: on("a@1", "b@1") },
        { "a@1.0.0": { peerDependencies: on("b@1") }, "b@1.0.0": { peerDependencies: on("a@1") } }
      )
      assert.deepStrictEqual(shape(tree)["project"], { a: "a@1.0.0(b@1.0.0)", b: "b@1.0.0(a@1.0.0)" })
    })
  )

  it.effect("are the same instance for all who share them", () =>
    Effect.gen(function* () {
      const tree = yield* make(
        { dependencies: on("one@1", "two@1") },
        {
          "one@1.0.0": { dependencies: on("kit@1", "ui@1", "core@1.0.0") },
          "two@1.0.0": { dependencies: on("kit@1", "ui@1", "core@2.0.0") },
          "kit@1.0.0": { peerDependencies: on("ui@1") },
          "ui@1.0.0": { peerDependencies: on("core@*") },
          "core@1.0.0": {},
          "core@2.0.0": {}
        }
      )
      for (const user of ["one@1.0.0", "two@1.0.0"]) {
        const seen = shape(tree)[user]!
        assert.strictEqual(shape(tree)[seen["kit"]!]!["ui"], seen["ui"])
      }
    })
  )

  it.effect("that bring peers without end are refused", () =>
    Effect.gen(function* () {
      const packages = Object.fromEntries(
        Array.from({ length: 40 }, (_, i) => [`p${i}@1.0.0`, { peerDependencies: on(`p${i + 1}@1`) }] as const)
      )
      const error = yield* Effect.flip(make({ dependencies: on("p0@1") }, { ...packages, "p40@1.0.0": {} }))
      assert.strictEqual(error.reason._tag, "TooManyDependencies")
      assert.include(error.message, "32")
    })
  )

  it.effect("are a digest in ids where they are many", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 50 }, (_, i) => `peer-${i}`)
      const tree = yield* make(
        { dependencies: on("a@1", ...names.map((name) => `${name}@1`)) },
        {
          "a@1.0.0": { peerDependencies: on(...names.map((name) => `${name}@1`)) },
          ...Object.fromEntries(names.map((name) => [`${name}@1.0.0`, {}]))
        }
      )
      assert.match(shape(tree)["project"]!["a"]!, /^a@1\.0\.0\(…[0-9a-f]{16}\)$/)
    })
  )
})

describe("a chain of thousands of packages", () => {
  it.effect("is laid out in time and space that grow with its length alone", () =>
    Effect.gen(function* () {
      const LENGTH = 5000
      const chain: DependencyGraph.Source<never, never> = {
        resolve: ({ name }) => Effect.succeed(choiceOf(`${name}@1.0.0`)),
        manifestOf: ({ release }) => {
          const number = Number(release.n.split("-")[1])
          const below = number + 1 < LENGTH ? { dependencies: on(`x-${number + 1}@1`) } : {}
          return Effect.succeed(manifestOf(`${release.n}@1.0.0`, { ...below, peerDependencies: on("host-99999@1") }))
        }
      }
      const tree = yield* DependencyTree.resolveTree({ dependencies: on("x-0@1") }, chain)
      assert.strictEqual(tree.instances.size, LENGTH + 1)
    })
  )
})
