/** Which file of a package an import means, against Node itself, which finds it for a package that imports itself. */
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { ModuleError } from "../src/runtime/modules/ModuleError.ts"
import * as ExportsMap from "../src/runtime/modules/ExportsMap.ts"
import { runs, runsUpTo } from "./Runs.ts"

/** As `require` of Node has them where nobody adds any. */
const CONDITIONS = new Set(["node", "require", "module-sync", "node-addons"])

let directory = ""
let made = 0

beforeAll(() => {
  directory = Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-exports-")))
})
afterAll(() => Fs.rmSync(directory, { recursive: true }))

const part = fc.constantFrom(
  "a",
  "b",
  "a/b",
  "*",
  "a/*",
  "*/b",
  "a*b",
  "..",
  ".",
  "node_modules",
  "%2e%2e",
  "%2f",
  "a%20b"
)

const path = fc.oneof(
  { weight: 8, arbitrary: part.map((each) => `./${each}`) },
  { weight: 1, arbitrary: fc.constantFrom("a", "/a", "../a", "./", "", "a:b", "./a\\b") }
)

const condition = fc.constantFrom("require", "node", "import", "browser", "default", "module-sync")

const { target } = fc.letrec<{ target: unknown }>((tie) => ({
  target: fc.oneof(
    { maxDepth: 3 },
    path,
    fc.constant(null),
    fc.array(tie("target"), { maxLength: 3 }),
    fc.dictionary(condition, tie("target"), { maxKeys: 3 }),
    fc.constantFrom(1, true)
  )
}))

const exportsMap = fc.oneof(target, fc.dictionary(fc.oneof(fc.constant("."), path), target, { maxKeys: 4 }))

const subpath = fc.constantFrom(
  ".",
  "./a",
  "./b",
  "./a/b",
  "./a/x",
  "./x/b",
  "./axb",
  "./a/../b",
  "./node_modules/a",
  "./%2e%2e/a"
)

type Found = { readonly file: string } | { readonly refused: string }

const byNode = (exports: unknown, wanted: string): Found => {
  const place = Path.join(directory, String(made++))
  Fs.mkdirSync(place)
  const location = Path.join(place, "package.json")
  Fs.writeFileSync(location, JSON.stringify({ name: "own", exports }))
  try {
    return { file: createRequire(location).resolve(`own${wanted.slice(1)}`) }
  } catch (error) {
    const { code = "", message = "" } = error as NodeJS.ErrnoException
    // The file that it came to, of which there is none.
    const missing =
      code === "MODULE_NOT_FOUND" ? /^Cannot find module '(?<file>[^']+)'/.exec(message)?.groups?.["file"] : undefined
    return missing?.startsWith(place) === true
      ? { file: Path.normalize(missing.slice(place.length)) }
      : { refused: code }
  }
}

const byUs = (exports: unknown, wanted: string): Found => {
  try {
    const found = ExportsMap.resolveExports(exports, wanted, CONDITIONS, "package.json")
    return found === undefined ? { refused: "ERR_PACKAGE_PATH_NOT_EXPORTED" } : { file: Path.join("/", found) }
  } catch (error) {
    return { refused: error instanceof ModuleError ? error.code : String(error) }
  }
}

describe("exports of a package", () => {
  it("lead to the file that Node finds, or nowhere as they do there", () => {
    fc.assert(
      fc.property(exportsMap, subpath, (exports, wanted) => {
        if (exports === null) return
        const [node, us] = [byNode(exports, wanted), byUs(exports, wanted)]
        if ("file" in node) assert.deepStrictEqual(us, node)
        else assert.property(us, "refused")
      }),
      runsUpTo(200)
    )
  })

  it("never lead out of the package, whatever they and the import say", () => {
    fc.assert(
      fc.property(
        exportsMap,
        fc.string().map((text) => `./${text}`),
        (exports, wanted) => {
          let found: string | undefined
          try {
            found = ExportsMap.resolveExports(exports, wanted, CONDITIONS, "package.json")
          } catch (error) {
            assert.instanceOf(error, ModuleError)
          }
          assert.isFalse(found !== undefined && Path.posix.normalize(found).startsWith(".."))
        }
      ),
      runs
    )
  })
})
