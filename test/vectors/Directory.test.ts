/** Which directory the vectors are read from, and what a wrong name for it comes to. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { locate, located } from "./Vectors.ts"

it("LIBRESEED_VECTORS, where it is set, names a directory of vectors", () => {
  assert.isUndefined(located.problem, located.problem)
})

describe("locating vectors", () => {
  const root = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-vectors-"))
  afterAll(() => Fs.rmSync(root, { recursive: true }))
  const whole = Path.join(root, "whole")
  Fs.mkdirSync(Path.join(whole, "jcs"), { recursive: true })
  const absent = Path.join(root, "absent")

  it("takes a directory with a single topic", () => {
    assert.deepStrictEqual(locate(whole, absent), { path: whole, problem: undefined })
  })

  it("takes the directory beside the repository where none is named", () => {
    for (const named of [undefined, ""]) {
      assert.deepStrictEqual(locate(named, whole), { path: whole, problem: undefined })
    }
  })

  it("finds none, and nothing wrong, where none is named and none is beside", () => {
    for (const beside of [absent, root]) {
      assert.deepStrictEqual(locate(undefined, beside), { path: undefined, problem: undefined })
    }
  })

  it("never falls back from a wrong name to the directory beside the repository", () => {
    const { path, problem } = locate(absent, whole)
    assert.isUndefined(path)
    assert.include(problem, `${absent}, which does not exist`)
  })

  it("calls a directory without topics wrong, be it above or below the right one", () => {
    for (const named of [root, Path.join(whole, "jcs")]) {
      const { path, problem } = locate(named, whole)
      assert.isUndefined(path)
      assert.include(problem, `${named}, which holds no vectors`)
    }
  })
})
