/** Two publishers packed the same files: one directory in the store, and each imports what its own lock entry says. */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as LockedModules from "../../../src/runtime/modules/LockedModules.ts"
import * as Lookup from "../../../src/runtime/modules/Lookup.ts"
import * as MissingReleases from "../../../src/runtime/modules/MissingReleases.ts"
import * as UnpackedIndex from "../../../src/runtime/store/UnpackedIndex.ts"

interface Release {
  readonly name: string
  readonly version: string
  readonly publisher: string
  readonly integrity: string
}

const release = (publisher: string, name: string, letter: string, version = "1.0.0"): Release => ({
  name,
  version,
  publisher,
  integrity: `sha512-${letter.repeat(86)}==`
})

/** By id: `x` of P needs P's `dep`, that of Q needs Q's. */
const RELEASES = {
  xP: { ...release("P", "x", "A"), contentHash: "a".repeat(64), dependencies: { dep: "depP" } },
  xQ: { ...release("Q", "x", "B"), contentHash: "a".repeat(64), dependencies: { dep: "depQ" } },
  y: { ...release("Q", "y", "C"), contentHash: "b".repeat(64), dependencies: { x: "xQ" } },
  depP: { ...release("P", "dep", "D"), contentHash: "c".repeat(64), dependencies: {} },
  depQ: { ...release("Q", "dep", "E", "1.9.9"), contentHash: "d".repeat(64), dependencies: {} }
}

describe("releases of two publishers that have the same files", () => {
  let root = ""
  beforeEach(() => {
    root = Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-same-")))
  })
  afterEach(() => Fs.rmSync(root, { recursive: true }))

  const home = () => Path.join(root, "home")
  const lock = () => Path.join(root, "project", LockedModules.FILE_NAME)
  const inside = (letter: string, path: string) => Path.join(home(), "files", letter.repeat(64), path)

  const unpack = (letter: string, releases: ReadonlyArray<Release>) => {
    const [{ name, version }] = releases as readonly [Release]
    Fs.mkdirSync(inside(letter, ""), { recursive: true })
    Fs.writeFileSync(inside(letter, "package.json"), JSON.stringify({ name, version, main: "index.js" }))
    Fs.writeFileSync(inside(letter, "index.js"), "")
    const files = UnpackedIndex.look(inside(letter, ""), ["index.js", "package.json"])
    const index = UnpackedIndex.make(releases.map(UnpackedIndex.vouchOf), { name, version }, files)
    Fs.writeFileSync(UnpackedIndex.locationOf(Path.join(home(), "files"), letter.repeat(64)), JSON.stringify(index))
  }

  const setUp = (hasHashes: boolean) => {
    unpack("a", [RELEASES.xP, RELEASES.xQ])
    unpack("b", [RELEASES.y])
    unpack("c", [RELEASES.depP])
    unpack("d", [RELEASES.depQ])
    const packages = Object.fromEntries(
      Object.entries(RELEASES).map(([id, { contentHash, ...rest }]) => [
        id,
        hasHashes ? { ...rest, contentHash } : rest
      ])
    )
    Fs.mkdirSync(Path.dirname(lock()))
    Fs.writeFileSync(lock(), JSON.stringify({ lockfileVersion: 1, project: { x: "xP", y: "y" }, packages }))
  }

  for (const hasHashes of [true, false]) {
    it(`import each what is locked for it, by a lock ${hasHashes ? "with" : "without"} content hashes`, () => {
      setUp(hasHashes)
      const lookup = Lookup.open({ home: home(), lock: lock() })
      const ofP = lookup.lookup("x", Path.join(root, "project", "app.js"))!
      const ofQ = lookup.lookup("x", inside("b", "index.js"))!
      assert.notStrictEqual(ofP, ofQ)
      assert.strictEqual(lookup.lookup("dep", ofP), inside("c", "index.js"))
      assert.strictEqual(lookup.lookup("dep", ofQ), inside("d", "index.js"))
      // Who begins in a file of a package, as a thread does, finds the same.
      assert.strictEqual(Lookup.open({ home: home(), lock: lock() }).lookup("dep", ofQ), inside("d", "index.js"))
    })

    it(`are there, each in a place of its own, by a lock ${hasHashes ? "with" : "without"} content hashes`, () => {
      setUp(hasHashes)
      assert.deepStrictEqual(MissingReleases.missing(home(), LockedModules.read(lock())), [])
      const places = Fs.readdirSync(Path.join(home(), "modules")).filter((name) => name.includes("."))
      assert.deepStrictEqual(places, [`${"B".repeat(86)}.1`])
    })
  }

  it("gives what is not there no place that another one may have", () => {
    setUp(false)
    unpack("a", [RELEASES.xP])
    const absent = Lookup.open({ home: home(), lock: lock() })
    const ofP = absent.lookup("x", Path.join(root, "project", "app.js"))!
    unpack("a", [RELEASES.xP, RELEASES.xQ])
    const ofQ = Lookup.open({ home: home(), lock: lock() }).lookup("x", inside("b", "index.js"))!
    assert.notStrictEqual(ofQ, ofP)
    assert.strictEqual(absent.lookup("dep", ofP), inside("c", "index.js"))
  })
})
