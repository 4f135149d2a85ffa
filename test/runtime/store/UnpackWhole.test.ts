import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import { PackageName } from "../../../src/protocol/core/PackageName.ts"
import { Version } from "../../../src/protocol/core/Version.ts"
import { node, type StagingDisk } from "../../../src/runtime/archive/StagingDisk.ts"
import { type Request, unpackWhole } from "../../../src/runtime/store/UnpackWhole.ts"
import * as FaultyDisk from "../archive/FaultyDisk.ts"
import * as Sandbox from "../archive/Sandbox.ts"
import { type Entry, packageJson, tgz } from "../archive/TarBuilder.ts"

const CONTENTS: Readonly<Record<string, string>> = {
  "package.json": packageJson.content ?? "",
  "index.js": "module.exports = 1",
  "d/er/deep.js": "//"
}

const archived = (contents: Readonly<Record<string, string>>): Uint8Array =>
  tgz(Object.entries(contents).map(([path, content]): Entry => ({ path: `package/${path}`, type: "file", content })))

const manifest: Request["manifest"] = {
  name: PackageName.make("a"),
  version: Version.make("1.0.0"),
  files: Object.fromEntries(
    Object.entries(CONTENTS).map(([path, content]) => [
      path,
      { mode: "0644", sha256: Hex.encode(Sandbox.sha256(Buffer.from(content))), size: content.length }
    ])
  )
}

const request = (directory: string, tarball: Uint8Array = archived(CONTENTS)): Request => ({
  archive: "a.tgz",
  tarball,
  manifest,
  directory
})

const failureOf = <A, E>(result: Result.Result<A, E>): E => Result.getOrThrow(Result.flip(result))

const test = (title: string, body: (sandbox: Sandbox.Sandbox) => void) =>
  it.effect(title, () => Effect.map(Sandbox.make, body))

describe("unpackWhole", () => {
  test("writes the files of the manifest and tells their sizes, times and modes", ({ destination }) => {
    const unpacked = Result.getOrThrow(unpackWhole(request(destination)))
    assert.deepStrictEqual(
      unpacked?.files.map(([path, size, , mode]) => [path, size, mode]),
      Object.keys(CONTENTS)
        .toSorted()
        .map((path) => [path, CONTENTS[path]!.length, 0o644])
    )
    for (const [path, content] of Object.entries(CONTENTS)) {
      assert.strictEqual(Fs.readFileSync(Path.join(destination, path), "utf8"), content)
    }
    assert.strictEqual(Fs.statSync(destination).mode & 0o777, 0o700)
  })

  test("writes nothing of what the manifest does not list, or of what nobody would unpack", ({ destination, root }) => {
    const before = Sandbox.snapshot(root)
    const others: ReadonlyArray<readonly [string, Uint8Array]> = [
      ["ContentMismatch", archived({ ...CONTENTS, "more.js": "" })],
      ["ContentMismatch", archived({ ...CONTENTS, "index.js": "module.exports = 2" })],
      ["ArchiveError", archived({ ...CONTENTS, "../../outside/victim": "mine" })],
      ["ArchiveError", archived(CONTENTS).subarray(0, -1)]
    ]
    for (const [tag, tarball] of others) {
      assert.strictEqual(failureOf(unpackWhole(request(destination, tarball)))._tag, tag)
      assert.deepStrictEqual(Sandbox.snapshot(root), before)
    }
  })

  test("leaves to others what is too large, or too deep, to be done at once", ({ destination, root }) => {
    const before = Sandbox.snapshot(root)
    const deep = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`${"d/".repeat(100)}${i}`, ""]))
    for (const more of [{ large: "x".repeat(1024 * 1024) }, deep]) {
      assert.isUndefined(Result.getOrThrow(unpackWhole(request(destination, archived({ ...CONTENTS, ...more })))))
    }
    assert.deepStrictEqual(Sandbox.snapshot(root), before)
  })

  test("fails where the directory is there already, and leaves it as it is", ({ destination, root }) => {
    Fs.mkdirSync(destination)
    const before = Sandbox.snapshot(root)
    assert.include(failureOf(unpackWhole(request(destination))).message, "EEXIST")
    assert.deepStrictEqual(Sandbox.snapshot(root), before)
  })

  test("says at which file the disk failed, whichever it is", ({ destination }) => {
    const disk = (failAfterWrites: number) => FaultyDisk.make({ code: "ENOSPC", failAfterWrites })
    for (let writes = 0; ; writes++) {
      Fs.rmSync(destination, { recursive: true, force: true })
      const result = unpackWhole(request(destination), disk(writes))
      if (Result.isSuccess(result)) break
      assert.include(result.failure.message, "ENOSPC")
      assert.isBelow(writes, 6)
    }
  })

  test("does not follow a directory that somebody swapped for a link", ({ destination, outside }) => {
    const swapping: StagingDisk = {
      ...node,
      makeDirectory: (path, mode) => {
        node.makeDirectory(path, mode)
        if (Path.basename(path) !== "d") return
        Fs.rmdirSync(path)
        Fs.symlinkSync(outside, path)
      }
    }
    const failure = failureOf(unpackWhole(request(destination), swapping))
    assert.strictEqual(failure._tag === "ArchiveError" ? failure.reason._tag : undefined, "StagingTampered")
    assert.deepStrictEqual(Fs.readdirSync(outside), ["victim"])
  })
})
