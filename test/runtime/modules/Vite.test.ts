/** The plugin in Vite, which builds and serves, in Rolldown, and in what Rollup asks of a plugin. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Rolldown from "rolldown"
import * as Vite from "vite"
import libreseed, { type Context } from "../../../src/runtime/modules/Vite.ts"
import { resultOf } from "./Bundled.ts"
import * as Fixture from "./Fixture.ts"
import * as Sample from "./Sample.ts"

const fixture = Sample.make({
  "index.html": '<script type="module" src="/app.js"></script>\n',
  "app.js": Sample.entry,
  "fields.js": "import scoped from '@scope/scoped'\nglobalThis.result = scoped\n",
  "phantom.js": "import 'phantom'\n",
  "private.js": "import 'dual/files/private/b.js'\n"
})
afterAll(() => Fixture.remove(fixture))

const options = { home: fixture.home, lock: fixture.lock }

const failureOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "none",
    (error: unknown) => String(error)
  )

describe("Rolldown", () => {
  const bundle = async (input: string, more: Rolldown.InputOptions = {}): Promise<unknown> => {
    const { output } = await Rolldown.build({
      cwd: fixture.project,
      input,
      plugins: [libreseed(options)],
      logLevel: "silent",
      output: { format: "iife" },
      write: false,
      ...more
    })
    return resultOf(output[0].code, more.platform === "node")
  }

  it.each(["browser", "node"] as const)("bundles what is locked, for the platform %s", async (platform) => {
    assert.deepStrictEqual(await bundle("app.js", { platform }), Sample.expected)
  })

  it("goes by the fields of package.json that it goes by anyway", async () => {
    assert.strictEqual(await bundle("fields.js", { platform: "browser" }), "browser undefined")
    assert.strictEqual(await bundle("fields.js", { platform: "node" }), "main")
  })

  it("says what is not a dependency, and what is not exported", async () => {
    assert.include(await failureOf(bundle("phantom.js")), "plain is not a dependency of phantom@1.0.0")
    assert.include(await failureOf(bundle("private.js")), "not exported")
  })
})

describe("Vite", () => {
  const config = (entry: string): Vite.InlineConfig => ({
    root: fixture.project,
    configFile: false,
    logLevel: "silent",
    plugins: [libreseed({ home: fixture.home })],
    cacheDir: Path.join(fixture.project, ".vite"),
    build: {
      write: false,
      minify: false,
      rolldownOptions: { input: Path.join(fixture.project, entry), output: { format: "iife" } }
    },
    server: { port: 0, host: "127.0.0.1", ws: false, hmr: false, watch: null }
  })

  const bundle = async (entry: string, more: Vite.InlineConfig = {}): Promise<unknown> => {
    const built = await Vite.build(Vite.mergeConfig(config(entry), more))
    const [first] = Array.isArray(built) ? built : [built]
    assert.isTrue(first !== undefined && "output" in first)
    return resultOf((first as Rolldown.RolldownOutput).output[0].code)
  }

  it("builds with what is locked, by the fields that it goes by anyway", async () => {
    assert.deepStrictEqual(await bundle("app.js"), Sample.expected)
    assert.strictEqual(await bundle("fields.js"), "browser undefined")
    assert.strictEqual(await bundle("fields.js", { resolve: { mainFields: ["module"] } }), "module")
  })

  it("says what is not a dependency", async () => {
    assert.include(await failureOf(bundle("phantom.js")), "plain is not a dependency of phantom@1.0.0")
  })

  it("serves a project whose dependencies it bundled beforehand, those of theirs included", async () => {
    const server = await Vite.createServer(config("app.js"))
    try {
      await server.listen()
      const address = server.httpServer!.address()
      assert.isTrue(typeof address === "object" && address !== null)
      const origin = `http://127.0.0.1:${(address as { readonly port: number }).port}`
      const read = async (path: string) => (await fetch(new URL(path, origin))).text()
      const app = await read("/app.js")
      const left = /"(\/[^"]*\/deps\/left\.js[^"]*)"/.exec(app)?.[1]
      const chunks = /from "(\.\/[^"]*)"/g
      const first = await read(left!)
      const others = await Promise.all(
        [...first.matchAll(chunks)].map(([, path]) => read(new URL(path!, new URL(left!, origin)).pathname))
      )
      const code = [first, ...others].join("\n")
      assert.include(code, "left ${")
      assert.include(code, "mid over ${")
      assert.include(code, "peer 1")
      // Anything in the store may be asked for, such as a font; nothing beside it may.
      const data = Path.join(fixture.directoryOf("plain@1.0.0"), "data.json")
      assert.strictEqual((await fetch(new URL(`/@fs${data}`, origin))).status, 200)
      Fs.writeFileSync(Path.join(fixture.home, "secret.txt"), "secret")
      assert.strictEqual((await fetch(new URL(`/@fs${fixture.home}/secret.txt`, origin))).status, 403)
    } finally {
      await server.close()
    }
  })
})

describe("Rollup", () => {
  /** Finds nothing by itself. */
  const context: Context = { meta: {}, resolve: () => Promise.resolve(null) }

  const resolve = (source: string, importer: string, plugin = libreseed(options)) =>
    plugin.resolveId.call(context, source, importer, {})

  it("is given the files of packages, and of the paths inside of them", async () => {
    const app = fixture.file("app.js")
    const inside = (id: string, path: string) => Path.join(fixture.directoryOf(id), path)
    const lib = inside("plain@1.0.0", "lib/index.js")
    assert.strictEqual(await resolve("plain", app), lib)
    assert.strictEqual(await resolve("../values", lib), inside("plain@1.0.0", "values.js"))
    assert.strictEqual(await resolve("..", inside("plain@1.0.0", "lib/inner.js")), lib)
    assert.strictEqual(await resolve("dual", app), inside("dual@1.0.0", "module.js"))
    assert.strictEqual(await resolve("#dual", app), inside("dual@1.0.0", "module.js"))
    const common = libreseed({ ...options, conditions: ["require"], mainFields: ["main"] })
    assert.strictEqual(await resolve("dual", app, common), inside("dual@1.0.0", "common.cjs"))
    assert.strictEqual(await resolve("@scope/scoped", app, common), inside("@scope/scoped@1.0.0", "node.js"))
  })

  it("is left alone with everything else", async () => {
    const app = fixture.file("app.js")
    for (const source of ["./own.cjs", "/own.cjs", "\0virtual", "virtual:thing", "absent", "node:fs"]) {
      assert.isNull(await resolve(source, app), source)
    }
    assert.isNull(await resolve("plain", "\0virtual"))
    assert.isNull(await libreseed(options).resolveId.call(context, "plain", undefined, {}))
  })
})
