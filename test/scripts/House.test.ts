/**
 * Each house rule catches what it is there for, at the right line, and says nothing about a clean tree.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { inspect } from "../../scripts/house/House.ts"

let root = ""

beforeEach(() => {
  root = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-house-"))
})

afterEach(() => {
  Fs.rmSync(root, { recursive: true, force: true })
})

const write = (files: Readonly<Record<string, string>>): void => {
  for (const [path, text] of Object.entries(files)) {
    Fs.mkdirSync(Path.dirname(Path.join(root, path)), { recursive: true })
    Fs.writeFileSync(Path.join(root, path), text)
  }
}

/** What the rules say about `files`, as `file:line rule`. */
const found = (files: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  write(files)
  return inspect(root).map(({ file, line, rule }) => `${file}:${line} ${rule}`)
}

const manifest = JSON.stringify({ dependencies: { effect: "4.1.0", tar: "7.5.23" } })

describe("the house rules", () => {
  it("say nothing about a clean tree", () => {
    const files = {
      "package.json": manifest,
      "src/protocol/core/Hash.ts":
        'import * as Effect from "effect/Effect"\nexport const one = Effect.succeed(new Date(0))\n',
      "src/protocol/dht/Record.ts": 'import { one } from "../core/Hash.ts"\nexport const two = one\n',
      "src/protocol/index.ts": 'export * from "./dht/Record.ts"\nexport * from "./core/Hash.ts"\n',
      "src/runtime/index.ts": 'import * as Fs from "node:fs"\nimport * as Tar from "tar"\nexport { Fs, Tar }\n',
      "src/cli/main.ts": 'import { Fs } from "../runtime/index.ts"\nconsole.log(Fs, Date.now())\n',
      "test/Record.test.ts": 'it("skips nothing", () => { array.only(1) })\n'
    }
    assert.deepStrictEqual(found(files), [])
  })

  it("keep Node and platform packages out of src/protocol, however they are imported", () => {
    const text = [
      'import * as Fs from "node:fs"',
      'import type { Socket } from "net"',
      'export { layer } from "@effect/platform-node/NodeServices"',
      'export const later = () => import("node:os")',
      'export type Hash = import("node:crypto").Hash',
      'export const word = "node:fs" // import "node:fs"'
    ].join("\n")
    const violations = found({ "src/protocol/core/A.ts": text }).filter((line) => line.endsWith("pure-protocol"))
    assert.deepStrictEqual(
      violations,
      [1, 2, 3, 4, 5].map((line) => `src/protocol/core/A.ts:${line} pure-protocol`)
    )
  })

  it("hold the direction of the layers", () => {
    const files = {
      "src/protocol/core/A.ts": 'import "../../runtime/B.ts"\n',
      "src/runtime/B.ts": '\nimport type { C } from "../cli/C.ts"\n',
      "src/cli/C.ts": 'import "../../test/Fixture.ts"\n'
    }
    assert.deepStrictEqual(found(files), [
      "src/cli/C.ts:1 folder-direction",
      "src/protocol/core/A.ts:1 folder-direction",
      "src/runtime/B.ts:2 folder-direction"
    ])
  })

  it("hold the order of the folders in src/protocol, and know all of them", () => {
    const files = {
      "src/protocol/dht/A.ts": 'import "../registry/B.ts"\n',
      "src/protocol/registry/B.ts": 'import "../core/C.ts"\n',
      "src/protocol/core/C.ts": 'import "../index.ts"\n',
      "src/protocol/swarm/D.ts": 'import "../testing/E.ts"\n',
      "src/protocol/other/F.ts": 'import "../core/G.ts"\n'
    }
    assert.deepStrictEqual(found(files), [
      "src/protocol/core/C.ts:1 folder-direction",
      "src/protocol/dht/A.ts:1 folder-direction",
      "src/protocol/other/F.ts:1 folder-direction",
      "src/protocol/swarm/D.ts:1 folder-direction"
    ])
  })

  it("find a circle of imports, also one of types alone", () => {
    const files = {
      "src/protocol/core/A.ts": 'import { b } from "./B.ts"\n',
      "src/protocol/core/B.ts": '\nimport type { C } from "./C.ts"\n',
      "src/protocol/core/C.ts": 'export * from "./A.ts"\n'
    }
    write(files)
    const [violation, ...others] = inspect(root)
    assert.deepStrictEqual(others, [])
    assert.strictEqual(violation?.rule, "import-cycle")
    assert.include(
      violation?.message,
      "core/A.ts → src/protocol/core/B.ts → src/protocol/core/C.ts → src/protocol/core/A.ts"
    )
  })

  it("ask for declared dependencies and for modules instead of the barrel", () => {
    const text =
      'import { Effect } from "effect"\nimport ws from "ws"\nimport * as Node from "@effect/platform-node/NodeServices"\n'
    assert.deepStrictEqual(found({ "package.json": manifest, "src/runtime/A.ts": text }), [
      "src/runtime/A.ts:1 effect-barrel",
      "src/runtime/A.ts:2 declared-dependency"
    ])
  })

  it("let only the command line print", () => {
    const text = '// console.log\nexport const word = "console.log(1)"\nconsole.error(word)\n'
    assert.deepStrictEqual(found({ "src/runtime/A.ts": text, "src/cli/B.ts": text }), ["src/runtime/A.ts:3 no-console"])
  })

  it("find clocks, chance and timers in src/protocol, and leave dates with an argument alone", () => {
    const lines = [
      "export const parsed = new Date(1)",
      "Date.now()",
      "new Date()",
      "Math.random()",
      "setTimeout(() => {}, 1)",
      "globalThis.setInterval(() => {}, 1)",
      "performance.now()",
      "setImmediate(() => {})"
    ]
    const files = { "src/protocol/core/A.ts": lines.join("\n"), "src/runtime/B.ts": lines.join("\n") }
    assert.deepStrictEqual(
      found(files),
      [2, 3, 4, 5, 6, 7, 8].map((line) => `src/protocol/core/A.ts:${line} ambient-state`)
    )
  })

  it("find tests that are skipped or focused", () => {
    const lines = [
      'it.skip("a", () => {})',
      'describe.only("b", () => {})',
      'it.effect.skip("c", () => {})',
      'it.each([1]).only("d", () => {})',
      'test.todo("e")',
      'xit("f", () => {})',
      'it.skipIf(true)("g", () => {})',
      'it("h", () => {})'
    ]
    const files = { "property-tests/A.test.ts": lines.join("\n") }
    const expected = [1, 2, 3, 4, 5, 6, 7].map((line) => `property-tests/A.test.ts:${line} every-test-runs`)
    assert.deepStrictEqual(found(files), expected)
  })

  it("let tests be left out in one place only, which reports them as not run", () => {
    const text = 'describe.skipIf(true)("a", () => {})\n'
    const files = { "test/interop/Requirement.ts": text, "test/interop/Other.test.ts": text }
    assert.deepStrictEqual(found(files), ["test/interop/Other.test.ts:1 every-test-runs"])
  })

  it("find every way around the type checker in src", () => {
    const lines = [
      "export const a: any = 1",
      "export const b = 1 as never",
      "export const c = 1 as unknown as string",
      `// @ts-${"ignore"}`,
      "export const d = 1 as unknown"
    ]
    const files = { "src/runtime/A.ts": lines.join("\n"), "test/A.ts": lines.join("\n") }
    assert.deepStrictEqual(
      found(files),
      [1, 2, 3, 4].map((line) => `src/runtime/A.ts:${line} type-escape`)
    )
  })

  it("find paths of one machine and remarks about what is left to do", () => {
    const machine = ["/hom", "e/ada/project/file"].join("")
    const remark = ["TO", "DO"].join("")
    const files = {
      "docs/guide.md": `one\n${machine}\n`,
      "src/runtime/A.ts": `// ${remark}: more\n`,
      "README.md": "docs/home/page/x\n"
    }
    assert.deepStrictEqual(found(files), ["docs/guide.md:2 machine-path", "src/runtime/A.ts:1 left-to-do"])
  })

  it("miss an optional dependency that the lock file does not name", () => {
    const packages = {
      "": { optionalDependencies: { here: "1.0.0" } },
      "node_modules/here": { version: "1.0.0", optionalDependencies: { absent: "^2.0.0", below: "3.0.0" } },
      "node_modules/below": { version: "2.0.0" },
      "node_modules/here/node_modules/below": { version: "3.0.0" }
    }
    assert.deepStrictEqual(found({ "package-lock.json": JSON.stringify({ packages }) }), [
      "package-lock.json:1 lock-complete"
    ])
  })

  it("say where a file does not parse", () => {
    assert.deepStrictEqual(found({ "src/runtime/A.ts": "export const a = 1\nexport const = 2\n" }), [
      "src/runtime/A.ts:2 syntax"
    ])
  })
})
