/** Both file systems of Node answer every call alike: one suite, run on each, and their errors side by side. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Crypto from "node:crypto"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as QuickFileSystem from "../../src/runtime/QuickFileSystem.ts"

const layers = { quick: QuickFileSystem.layer, slow: NodeFileSystem.layer } satisfies Record<
  string,
  Layer.Layer<FileSystem.FileSystem>
>

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i % 251)

/** In a directory of its own. */
const within = <A, E>(
  layer: Layer.Layer<FileSystem.FileSystem>,
  body: (fs: FileSystem.FileSystem, at: (name: string) => string) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped({ prefix: "libreseed-quick-" })
    return yield* body(fs, (name) => `${directory}/${name}`)
  }).pipe(Effect.scoped, Effect.provide(layer))

for (const [name, layer] of Object.entries(layers)) {
  describe(`files, ${name}`, () => {
    // As large as is read at once, one byte more, and far more.
    for (const length of [0, 1, QuickFileSystem.QUICK_MAX_BYTES, QuickFileSystem.QUICK_MAX_BYTES + 1, 3_000_000]) {
      it.live(`writes and reads ${length} bytes`, () =>
        within(layer, (fs, at) =>
          Effect.gen(function* () {
            const content = bytes(length)
            yield* fs.writeFile(at("a"), content, { mode: 0o640 })
            assert.deepStrictEqual(new Uint8Array(yield* fs.readFile(at("a"))), content)
            yield* Effect.scoped(
              Effect.gen(function* () {
                const file = yield* fs.open(at("b"), { flag: "wx+", mode: 0o600 })
                yield* file.writeAll(content)
                yield* file.sync
                assert.strictEqual(Number((yield* file.stat).size), length)
                const into = new Uint8Array(length)
                let filled = 0
                while (filled < length) filled += yield* file.read(into.subarray(filled), { position: BigInt(filled) })
                assert.deepStrictEqual(into, content)
                yield* file.seek(0n, "start")
                const first = yield* file.readAlloc(10)
                assert.deepStrictEqual(
                  Option.map(first, (it) => new Uint8Array(it)),
                  length === 0 ? Option.none() : Option.some(content.slice(0, 10))
                )
                assert.deepStrictEqual(yield* file.read(new Uint8Array(4), { position: BigInt(length) }), 0)
              })
            )
            assert.strictEqual((yield* fs.stat(at("b"))).mode & 0o777, 0o600)
          })
        )
      )
    }

    it.live("appends, writes in the middle, and cuts", () =>
      within(layer, (fs, at) =>
        Effect.gen(function* () {
          const text = (value: string) => new TextEncoder().encode(value)
          yield* fs.writeFileString(at("a"), "one")
          const appended = Effect.flatMap(fs.open(at("a"), { flag: "a" }), (file) => file.writeAll(text(" two")))
          yield* Effect.scoped(appended)
          yield* Effect.scoped(
            Effect.gen(function* () {
              const file = yield* fs.open(at("a"), { flag: "r+" })
              yield* file.seek(1n, "start")
              assert.strictEqual(yield* file.write(text("N")), 1)
              assert.strictEqual(yield* file.seek(1n, "current"), 3n)
              yield* file.truncate(5)
              assert.strictEqual((yield* Effect.flip(file.seek(-9n, "current"))).reason._tag, "BadArgument")
            })
          )
          assert.strictEqual(yield* fs.readFileString(at("a")), "oNe t")
        })
      )
    )

    it.live("makes, links, moves, lists and removes", () =>
      within(layer, (fs, at) =>
        Effect.gen(function* () {
          yield* fs.makeDirectory(at("a/b"), { recursive: true, mode: 0o700 })
          yield* fs.makeDirectory(at("a/b"), { recursive: true })
          yield* fs.writeFileString(at("a/b/c"), "c")
          yield* fs.link(at("a/b/c"), at("d"))
          yield* fs.symlink("d", at("e"))
          assert.strictEqual(yield* fs.readLink(at("e")), "d")
          assert.strictEqual(yield* fs.realPath(at("e")), yield* fs.realPath(at("d")))
          assert.strictEqual((yield* fs.lstat(at("e"))).type, "SymbolicLink")
          assert.strictEqual((yield* fs.stat(at("e"))).type, "File")
          yield* fs.utimes(at("d"), new Date(1_000), new Date(2_000))
          assert.deepStrictEqual((yield* fs.stat(at("a/b/c"))).mtime, Option.some(new Date(2_000)))
          yield* fs.rename(at("d"), at("f"))
          assert.deepStrictEqual((yield* fs.readDirectory(at("."))).toSorted(), ["a", "e", "f"])
          assert.deepStrictEqual(yield* Effect.forEach(["f", "e", "gone", "a"], (name) => fs.exists(at(name))), [
            true,
            false,
            false,
            true
          ])
          yield* fs.remove(at("e"))
          yield* fs.remove(at("gone"), { force: true })
          yield* fs.remove(at("a"), { recursive: true })
          yield* fs.remove(at("f"), { recursive: true, force: true })
          yield* fs.makeDirectory(at("empty"))
          yield* fs.remove(at("empty"), { recursive: true })
          assert.deepStrictEqual(yield* fs.readDirectory(at(".")), [])
          const temporary = yield* fs.makeTempDirectory({ directory: at("."), prefix: "x-" })
          assert.strictEqual((yield* fs.stat(temporary)).mode & 0o777, 0o700)
        })
      )
    )

    it.live("writes nothing into the next file, whoever is interrupted while the pool of threads is busy", () =>
      within(layer, (fs, at) =>
        Effect.gen(function* () {
          // As many as there are threads in the pool.
          const busy = Array.from({ length: 4 }, () => promisify(Crypto.pbkdf2)("a", "b", 100_000, 64, "sha512"))
          const large = bytes(3 * QuickFileSystem.QUICK_MAX_BYTES)
          const writing = Effect.scoped(Effect.flatMap(fs.open(at("a"), { flag: "w" }), (file) => file.writeAll(large)))
          const fiber = yield* Effect.forkChild(writing)
          yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
          yield* Effect.scoped(
            Effect.gen(function* () {
              const file = yield* fs.open(at("b"), { flag: "w" })
              yield* file.writeAll(bytes(10))
              yield* Effect.promise(() => Promise.all(busy))
            })
          )
          assert.deepStrictEqual(new Uint8Array(yield* fs.readFile(at("b"))), bytes(10))
        })
      )
    )

    it.live("closes a file with its scope", () =>
      within(layer, (fs, at) =>
        Effect.gen(function* () {
          yield* fs.writeFileString(at("a"), "a")
          const file = yield* Effect.scoped(fs.open(at("a")))
          assert.strictEqual((yield* Effect.flip(file.stat)).reason._tag, "Unknown")
        })
      )
    )
  })
}

type Call = (fs: FileSystem.FileSystem, at: (name: string) => string) => Effect.Effect<unknown, PlatformError>

const failing: Readonly<Record<string, Call>> = {
  "access to nothing": (fs, at) => fs.access(at("gone")),
  "a link to nothing": (fs, at) => fs.link(at("gone"), at("x")),
  "a link over a file": (fs, at) => fs.link(at("file"), at("other")),
  "a directory that is there": (fs, at) => fs.makeDirectory(at("directory")),
  "a directory in nothing": (fs, at) => fs.makeDirectory(at("gone/x")),
  "directories below a file": (fs, at) => fs.makeDirectory(at("file/x/y"), { recursive: true }),
  "directories where a file is": (fs, at) => fs.makeDirectory(at("file"), { recursive: true }),
  "a file that is there": (fs, at) => Effect.scoped(fs.open(at("file"), { flag: "wx" })),
  "a file below a file": (fs, at) => Effect.scoped(fs.open(at("file/x"))),
  "a loop": (fs, at) => Effect.scoped(fs.open(at("loop"))),
  "whether something is below a file": (fs, at) => fs.exists(at("file/x")),
  "the list of nothing": (fs, at) => fs.readDirectory(at("gone")),
  "the list of a file": (fs, at) => fs.readDirectory(at("file")),
  "the text of nothing": (fs, at) => fs.readFile(at("gone")),
  "the text of a directory": (fs, at) => fs.readFile(at("directory")),
  "the target of no link": (fs, at) => fs.readLink(at("file")),
  "the real path of nothing": (fs, at) => fs.realPath(at("gone")),
  "the removal of nothing": (fs, at) => fs.remove(at("gone")),
  "the removal of a directory": (fs, at) => fs.remove(at("directory")),
  "a move of nothing": (fs, at) => fs.rename(at("gone"), at("x")),
  "a look at nothing": (fs, at) => fs.stat(at("gone")),
  "a look at no link": (fs, at) => fs.lstat(at("gone")),
  "a symbolic link over a file": (fs, at) => fs.symlink("x", at("file")),
  "the times of nothing": (fs, at) => fs.utimes(at("gone"), 0, 0),
  "a text over a directory": (fs, at) => fs.writeFileString(at("directory"), "x"),
  "a read before the start": (fs, at) =>
    Effect.scoped(Effect.flatMap(fs.open(at("file")), (file) => file.read(new Uint8Array(1), { position: -1n }))),
  "a write to what is open to be read": (fs, at) =>
    Effect.scoped(Effect.flatMap(fs.open(at("file")), (file) => file.writeAll(bytes(1))))
}

/** What an error says, without the directory and the number of the descriptor. */
const told = (fs: FileSystem.FileSystem, at: (name: string) => string, call: Call) =>
  Effect.map(Effect.exit(call(fs, at)), (exit) => {
    assert.isTrue(Exit.isFailure(exit))
    const { cause } = exit as Exit.Failure<unknown, PlatformError>
    const [reason] = cause.reasons
    assert.strictEqual(reason?._tag, "Fail")
    const { reason: error } = (reason as { readonly error: PlatformError }).error
    const subject = "pathOrDescriptor" in error ? error.pathOrDescriptor : undefined
    return {
      _tag: error._tag,
      method: error.method,
      syscall: "syscall" in error ? error.syscall : undefined,
      subject: typeof subject === "string" ? subject.replace(at(""), "") : typeof subject
    }
  })

describe("directories", () => {
  // Node's own way there never ends.
  it.live("are not tried for ever where there can be none", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const error = yield* Effect.flip(fs.makeDirectory("/proc/libreseed/x", { recursive: true }))
      assert.strictEqual(error.reason._tag, "NotFound")
    }).pipe(Effect.provide(layers.quick))
  )
})

describe("what fails", () => {
  const prepared = (layer: Layer.Layer<FileSystem.FileSystem>, call: Call) =>
    within(layer, (fs, at) =>
      Effect.gen(function* () {
        yield* fs.makeDirectory(at("directory"))
        yield* fs.writeFileString(at("file"), "file")
        yield* fs.writeFileString(at("other"), "other")
        yield* fs.symlink("loop", at("loop"))
        return yield* told(fs, at, call)
      })
    )
  for (const [title, call] of Object.entries(failing)) {
    it.live(`is told alike: ${title}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* prepared(layers.quick, call), yield* prepared(layers.slow, call))
      })
    )
  }
})
