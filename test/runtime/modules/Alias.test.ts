import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Esbuild from "esbuild"
import * as Rolldown from "rolldown"
import webpack from "webpack"
import esbuildPlugin from "../../../src/runtime/modules/Esbuild.ts"
import * as Lookup from "../../../src/runtime/modules/Lookup.ts"
import vitePlugin from "../../../src/runtime/modules/Vite.ts"
import LibreSeedPlugin from "../../../src/runtime/modules/Webpack.ts"
import { resultOf } from "./Bundled.ts"
import * as Fixture from "./Fixture.ts"

const SEEN = "lib 1,lib 2,lib 2+lib 1+own"

const version = (of: string): Fixture.Files => ({
  "package.json": { main: "index.js" },
  "index.js": `module.exports = "${of}"`,
  "cli.js": ""
})

const fixture = Fixture.make({
  project: {
    "bundled.js":
      'import old from "old"; import now from "@s/new"; import user from "user"; globalThis.result = [old, now, user].join()',
    "a.cjs": 'console.log([require("old"), require("@s/new"), require("user")].join())',
    "a.mjs":
      'import old from "old"; import now from "@s/new"; import user from "user"; console.log([old, now, user].join())'
  },
  dependencies: ["user@1.0.0"],
  aliases: { old: "lib@1.0.0", "@s/new": "lib@2.0.0" },
  answers: {
    "old@npm:lib@1": "lib@1.0.0",
    "@s/new@npm:lib": "lib@2.0.0",
    "lib-cjs@npm:lib@1": "lib@1.0.0",
    "user@npm:@s/own@1": "@s/own@1.0.0"
  },
  packages: {
    "lib@1.0.0": { files: version("lib 1") },
    "lib@2.0.0": { files: version("lib 2") },
    "@s/own@1.0.0": { files: version("own") },
    "user@1.0.0": {
      files: { "index.js": 'module.exports = [require("lib"), require("lib-cjs"), require("user")].join("+")' },
      dependencies: { lib: "lib@2.0.0", "lib-cjs": "lib@1.0.0", user: "@s/own@1.0.0" }
    }
  }
})
afterAll(() => Fixture.remove(fixture))

describe("an alias", () => {
  it("leads to the files of the package that it stands for", () => {
    const { lookup } = Lookup.open(fixture)
    const inside = (id: string) => Path.join(fixture.directoryOf(id), "index.js")
    assert.strictEqual(lookup("old", fixture.file("a.mjs")), inside("lib@1.0.0"))
    assert.strictEqual(lookup("@s/new", fixture.file("a.mjs")), inside("lib@2.0.0"))
    assert.isUndefined(lookup("lib", fixture.file("a.mjs")))
    const user = inside("user@1.0.0")
    assert.strictEqual(lookup("lib-cjs", user), inside("lib@1.0.0"))
    assert.strictEqual(lookup("lib", user), inside("lib@2.0.0"))
    assert.strictEqual(lookup("user", user), inside("@s/own@1.0.0"))
  })

  for (const file of ["a.cjs", "a.mjs"]) {
    it(`is required and imported in a program: ${file}`, () => {
      const register = Path.resolve(import.meta.dirname, "../../../src/runtime/modules/Register.ts")
      const { stderr, stdout } = spawnSync(process.execPath, ["--import", register, fixture.file(file)], {
        encoding: "utf8",
        env: { ...process.env, LIBRESEED_HOME: fixture.home, LIBRESEED_LOCK: fixture.lock }
      })
      assert.strictEqual(stdout.trim(), SEEN, stderr)
    })
  }

  describe("is bundled", () => {
    it("by esbuild", async () => {
      const { outputFiles } = await Esbuild.build({
        absWorkingDir: fixture.project,
        entryPoints: ["bundled.js"],
        bundle: true,
        write: false,
        format: "iife",
        plugins: [esbuildPlugin({ home: fixture.home })]
      })
      assert.strictEqual(resultOf(outputFiles[0]!.text), SEEN)
    })

    it("by Rolldown and Vite", async () => {
      const { output } = await Rolldown.build({
        cwd: fixture.project,
        input: "bundled.js",
        plugins: [vitePlugin({ home: fixture.home, lock: fixture.lock })],
        logLevel: "silent",
        output: { format: "iife" },
        write: false
      })
      assert.strictEqual(resultOf(output[0].code), SEEN)
    })

    it("by webpack", async () => {
      const path = Path.join(fixture.project, "out")
      const plugins = [new LibreSeedPlugin({ home: fixture.home })]
      await new Promise<void>((resolve, reject) =>
        webpack(
          {
            context: fixture.project,
            entry: "./bundled.js",
            mode: "none",
            devtool: false,
            output: { path, filename: "bundle.js" },
            plugins
          },
          (error, stats) => (error || stats!.hasErrors() ? reject(error ?? new Error(stats!.toString())) : resolve())
        )
      )
      assert.strictEqual(resultOf(Fs.readFileSync(Path.join(path, "bundle.js"), "utf8")), SEEN)
    })
  })

  it("is refused where no answer says so", () => {
    const other = Fixture.make({
      project: {},
      dependencies: [],
      aliases: { old: "lib@1.0.0" },
      packages: { "lib@1.0.0": { files: version("lib 1") } }
    })
    try {
      assert.throws(() => Lookup.open(other), /old is said to be lib@1\.0\.0/)
    } finally {
      Fixture.remove(other)
    }
  })
})
