import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Esbuild from "esbuild"
import libreseed from "../../../src/runtime/modules/Esbuild.ts"
import { resultOf } from "./Bundled.ts"
import * as Fixture from "./Fixture.ts"
import * as Sample from "./Sample.ts"

const fixture = Sample.make({
  "app.js": Sample.entry,
  "fields.js": "import scoped from '@scope/scoped'\nglobalThis.result = scoped\n",
  "absent.js": "import 'absent'\n",
  "phantom.js": "import 'phantom'\n",
  "private.js": "import 'dual/files/private/b.js'\n"
})
afterAll(() => Fixture.remove(fixture))

const bundle = async (entry: string, options: Esbuild.BuildOptions = {}): Promise<unknown> => {
  const { outputFiles } = await Esbuild.build({
    absWorkingDir: fixture.project,
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "iife",
    logLevel: "silent",
    plugins: [libreseed({ home: fixture.home })],
    ...options
  })
  return resultOf(outputFiles![0]!.text, options.platform === "node")
}

const failureOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "none",
    (error: unknown) => String(error)
  )

describe("esbuild", () => {
  it.each(["browser", "node", "neutral"] as const)("bundles what is locked, for the platform %s", async (platform) => {
    const fields = platform === "neutral" ? { mainFields: ["main"] } : {}
    assert.deepStrictEqual(await bundle("app.js", { platform, ...fields }), Sample.expected)
  })

  it("goes by the fields of package.json that it goes by anyway", async () => {
    assert.strictEqual(await bundle("fields.js"), "browser undefined")
    assert.strictEqual(await bundle("fields.js", { platform: "node" }), "main")
    assert.strictEqual(await bundle("fields.js", { platform: "node", mainFields: ["module"] }), "module")
  })

  it("says what is not locked, not a dependency, and not exported", async () => {
    assert.include(await failureOf(bundle("absent.js")), 'Could not resolve "absent"')
    assert.include(await failureOf(bundle("phantom.js")), "plain is not a dependency of phantom@1.0.0")
    assert.include(await failureOf(bundle("private.js")), "dual/files/private/b.js")
  })

  it("says that there is no lock file", async () => {
    assert.include(await failureOf(bundle("app.js", { absWorkingDir: "/" })), "ls-cli lock")
  })
})
