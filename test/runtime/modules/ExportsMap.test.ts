import { assert, describe, it } from "@effect/vitest"
import * as ExportsMap from "../../../src/runtime/modules/ExportsMap.ts"
import { ModuleError } from "../../../src/runtime/modules/ModuleError.ts"

const IMPORT = new Set(["node", "import"])
const REQUIRE = new Set(["node", "require"])

const exported = (exports: unknown, subpath = ".", conditions = IMPORT) =>
  ExportsMap.resolveExports(exports, subpath, conditions, "package.json")

const imported = (imports: unknown, specifier: string, conditions = IMPORT) =>
  ExportsMap.resolveImports(imports, specifier, conditions, "package.json")

const codeOf = (work: () => unknown): string => {
  try {
    return String(work())
  } catch (error) {
    return error instanceof ModuleError ? error.code : String(error)
  }
}

describe("exports", () => {
  it("are a path, conditions, or paths", () => {
    assert.strictEqual(exported("./a.js"), "./a.js")
    assert.strictEqual(exported({ import: "./a.mjs", require: "./a.cjs" }), "./a.mjs")
    assert.strictEqual(exported({ import: "./a.mjs", require: "./a.cjs" }, ".", REQUIRE), "./a.cjs")
    assert.strictEqual(exported({ ".": "./a.js", "./b": "./b.js" }, "./b"), "./b.js")
    assert.isUndefined(exported("./a.js", "./a.js"))
  })

  it("go by the first condition that holds and leads anywhere", () => {
    const exports = { browser: "./b.js", node: { development: "./d.js" }, default: "./x.js", import: "./late.js" }
    assert.strictEqual(exported(exports), "./x.js")
    assert.strictEqual(exported(exports, ".", new Set(["node", "development"])), "./d.js")
    assert.isUndefined(exported({ browser: "./b.js" }))
  })

  it("take the most specific pattern", () => {
    const exports = { "./*": "./all/*.js", "./a/*": "./a/*.js", "./a/*.css": "./css/*.css", "./a/private/*": null }
    assert.strictEqual(exported(exports, "./x"), "./all/x.js")
    assert.strictEqual(exported(exports, "./a/x"), "./a/x.js")
    assert.strictEqual(exported(exports, "./a/x.css"), "./css/x.css")
    assert.isUndefined(exported(exports, "./a/private/x"))
  })

  it("take the first of a list that can be one", () => {
    assert.strictEqual(exported(["not a path", { browser: "./b.js" }, "./a.js"]), "./a.js")
    assert.strictEqual(
      codeOf(() => exported(["../a.js"])),
      "ERR_INVALID_PACKAGE_TARGET"
    )
  })

  it("never lead out of the package", () => {
    const out = ["../a.js", "./../a.js", "./a/../../b.js", "/etc/passwd", "file:///etc/passwd", "./%2e%2e/a.js"]
    for (const target of [...out, "./a\\..\\b.js", "./node_modules/x/a.js", "./a/%2E%2E/b.js"]) {
      assert.strictEqual(
        codeOf(() => exported(target)),
        "ERR_INVALID_PACKAGE_TARGET",
        target
      )
    }
    for (const target of ["./a%2fb.js", "./a\0b", "./a%00b", "./a%zz.js", "./a%5Cb"]) {
      assert.strictEqual(
        codeOf(() => exported([target, "./b.js"])),
        "ERR_INVALID_MODULE_SPECIFIER",
        target
      )
    }
    for (const subpath of ["./../../etc/passwd", "./a/../../../x", "./%2e%2e/x", "./node_modules/x"]) {
      assert.strictEqual(
        codeOf(() => exported({ "./*": "./*" }, subpath)),
        "ERR_INVALID_PACKAGE_TARGET",
        subpath
      )
    }
  })

  it("are refused where they mix paths and conditions, or go too deep", () => {
    assert.strictEqual(
      codeOf(() => exported({ ".": "./a.js", import: "./b.js" })),
      "ERR_INVALID_PACKAGE_CONFIG"
    )
    let deep: unknown = "./a.js"
    for (let depth = 0; depth < 100; depth++) deep = { default: deep }
    assert.strictEqual(
      codeOf(() => exported(deep)),
      "ERR_INVALID_PACKAGE_CONFIG"
    )
  })

  it("are URLs: what is encoded in them is the name of the file", () => {
    assert.strictEqual(exported("./a%20b.js"), "./a b.js")
  })

  it("take keys of the prototype for nothing", () => {
    assert.isUndefined(exported({ "./a": "./a.js" }, "./constructor"))
    assert.isUndefined(exported(JSON.parse('{ "./__proto__": "./a.js" }'), "./toString"))
  })
})

describe("imports", () => {
  it("lead to files of the package, to other packages and to built-ins", () => {
    const imports = { "#a": "./a.js", "#b": { node: "b", default: "./b.js" }, "#fs": "node:fs", "#x/*": "./x/*.js" }
    assert.strictEqual(imported(imports, "#a"), "./a.js")
    assert.strictEqual(imported(imports, "#b"), "b")
    assert.strictEqual(imported(imports, "#fs"), "node:fs")
    assert.strictEqual(imported(imports, "#x/y"), "./x/y.js")
    assert.isUndefined(imported(imports, "#c"))
  })

  it("never lead out of the package", () => {
    for (const target of ["../a.js", "/etc/passwd", "./../a.js"]) {
      assert.strictEqual(
        codeOf(() => imported({ "#a": target }, "#a")),
        "ERR_INVALID_PACKAGE_TARGET",
        target
      )
    }
  })
})
