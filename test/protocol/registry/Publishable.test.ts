import { assert, describe, it } from "@effect/vitest"
import * as Publishable from "../../../src/protocol/registry/Publishable.ts"

describe("Publishable", () => {
  it("has obstacles where what it needs is in no registry", () => {
    const metadata = {
      dependencies: {
        fine: "^1",
        empty: "",
        tagged: "latest",
        file: "file:../x",
        own: "workspace:*",
        other: "npm:leaf@^1",
        twice: "npm:leaf@npm:leaf@1",
        git: "git+https://example.org/x.git"
      },
      peerDependencies: { peer: "link:./peer", spare: "file:./spare" },
      peerDependenciesMeta: { spare: { optional: true } }
    }
    const obstacles = Publishable.obstaclesOf(metadata, new Set())
    const named = obstacles.map((text) => /dependency "([^@]+)@/.exec(text)?.[1])
    assert.deepStrictEqual(named, ["file", "git", "own", "twice", "peer"].toSorted())
    assert.include(obstacles.join(), "is an alias of an alias")
  })

  it("has none where all can be asked for", () => {
    assert.deepStrictEqual(Publishable.obstaclesOf({}, new Set()), [])
    assert.deepStrictEqual(Publishable.obstaclesOf({ dependencies: { "@a/b": ">=1 <3 || 5.x" } }, new Set()), [])
  })

  it("has none in what it brings along itself, nor in what is optional", () => {
    const metadata = {
      dependencies: { own: "file:../own", spare: "file:../spare" },
      optionalDependencies: { spare: "file:../spare" }
    }
    assert.deepStrictEqual(Publishable.obstaclesOf(metadata, new Set(["node_modules/own/package.json"])), [])
    assert.lengthOf(Publishable.obstaclesOf(metadata, new Set(["node_modules/own/index.js"])), 1)
  })

  it("lacks commands without a file, and optional dependencies that nobody gets", () => {
    const lacks = Publishable.lacksOf(
      { bin: { there: "./cli.js", gone: "bin/gone.js" }, optionalDependencies: { a: "^1", b: "file:b" } },
      new Set(["cli.js"])
    )
    assert.lengthOf(lacks, 2)
    assert.include(lacks[0], "b@file:b")
    assert.include(lacks[1], "gone is to be bin/gone.js")
  })
})
