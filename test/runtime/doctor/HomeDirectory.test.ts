import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as HomeDirectory from "../../../src/runtime/doctor/HomeDirectory.ts"

const inDirectory = (work: (directory: string) => void) => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-home-"))
  try {
    work(directory)
  } finally {
    Fs.rmSync(directory, { recursive: true, force: true })
  }
}

const failing = (code: string) => () => {
  throw Object.assign(new Error(code), { code })
}

describe("HomeDirectory", () => {
  it("has nothing against a directory, or one that can be made, and makes nothing", () => {
    inDirectory((directory) => {
      for (const home of [directory, Path.join(directory, "new"), Path.join(directory, "a", "b", "c")]) {
        assert.isUndefined(HomeDirectory.problemOf(home))
      }
      assert.deepStrictEqual(Fs.readdirSync(directory), [])
    })
  })

  it("says that a file is no directory, and a link that leads nowhere is none", () => {
    inDirectory((directory) => {
      const file = Path.join(directory, "file")
      Fs.writeFileSync(file, "")
      assert.strictEqual(HomeDirectory.problemOf(file), "is not a directory")
      for (const below of ["home", "a/b"]) {
        const problem = HomeDirectory.problemOf(Path.join(file, below))
        assert.strictEqual(problem, `lies below ${file}, which is not a directory`)
      }
      const link = Path.join(directory, "link")
      Fs.symlinkSync(Path.join(directory, "nowhere"), link)
      assert.strictEqual(HomeDirectory.problemOf(link), "is not a directory")
    })
  })

  it("refuses names that the file system cannot have, at whatever depth", () => {
    inDirectory((directory) => {
      const long = "n".repeat(300)
      for (const path of [long, `new/${long}`, `${long}/new`, `new/${long}/new`]) {
        assert.include(HomeDirectory.problemOf(Path.join(directory, path)), "longer than the file system allows", path)
      }
    })
  })

  it("refuses a file system that has no directories made, whatever it says of its permissions", () => {
    inDirectory((directory) => {
      const refusal = (code: string) => (path: string) => Object.assign(new Error(`${code}: mkdir ${path}`), { code })
      for (const home of [directory, Path.join(directory, "a", "b")]) {
        const problem = HomeDirectory.problemOf(home, refusal("ENOENT"))
        assert.strictEqual(problem, `cannot be used: no directory can be made in ${directory}`)
        assert.isUndefined(HomeDirectory.problemOf(home, refusal("EACCES")))
      }
      Fs.mkdirSync(Path.join(directory, "records"))
      assert.isUndefined(HomeDirectory.problemOf(directory, refusal("ENOENT")))
    })
  })

  it("refuses /proc", () => {
    const isRoot = process.getuid?.() === 0
    const problem = "cannot be used: no directory can be made in /proc"
    for (const home of ["/proc", "/proc/x", "/proc/x/y"]) {
      assert.strictEqual(HomeDirectory.problemOf(home), isRoot ? problem : undefined)
    }
  })

  it("says why nothing can be written", () => {
    inDirectory((directory) => {
      const missing = Path.join(directory, "new")
      assert.deepStrictEqual(HomeDirectory.stateOf(directory), { exists: true })
      assert.deepStrictEqual(HomeDirectory.stateOf(missing), { exists: false })
      assert.deepStrictEqual(HomeDirectory.stateOf(missing, failing("EROFS")), {
        exists: false,
        problem: "cannot be written to: its file system is read-only"
      })
      assert.include(HomeDirectory.stateOf(directory, failing("EACCES")).problem, "permission is denied")
    })
  })

  it("takes the mode of a directory into account, which does not bind root", () => {
    inDirectory((directory) => {
      Fs.chmodSync(directory, 0o555)
      const isRoot = process.getuid?.() === 0
      assert.strictEqual(HomeDirectory.stateOf(directory).problem === undefined, isRoot)
      assert.strictEqual(HomeDirectory.stateOf(Path.join(directory, "new")).problem === undefined, isRoot)
    })
  })
})
