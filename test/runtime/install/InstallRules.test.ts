import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Version from "../../../src/protocol/core/Version.ts"
import * as Bins from "../../../src/runtime/install/Bins.ts"
import * as Engines from "../../../src/runtime/install/Engines.ts"
import * as InstanceNames from "../../../src/runtime/install/InstanceNames.ts"
import * as LightEngines from "../../../src/runtime/install/LightEngines.ts"
import * as SavedRange from "../../../src/runtime/install/SavedRange.ts"
import * as PackageFacts from "../../../src/runtime/store/PackageFacts.ts"
import * as UnpackedIndex from "../../../src/runtime/store/UnpackedIndex.ts"

const RELEASE = { name: "@s/tool", version: "1.0.0" }

const factsOf = (json: object, paths: ReadonlyArray<string> = ["package.json"]) =>
  PackageFacts.parse(new TextEncoder().encode(JSON.stringify(json)), RELEASE, paths)

describe("a range that is saved", () => {
  const cases: ReadonlyArray<readonly [string, string, string]> = [
    ["latest", "1.2.3", "^1.2.3"],
    ["*", "1.2.3", "^1.2.3"],
    ["1.2.3", "1.2.3", "^1.2.3"],
    ["^1.0.0", "1.2.3", "^1.2.3"],
    ["1.x", "1.2.3", "^1.2.3"],
    ["~1.2", "1.2.3", "~1.2"],
    [">=1 <1.5", "1.2.3", ">=1 <1.5"],
    ["next", "2.0.0-rc.1", "^2.0.0-rc.1"]
  ]
  for (const [asked, version, saved] of cases) {
    it(`is ${saved} for ${asked} and ${version}`, () => {
      const wanted = Option.getOrThrow(Version.parseWanted(asked))
      assert.strictEqual(SavedRange.of(wanted, Version.Version.make(version)), saved)
    })
  }
})

describe("commands of a package", () => {
  const commandsOf = (json: object, paths: ReadonlyArray<string>) =>
    Object.fromEntries(
      Bins.commandsOf(
        UnpackedIndex.make(
          [],
          factsOf(json, paths),
          paths.map((path) => [path, 0, 0, 0o644] as const)
        )
      )
    )
  const cases: ReadonlyArray<readonly [string, object, object]> = [
    ["one, named as the package without its scope", { bin: "./cli.js" }, { tool: "cli.js" }],
    ["some with names", { bin: { a: "cli.js", b: "bin/x.js" } }, { a: "cli.js", b: "bin/x.js" }],
    ["only those whose files are there", { bin: { a: "gone.js" } }, {}],
    [
      "none that climb out",
      { bin: { "../../evil": "../../cli.js", "@s/x": "/cli.js" } },
      { evil: "cli.js", x: "cli.js" }
    ],
    ["those of a directory", { directories: { bin: "./bin" } }, { "x.js": "bin/x.js" }],
    ["none of a directory that climbs out", { directories: { bin: "../bin" } }, {}],
    ["none of a field of another type", { bin: 7 }, {}]
  ]
  for (const [title, json, commands] of cases) {
    it(`are ${title}`, () =>
      assert.deepStrictEqual(commandsOf(json, ["bin/x.js", "cli.js", "package.json"]), { ...commands }))
  }
})

describe("scripts of a package", () => {
  it("are those of an install, and npm's own for what is to be compiled", () => {
    const scripts = { install: "x", prepare: "y", test: "z", postinstall: " " }
    assert.deepStrictEqual(factsOf({ scripts }).scripts, { install: "x" })
    assert.deepStrictEqual(factsOf({}, ["binding.gyp"]).scripts, { install: "node-gyp rebuild" })
    assert.isUndefined(factsOf({ gypfile: false }, ["binding.gyp"]).scripts)
    assert.isUndefined(factsOf({ scripts: "x" }).scripts)
  })
})

describe("what a package asks of others", () => {
  it("is what its package.json says, without what it brings with it", () => {
    const json = {
      dependencies: { a: "1", inner: "1" },
      optionalDependencies: { inner: "2" },
      peerDependencies: { b: "*", c: ">=1" },
      peerDependenciesMeta: { b: { optional: true }, c: { optional: false }, d: 7 }
    }
    assert.deepStrictEqual(factsOf(json, ["node_modules/inner/package.json", "package.json"]).wishes, {
      dependencies: { a: "1" },
      optionalDependencies: {},
      peerDependencies: { b: "*", c: ">=1" },
      peerDependenciesMeta: { b: { optional: true } }
    })
    assert.deepStrictEqual(factsOf(json).wishes?.optionalDependencies, { inner: "2" })
    assert.isUndefined(factsOf({ dependencies: {}, peerDependencies: "x" }).wishes)
  })
})

describe("engines", () => {
  const ranges = [
    ">=4",
    ">= 0.10.0",
    "*",
    "",
    ">=18.0.0 <19",
    "^20 || >=22.12.0",
    "<1",
    ">=9999",
    "24.x",
    "not a range"
  ]
  for (const node of ranges) {
    it(`are plainly fine only where they are fine: ${JSON.stringify(node)}`, () => {
      const facts = { ...RELEASE, engines: { node } }
      if (LightEngines.isPlainlyFine(facts)) assert.isUndefined(Engines.problemOf(facts))
    })
  }
  it("are asked of this Node", () => {
    assert.isDefined(Engines.problemOf({ ...RELEASE, engines: { node: "<1" } }))
    assert.isFalse(LightEngines.isPlainlyFine({ ...RELEASE, engines: { node: ">=25" } }, "24.9.0"))
    assert.isTrue(LightEngines.isPlainlyFine({ ...RELEASE, engines: { node: "^20.1.0 || >=22.12.0" } }, "24.1.0"))
  })
})

describe("names of instances", () => {
  const node = (content: string, dependencies: Readonly<Record<string, string>> = {}): InstanceNames.Node => ({
    label: "@s/p@1.0.0",
    content,
    dependencies: new Map(Object.entries(dependencies))
  })
  const namesOf = (nodes: Readonly<Record<string, InstanceNames.Node>>) =>
    InstanceNames.make(new Map(Object.entries(nodes))).names

  it("change with what is below, and with nothing else", () => {
    const before = namesOf({ a: node("a", { b: "b" }), b: node("b", { c: "c" }), c: node("c"), d: node("d") })
    const after = namesOf({ d: node("d"), c: node("C"), b: node("b", { c: "c" }), a: node("a", { b: "b" }) })
    assert.notStrictEqual(after.get("a"), before.get("a"))
    assert.notStrictEqual(after.get("b"), before.get("b"))
    assert.strictEqual(after.get("d"), before.get("d"))
    for (const name of before.values()) assert.match(name, InstanceNames.PATTERN)
  })

  it("tell the members of a circle apart, in whatever order they are found", () => {
    const circle = { a: node("x", { b: "b" }), b: node("x", { a: "a", c: "c" }), c: node("c") }
    const names = namesOf(circle)
    assert.notStrictEqual(names.get("a"), names.get("b"))
    const { a, b, c } = circle
    assert.deepStrictEqual(new Map([...namesOf({ c, b, a })].toSorted()), new Map([...names].toSorted()))
    assert.notStrictEqual(namesOf({ a, b, c: node("C") }).get("a"), names.get("a"))
  })

  it("come in an order in which dependencies stand before those who depend on them", () => {
    const { order } = InstanceNames.make(
      new Map([
        ["a", node("a", { b: "b" })],
        ["b", node("b", { c: "c" })],
        ["c", node("c")]
      ])
    )
    assert.deepStrictEqual(order, ["c", "b", "a"])
  })

  it("are found for a chain as long as a tree may be", () => {
    const nodes = new Map(
      Array.from({ length: 20_000 }, (_, at) => [`${at}`, node(`${at}`, at === 19_999 ? {} : { n: `${at + 1}` })])
    )
    assert.lengthOf(new Set(InstanceNames.make(nodes).names.values()), 20_000)
  })
})
