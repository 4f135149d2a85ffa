/**
 * The pure entries run in a browser: bundled for one, they contain no import of Node, no stand-in for it and no
 * package besides the declared ones, and they start where only what a browser offers is there.
 */
import { isBuiltin } from "node:module"
import * as Path from "node:path"
import * as Vm from "node:vm"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { type OutputChunk, build } from "rolldown"

const root = Path.resolve(import.meta.dirname, "../..")

/** The packages that may end up in a browser. */
const allowed = new Set(["effect", "@noble/ed25519", "@noble/hashes", "semver"])

/** Most that the whole entry may weigh, minified and compressed, in KiB: notices a large dependency that slips in. */
const MAX_GZIP_KIB = 200

/** What effect and the codecs use of a browser. */
const browserGlobals = {
  AbortController,
  AbortSignal,
  MessageChannel,
  TextDecoder,
  TextEncoder,
  URL,
  URLSearchParams,
  clearInterval,
  clearTimeout,
  crypto,
  performance,
  queueMicrotask,
  setInterval,
  setTimeout,
  structuredClone
}

const bundle = async (input: string): Promise<OutputChunk> => {
  const { output } = await build({
    cwd: root,
    input,
    platform: "browser",
    treeshake: { moduleSideEffects: true },
    output: { format: "iife", name: "libreseed", minify: true },
    write: false,
    onLog: (level, log) => {
      if (level === "warn") throw new Error(`${log.code}: ${log.message}`)
    }
  })
  const chunks = output.filter((file) => file.type === "chunk")
  assert.strictEqual(chunks.length, 1)
  return chunks[0]!
}

const packageOf = (module: string): string | undefined =>
  /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(module.replaceAll("\\", "/"))?.[1]

describe.each(["src/protocol/index.ts", "src/protocol/testing/index.ts"])("%s in a browser", (input) => {
  it("imports nothing from Node and no package besides the declared ones", async ({ annotate }) => {
    const chunk = await bundle(input)
    assert.deepStrictEqual(chunk.imports.concat(chunk.dynamicImports), [])
    assert.deepStrictEqual(chunk.moduleIds.filter(isBuiltin), [])
    const packages = new Set(chunk.moduleIds.map(packageOf).filter((name) => name !== undefined))
    assert.deepStrictEqual(
      [...packages].filter((name) => !allowed.has(name)),
      []
    )
    const size = gzipSync(chunk.code).length / 1024
    await annotate(`${Math.round(chunk.code.length / 1024)} KiB, compressed ${Math.round(size)} KiB`)
    assert.isBelow(size, MAX_GZIP_KIB)
  })

  it("starts without the globals of Node", async () => {
    const chunk = await bundle(input)
    const context = Vm.createContext(browserGlobals)
    Vm.runInContext(`${chunk.code}\nglobalThis.names = Object.keys(libreseed)`, context)
    assert.isNotEmpty(context["names"])
  })
})
