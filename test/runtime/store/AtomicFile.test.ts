import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as PlatformError from "effect/PlatformError"
import * as AtomicFile from "../../../src/runtime/store/AtomicFile.ts"
import { isAlreadyThere } from "../../../src/runtime/store/PlatformProblem.ts"
import { platform } from "../TemporaryHome.ts"

const text = (value: string) => new TextEncoder().encode(value)

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) =>
  fs.makeTempDirectoryScoped({ prefix: "libreseed-atomic-" })
)

/** With bytes that are all alike instead of random ones. */
const drawing = <A, E, R>(byte: number, work: Effect.Effect<A, E, R>) =>
  Effect.flatMap(SecureRandom, (random) =>
    Effect.provideService(work, SecureRandom, {
      ...random,
      randomBytes: (length) => Effect.succeed(new Uint8Array(length).fill(byte))
    })
  )

describe("AtomicFile", () => {
  for (const [step, code, isFailure] of [
    ["open", "EISDIR", false],
    ["open", "EACCES", false],
    ["open", "EIO", true],
    ["sync", "EINVAL", false],
    ["sync", "EIO", true],
    ["sync", "ENOSPC", true]
  ] as const) {
    it.live(`${isFailure ? "fails" : "goes on"} where a directory is not flushed: ${code} at ${step}`, () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* folder
        const fault = Effect.fail(
          PlatformError.systemError({
            _tag: "Unknown",
            module: "FileSystem",
            method: step,
            pathOrDescriptor: directory,
            cause: Object.assign(new Error(code), { code })
          })
        )
        const faulty = FileSystem.make({
          ...fs,
          open: (path, options) => {
            if (path !== directory) return fs.open(path, options)
            return step === "open" ? fault : Effect.map(fs.open(path, options), (file) => ({ ...file, sync: fault }))
          }
        })
        const result = yield* AtomicFile.replace(`${directory}/a`, text("whole")).pipe(
          Effect.provideService(FileSystem.FileSystem, faulty),
          Effect.result
        )
        assert.strictEqual(result._tag, isFailure ? "Failure" : "Success")
        assert.strictEqual(yield* fs.readFileString(`${directory}/a`), "whole")
      }).pipe(Effect.scoped, Effect.provide(platform, { local: true }))
    )
  }

  it.live("removes what a crash left of the same file long ago, and nothing else", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      const leftovers = ["a.000000000000.tmp", "a.00000000000f.tmp", "ab.000000000000.tmp", "a.notes.tmp"]
      for (const name of leftovers) yield* fs.writeFile(`${directory}/${name}`, text("half"))
      const hourAgo = (yield* Clock.currentTimeMillis) / 1000 - 3600
      for (const name of leftovers.toSpliced(1, 1)) yield* fs.utimes(`${directory}/${name}`, hourAgo, hourAgo)
      const replace = AtomicFile.replace(`${directory}/a`, text("whole"))
      const all = ["a", ...leftovers].toSorted()
      yield* drawing(1, replace)
      assert.deepStrictEqual((yield* fs.readDirectory(directory)).toSorted(), all)
      yield* drawing(AtomicFile.LOOKS_ONE_IN, replace)
      assert.deepStrictEqual((yield* fs.readDirectory(directory)).toSorted(), all.toSpliced(1, 1))
    }).pipe(Effect.scoped, Effect.provide(platform, { local: true }))
  )

  for (const code of ["EPERM", "ENOTSUP"]) {
    it.live(`makes a file where there are no hard links (${code}), and still never over another`, () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const file = `${yield* folder}/a`
        const linkless = FileSystem.make({
          ...fs,
          link: (_, to) =>
            Effect.fail(
              PlatformError.systemError({
                _tag: code === "EPERM" ? "PermissionDenied" : "Unknown",
                module: "FileSystem",
                method: "link",
                pathOrDescriptor: to,
                cause: Object.assign(new Error(`${code}: link`), { code })
              })
            )
        })
        const create = (content: string) =>
          AtomicFile.create(file, text(content)).pipe(Effect.provideService(FileSystem.FileSystem, linkless))
        yield* create("first")
        assert.isTrue(isAlreadyThere(yield* Effect.flip(create("second"))))
        assert.strictEqual(yield* fs.readFileString(file), "first")
        assert.strictEqual((yield* fs.stat(file)).mode & 0o777, AtomicFile.PRIVATE_MODE)
      }).pipe(Effect.scoped, Effect.provide(platform, { local: true }))
    )
  }
})
