import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { KeyName, Keystore } from "../../../src/protocol/core/Keystore.ts"
import * as FileKeystore from "../../../src/runtime/keystore/FileKeystore.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as KeystoreSuite from "../../protocol/core/KeystoreSuite.ts"
import * as TemporaryHome from "../TemporaryHome.ts"

const layer = FileKeystore.layer.pipe(Layer.provideMerge(TemporaryHome.layer))

KeystoreSuite.suite("files", layer)

describe("FileKeystore", () => {
  const alice = KeyName.make("alice")

  const test = (title: string, body: Effect.Effect<void, unknown, Layer.Success<typeof layer>>) =>
    it.live(title, () => body.pipe(Effect.provide(layer, { local: true })))

  const made = Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { keys } = yield* Home
    const keystore = yield* Keystore
    yield* keystore.create(alice)
    return { fs, keys, keystore, file: `${keys}/alice.key` }
  })

  test(
    "keeps files and directory to their owner, and leaves nothing else behind",
    Effect.gen(function* () {
      const { file, fs, keys } = yield* made
      assert.strictEqual((yield* fs.stat(file)).mode & 0o777, 0o600)
      assert.strictEqual((yield* fs.stat(keys)).mode & 0o777, 0o700)
      assert.deepStrictEqual(yield* fs.readDirectory(keys), ["alice.key"])
    })
  )

  test(
    "refuses a key that others may read, and says how to close it",
    Effect.gen(function* () {
      const { file, fs, keystore } = yield* made
      yield* fs.chmod(file, 0o644)
      const error = yield* Effect.flip(keystore.load(alice))
      assert.strictEqual(error.reason._tag, "KeyExposed")
      assert.include(error.message, "0644")
      assert.include(error.reason.hint, `chmod 600 ${file}`)
    })
  )

  test(
    "notices every damaged byte and every truncation, and leaves the file alone",
    Effect.gen(function* () {
      const { file, fs, keystore } = yield* made
      const intact = yield* fs.readFile(file)
      const check = Effect.fnUntraced(function* (damaged: Uint8Array) {
        yield* fs.writeFile(file, damaged)
        const error = yield* Effect.flip(keystore.load(alice))
        assert.strictEqual(error.reason._tag, "KeyDamaged")
        assert.deepStrictEqual(Uint8Array.from(yield* fs.readFile(file)), Uint8Array.from(damaged))
      })
      for (let i = 0; i < intact.length; i++) {
        yield* check(intact.map((byte, at) => (at === i ? byte ^ 0x01 : byte)))
        yield* check(intact.slice(0, i))
      }
      yield* check(new Uint8Array(100_000))
      yield* fs.writeFile(file, intact)
      yield* keystore.load(alice)
    })
  )

  test(
    "passes over files that are not keys",
    Effect.gen(function* () {
      const { fs, keys, keystore } = yield* made
      yield* fs.writeFileString(`${keys}/notes.txt`, "mine")
      yield* fs.writeFileString(`${keys}/alice.key.1a2b.tmp`, "left over")
      assert.deepStrictEqual(
        (yield* keystore.list).map(({ name }) => String(name)),
        ["alice"]
      )
    })
  )

  test(
    "lists the other keys when one cannot be read, and says which one that is",
    Effect.gen(function* () {
      const { fs, keys, keystore } = yield* made
      yield* keystore.create(KeyName.make("bob"))
      yield* fs.writeFileString(`${keys}/bob.key`, "garbage")
      const [first, second] = yield* keystore.list
      assert.isTrue(Result.isSuccess(first!.publicKey))
      assert.strictEqual(String(second!.name), "bob")
      if (Result.isSuccess(second!.publicKey)) return assert.fail("a damaged key was listed")
      assert.strictEqual(second!.publicKey.failure.reason._tag, "KeyDamaged")
    })
  )

  test(
    "puts no secret into an error",
    Effect.gen(function* () {
      const { file, fs, keystore } = yield* made
      const seed = (yield* fs.readFileString(file)).split("\n")[2]!
      yield* fs.chmod(file, 0o640)
      const exposed = yield* Effect.flip(keystore.load(alice))
      yield* fs.chmod(file, 0o600)
      yield* fs.writeFileString(file, `broken\n${seed}\n`)
      const damaged = yield* Effect.flip(keystore.load(alice))
      for (const error of [exposed, damaged]) assert.notInclude(`${error.stack} ${JSON.stringify(error)}`, seed)
    })
  )
})
