/** Directories are made one by one, so that no file system keeps anybody for ever. */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as PrivateDirectory from "../../../src/runtime/store/PrivateDirectory.ts"
import * as PrivateDirectoryNow from "../../../src/runtime/store/PrivateDirectoryNow.ts"

type Make = (directory: string) => Promise<void>

const ways: ReadonlyArray<readonly [name: string, make: Make]> = [
  [
    "PrivateDirectory",
    (directory) =>
      Effect.runPromise(
        Effect.flatMap(FileSystem.FileSystem, (fs) => PrivateDirectory.make(fs, directory)).pipe(
          Effect.provide(NodeFileSystem.layer)
        )
      )
  ],
  ["PrivateDirectoryNow", async (directory) => PrivateDirectoryNow.make(directory)]
]

const failureOf = (work: Promise<void>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error
  )

describe.each(ways)("%s", (_name, make) => {
  const inDirectory = async (work: (directory: string) => Promise<void>) => {
    const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-private-"))
    try {
      await work(directory)
    } finally {
      Fs.rmSync(directory, { recursive: true, force: true })
    }
  }

  it("makes what is missing, for its owner alone, and is content with what is there", () =>
    inDirectory(async (directory) => {
      const deep = Path.join(directory, "a", "b", "c")
      await make(deep)
      await make(deep)
      await make("/")
      assert.isTrue(Fs.statSync(deep).isDirectory())
      if (process.platform !== "win32") assert.strictEqual(Fs.statSync(Path.dirname(deep)).mode & 0o777, 0o700)
    }))

  it("fails where a file is in the way", () =>
    inDirectory(async (directory) => {
      const file = Path.join(directory, "file")
      Fs.writeFileSync(file, "")
      assert.instanceOf(await failureOf(make(file)), Error)
      assert.instanceOf(await failureOf(make(Path.join(file, "below"))), Error)
    }))

  it("fails in /proc, and ends", async () => {
    assert.instanceOf(await failureOf(make("/proc/x/y")), Error)
  })
})
