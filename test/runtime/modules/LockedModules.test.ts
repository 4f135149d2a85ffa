import { assert, describe, it } from "@effect/vitest"
import * as LockFile from "../../../src/protocol/registry/LockFile.ts"
import * as LockedModules from "../../../src/runtime/modules/LockedModules.ts"
import { ModuleError } from "../../../src/runtime/modules/ModuleError.ts"

const entry = (name: string, fields: object = {}) => ({
  name,
  version: "1.0.0",
  publisher: "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
  infohash: "0".repeat(40),
  integrity: `sha512-${"A".repeat(86)}==`,
  dependencies: {},
  ...fields
})

const lockOf = (packages: object, project: object = {}, fields: object = {}) =>
  JSON.stringify({ lockfileVersion: 1, wishes: {}, project, packages, answers: {}, ...fields })

const problemOf = (text: string): string => {
  try {
    LockedModules.parse(text, "/project/libreseed.lock.json")
    return "none"
  } catch (error) {
    assert.instanceOf(error, ModuleError)
    assert.strictEqual(error.reason, "InvalidLock")
    assert.include(error.hint, "ls-cli lock")
    return error.message
  }
}

describe("LockedModules", () => {
  it("has the file name and the size limit of the registry's lock file", () => {
    assert.strictEqual(LockedModules.FILE_NAME, LockFile.FILE_NAME)
    assert.strictEqual(LockedModules.MAX_CHARS, LockFile.MAX_BYTES)
  })

  it("knows who sees whom", () => {
    const text = lockOf(
      { "a@1.0.0": entry("a", { dependencies: { b: "b@1.0.0" } }), "b@1.0.0": entry("b") },
      { a: "a@1.0.0" }
    )
    const { directory, instances, project } = LockedModules.parse(text, "/project/libreseed.lock.json")
    assert.strictEqual(directory, "/project")
    assert.deepStrictEqual([...project], [["a", "a@1.0.0"]])
    assert.deepStrictEqual([...instances.get("a@1.0.0")!.dependencies], [["b", "b@1.0.0"]])
  })

  it("counts the places of one release in the order of their ids, whatever their order in the file", () => {
    const ids = ["m@1.0.0(p@2.0.0)", "m@1.0.0", "m@1.0.0(p@1.0.0)"]
    for (const order of [ids, ids.toReversed()]) {
      const { instances } = LockedModules.parse(lockOf(Object.fromEntries(order.map((id) => [id, entry("m")]))), "/l")
      assert.deepStrictEqual(
        [...instances.values()].map(({ copy, id }) => [id, copy]),
        [
          ["m@1.0.0", 0],
          ["m@1.0.0(p@1.0.0)", 1],
          ["m@1.0.0(p@2.0.0)", 2]
        ]
      )
    }
  })

  it("refuses what is no lock file, and says why", () => {
    assert.include(problemOf("{"), "not JSON")
    assert.include(problemOf("[]"), "not an object")
    assert.include(problemOf(lockOf({}, {}, { lockfileVersion: 2 })), "lockfileVersion")
    assert.include(problemOf(lockOf({}, { a: 1 })), "missing")
    assert.include(problemOf(lockOf({ "a@1.0.0": entry("a", { dependencies: { b: 1 } }) })), "a@1.0.0")
    assert.include(problemOf(lockOf({}, { a: "a@1.0.0" })), "not in it")
    assert.include(problemOf(lockOf({ "a@1.0.0": entry("a") }, { b: "a@1.0.0" })), "not in it")
  })

  it("takes nothing for an integrity or a content hash that could be a path", () => {
    for (const integrity of [
      "",
      "../../x",
      `sha512-${"../".repeat(28)}AA==`,
      `sha512-${"A".repeat(86)}`,
      "sha1-AAAA"
    ]) {
      assert.include(problemOf(lockOf({ "a@1.0.0": entry("a", { integrity }) })), "cannot be understood", integrity)
    }
    for (const contentHash of ["", "..", "../../../etc", "A".repeat(64), "a".repeat(63)]) {
      assert.include(problemOf(lockOf({ "a@1.0.0": entry("a", { contentHash }) })), "cannot be understood", contentHash)
    }
  })

  it("takes names of the prototype for names", () => {
    const text = `{"lockfileVersion":1,"project":{"__proto__":"__proto__@1.0.0"},"packages":{"__proto__@1.0.0":${JSON.stringify(entry("__proto__"))}}}`
    const { project } = LockedModules.parse(text, "/l")
    assert.deepStrictEqual([...project], [["__proto__", "__proto__@1.0.0"]])
    assert.include(problemOf(lockOf({}, { a: "constructor" })), "not in it")
  })

  it("shows no control characters of a lock file", () => {
    assert.notInclude(problemOf(lockOf({}, { "\u001b[31ma": "x\n" })), "\u001b")
  })
})
