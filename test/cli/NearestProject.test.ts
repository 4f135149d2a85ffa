import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterEach, beforeEach } from "vitest"
import * as NearestProject from "../../src/cli/NearestProject.ts"

describe("NearestProject", () => {
  let root = ""
  beforeEach(() => {
    root = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-nearest-"))
    Fs.mkdirSync(Path.join(root, "app/src/deep"), { recursive: true })
  })
  afterEach(() => Fs.rmSync(root, { recursive: true }))

  for (const name of ["package.json", "libreseed.lock.json"]) {
    it(`is the directory itself, or the nearest above that has ${name}`, () => {
      Fs.writeFileSync(Path.join(root, "app", name), "{}")
      assert.strictEqual(NearestProject.find(Path.join(root, "app")), ".")
      assert.strictEqual(NearestProject.find(Path.join(root, "app/src/deep")), Path.join(root, "app"))
      Fs.writeFileSync(Path.join(root, "app/src", name), "{}")
      assert.strictEqual(NearestProject.find(Path.join(root, "app/src/deep")), Path.join(root, "app/src"))
    })
  }

  it("is the directory itself where there is none", () => {
    assert.strictEqual(NearestProject.find(Path.join(root, "app/src")), ".")
  })
})
