/** Real programs, in processes of their own, preloaded as `ls-cli run` and a user do it. */
import { type SpawnSyncReturns, spawnSync } from "node:child_process"
import * as Path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { build } from "rolldown"
import * as Preload from "../../../src/runtime/modules/Preload.ts"
import * as Fixture from "./Fixture.ts"
import * as Sample from "./Sample.ts"

const root = Path.resolve(import.meta.dirname, "../../..")

const print = "process.stdout.write(JSON.stringify(globalThis.result))\n"

const fixture = Sample.make({
  "app.mjs": `${Sample.entry}${print}`,
  "app.cjs": `
const plain = require("plain")
globalThis.result = {
  plain, kind: require("dual").kind, sub: require("dual/sub"), deep: require("@scope/scoped/deep"), left: require("left"),
  right: require("right"), own: require("#own"), data: require("plain/data.json"), same: require("left") === require("left"),
  resolved: require.resolve("dual/sub"), paths: require.resolve("plain", { paths: [__dirname] }),
  mid: require(require.resolve("mid", { paths: [require("node:path").dirname(require.resolve("right"))] })),
  fs: typeof require("fs").readFileSync
}
${print}`,
  "meta.mjs": `
import { createRequire } from "node:module"
import data from "plain/data.json" with { type: "json" }
const require = createRequire(import.meta.url)
globalThis.result = { data, url: import.meta.resolve("dual/sub"), path: require.resolve("dual/sub"), kind: require("dual").kind,
  lazy: (await import("dual")).kind }
${print}`,
  "failures.mjs": `
import { createRequire } from "node:module"
const require = createRequire(import.meta.url)
const codeOf = async (work) => { try { await work() } catch (error) { return [error.code, error.message] } }
globalThis.result = [
  await codeOf(() => import("absent")), await codeOf(() => require("absent")), await codeOf(() => import("phantom")),
  await codeOf(() => import("./absent.js")), await codeOf(() => import("dual/absent"))
]
${print}`,
  "uncaught.cjs": "// A comment\nrequire('absent')\n",
  "uncaught.mjs": "import 'absent'\n",
  "later.mjs": "await import('absent')\n",
  "threads.mjs": `
import { Worker } from "node:worker_threads"
const run = (...args) => new Promise((resolve, reject) => new Worker(...args).on("message", resolve).on("error", reject))
globalThis.result = [
  await run(new URL("./thread.cjs", import.meta.url)), await run(new URL("./thread.mjs", import.meta.url)),
  await run("require('node:worker_threads').parentPort.postMessage(require('right'))", { eval: true })
]
${print}`,
  "thread.cjs":
    "require('node:worker_threads').parentPort.postMessage(require('left') + ' ' + require.resolve('left').length)\n",
  "thread.mjs":
    "import left from 'left'\nimport { parentPort } from 'node:worker_threads'\nparentPort.postMessage(left)\n",
  "children.mjs": `
import * as Child from "node:child_process"
const fork = await new Promise((resolve) => Child.fork(new URL("./child.mjs", import.meta.url)).on("message", resolve))
const spawn = Child.execFileSync(process.execPath, ["-p", "require('left')"], { encoding: "utf8", cwd: import.meta.dirname })
const deep = Child.execFileSync(process.execPath, [new URL("./app.cjs", import.meta.url).pathname], { encoding: "utf8", cwd: "/" })
globalThis.result = [fork, spawn.trim(), JSON.parse(deep).sub]
${print}`,
  "child.mjs": "import left from 'left'\nprocess.send(left)\n",
  "node_modules/installed/index.js": "module.exports = 'by another'\n",
  "mixed.cjs": `globalThis.result = [require("installed"), require("left")]\n${print}`
})

let register = ""

beforeAll(async () => {
  register = Path.join(fixture.home, "register.cjs")
  await build({
    cwd: root,
    platform: "node",
    input: "src/runtime/modules/Register.ts",
    output: { file: register, format: "cjs", minify: true }
  })
})
afterAll(() => Fixture.remove(fixture))

const node = (args: ReadonlyArray<string>, cwd = fixture.project): SpawnSyncReturns<string> => {
  const { NODE_OPTIONS: _, ...environment } = process.env
  const env = { ...environment, LIBRESEED_HOME: fixture.home }
  return spawnSync(process.execPath, [...args], { cwd, env, encoding: "utf8" })
}

const resultOf = (args: ReadonlyArray<string>, cwd?: string): unknown => {
  const { status, stderr, stdout } = node(args, cwd)
  assert.strictEqual(status, 0, stderr)
  assert.strictEqual(stderr, "")
  return JSON.parse(stdout)
}

describe("a program that fails", () => {
  it.each(["uncaught.cjs", "uncaught.mjs", "later.mjs"])("by %s says why, and shows no line of ours", (file) => {
    const { status, stderr } = node(["--require", register, file])
    assert.strictEqual(status, 1)
    assert.match(stderr, /^ModuleError: Cannot find (module|package) 'absent': absent is not a dependency/m)
    assert.include(stderr, "Add it to package.json and run: ls-cli lock")
    assert.include(stderr, "MODULE_NOT_FOUND'\n}")
    assert.notInclude(stderr, register)
    assert.notInclude(stderr, "throw ModuleError")
    assert.isBelow(stderr.length, 1_500)
    if (file === "uncaught.cjs") assert.match(stderr, /uncaught\.cjs:2:/)
  })
})

describe("a program", () => {
  it.each([["--require"], ["--import"]])("of modules finds all that it imports, preloaded by %s", (flag) => {
    assert.deepStrictEqual(resultOf([flag, register, "app.mjs"]), Sample.expected)
  })

  it("of CommonJS finds all that it requires, and what require.resolve is asked", () => {
    const directory = (id: string, path: string) => Path.join(fixture.directoryOf(id), path)
    assert.deepStrictEqual(resultOf(["--import", register, "app.cjs"]), {
      plain: Sample.expected.plain,
      kind: "common",
      sub: Sample.expected.sub,
      deep: "deep",
      left: Sample.expected.left,
      right: Sample.expected.right,
      own: "own",
      data: { answer: 42 },
      same: true,
      resolved: directory("dual@1.0.0", "sub.cjs"),
      paths: directory("plain@1.0.0", "lib/index.js"),
      mid: "mid over peer 2",
      fs: "function"
    })
  })

  it("finds it from another directory, and with conditions of the user", () => {
    assert.deepStrictEqual(
      resultOf(["--require", register, "-C", "unheard-of", fixture.file("app.mjs")], "/"),
      Sample.expected
    )
  })

  it("meets the two kinds of modules of one package, and import.meta.resolve", () => {
    const path = Path.join(fixture.directoryOf("dual@1.0.0"), "sub.cjs")
    assert.deepStrictEqual(resultOf(["--require", register, "meta.mjs"]), {
      data: { answer: 42 },
      url: `file://${path}`,
      path,
      kind: "common",
      lazy: "module"
    })
  })

  it("is told what is not locked, with Node's codes and what to do", () => {
    const [imported, required, phantom, relative, subpath] = resultOf(["--require", register, "failures.mjs"]) as Array<
      [string, string]
    >
    assert.strictEqual(imported![0], "ERR_MODULE_NOT_FOUND")
    assert.match(
      imported![1],
      /^Cannot find package 'absent': absent is not a dependency of the project .*ls-cli lock/s
    )
    assert.strictEqual(required![0], "MODULE_NOT_FOUND")
    assert.match(required![1], /^Cannot find module 'absent': absent is not a dependency of the project .*ls-cli lock/s)
    assert.strictEqual(phantom![0], "MODULE_NOT_FOUND")
    assert.match(phantom![1], /plain is not a dependency of phantom@1\.0\.0/)
    assert.strictEqual(relative![0], "ERR_MODULE_NOT_FOUND")
    assert.notInclude(relative![1], "dependency")
    assert.strictEqual(subpath![0], "ERR_PACKAGE_PATH_NOT_EXPORTED")
  })

  it("still finds what another package manager installed", () => {
    assert.deepStrictEqual(resultOf(["--require", register, "mixed.cjs"]), ["by another", Sample.expected.left])
  })

  it("runs as ever where no lock file is", () => {
    const { status, stderr } = node(["--require", register, "-e", "require('absent')"], "/")
    assert.strictEqual(status, 1)
    assert.include(stderr, "Cannot find module 'absent'\nRequire stack")
  })
})

describe("what a program starts", () => {
  it("finds its modules too: threads of either kind, and those that run a text", () => {
    const [common, module, text] = resultOf(["--require", register, "threads.mjs"]) as Array<string>
    assert.match(common!, /^left mid over peer 1 \d+$/)
    assert.deepStrictEqual([module, text], [Sample.expected.left, Sample.expected.right])
  })

  it("finds its modules too: processes, wherever they are started", () => {
    assert.deepStrictEqual(resultOf(["--import", register, "children.mjs"]), [
      Sample.expected.left,
      Sample.expected.left,
      Sample.expected.sub
    ])
  })
})

describe("NODE_OPTIONS", () => {
  it("keep what they were, preload once, and stand any path", () => {
    const once = Preload.withPreload("--no-warnings", '/a b/re"g\\ister.cjs')
    assert.strictEqual(once, '--no-warnings --require="/a b/re\\"g\\\\ister.cjs"')
    assert.strictEqual(Preload.withPreload(once, '/a b/re"g\\ister.cjs'), once)
    assert.strictEqual(Preload.withPreload(undefined, "/r.cjs"), "--require=/r.cjs")
  })
})
