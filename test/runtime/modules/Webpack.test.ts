import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import webpack from "webpack"
import LibreSeedPlugin from "../../../src/runtime/modules/Webpack.ts"
import { resultOf } from "./Bundled.ts"
import * as Fixture from "./Fixture.ts"
import * as Sample from "./Sample.ts"

const fixture = Sample.make({
  "app.js": Sample.entry,
  "fields.js": "import scoped from '@scope/scoped'\nglobalThis.result = scoped\n",
  "failing.js": "import 'phantom'\nimport 'absent'\nimport 'dual/files/private/b.js'\n"
})
afterAll(() => Fixture.remove(fixture))

const bundle = (entry: string, options: webpack.Configuration = {}): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const path = Path.join(fixture.project, "out")
    const plugins = [new LibreSeedPlugin({ home: fixture.home })]
    const output = { path, filename: "bundle.js" }
    webpack(
      { context: fixture.project, entry: `./${entry}`, mode: "none", devtool: false, output, plugins, ...options },
      (error, stats) => {
        if (error) return reject(error)
        if (stats!.hasErrors()) return reject(new Error(stats!.toString({ all: false, errors: true })))
        resolve(resultOf(Fs.readFileSync(Path.join(path, "bundle.js"), "utf8"), options.target === "node"))
      }
    )
  })

describe("webpack", () => {
  it.each(["web", "node"])("bundles what is locked, for the target %s", async (target) => {
    assert.deepStrictEqual(await bundle("app.js", { target }), Sample.expected)
  })

  it("goes by the fields of package.json that it goes by anyway", async () => {
    assert.strictEqual(await bundle("fields.js", { target: "web" }), "browser undefined")
    assert.strictEqual(await bundle("fields.js", { target: "node" }), "module")
    assert.strictEqual(await bundle("fields.js", { target: "node", resolve: { mainFields: ["main"] } }), "main")
  })

  it("says what is not locked, not a dependency, and not exported", async () => {
    const failure = await bundle("failing.js").then(
      () => "none",
      (error: unknown) => String(error)
    )
    assert.include(failure, "plain is not a dependency of phantom@1.0.0")
    assert.include(failure, "Can't resolve 'absent'")
    assert.include(failure, "is not exported")
  })

  it("finds loaders that are locked", async () => {
    const other = Fixture.make({
      project: { "app.js": "import text from 'shout!./hello.txt'\nglobalThis.result = text\n", "hello.txt": "hello" },
      dependencies: ["shout@1.0.0"],
      packages: {
        "shout@1.0.0": {
          files: { "index.js": "module.exports = (text) => `export default ${JSON.stringify(text.toUpperCase())}`\n" }
        }
      }
    })
    const plugins = [new LibreSeedPlugin({ home: other.home, lock: other.lock })]
    assert.strictEqual(await bundle("app.js", { context: other.project, plugins }), "HELLO")
    Fixture.remove(other)
  })
})
