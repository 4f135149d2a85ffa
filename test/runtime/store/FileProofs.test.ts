import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { Proofs } from "../../../src/protocol/registry/Proofs.ts"
import * as FileProofs from "../../../src/runtime/store/FileProofs.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as ProofsSuite from "../../protocol/registry/ProofsSuite.ts"
import * as TemporaryHome from "../TemporaryHome.ts"

const layer = FileProofs.layer.pipe(Layer.provideMerge(TemporaryHome.layer))

const { plain, proofOf } = ProofsSuite

ProofsSuite.suite("files", layer)

describe("FileProofs", () => {
  const test = (title: string, body: Effect.Effect<void, unknown, Layer.Success<typeof layer> | Scope.Scope>) =>
    it.live(title, () => body.pipe(Effect.scoped, Effect.provide(layer, { local: true })))

  test(
    "believes no file of which a byte was changed, and writes the proof anew",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { proofs: directory } = yield* Home
      const proofs = yield* Proofs
      const proof = yield* proofOf("mallory", "a", "1.0.0", 5)
      yield* proofs.keep(proof)
      const [file] = yield* fs.readDirectory(directory)
      const location = `${directory}/${file}`
      const intact = yield* fs.readFile(location)
      // The date is nobody's statement: another digit there is another date.
      const date = Buffer.from(intact).lastIndexOf("1:ti5e") + "1:ti".length
      for (let i = 0; i < intact.length; i += 7) {
        if (i === date) continue
        yield* fs.writeFile(
          location,
          intact.map((byte, at) => (at === i ? byte ^ 1 : byte))
        )
        assert.isTrue(Option.isNone(yield* proofs.find(proof.publisher, proof.name, proof.version)), `byte ${i}`)
        assert.deepStrictEqual(yield* proofs.all, [])
      }
      yield* proofs.keep(proof)
      const found = Option.getOrThrow(yield* proofs.find(proof.publisher, proof.name, proof.version))
      assert.deepStrictEqual(plain(found), plain(proof))
    })
  )

  test(
    "believes no proof that lies under another's name, nor one by two keys",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { proofs: directory } = yield* Home
      const proofs = yield* Proofs
      const [mallory, alice] = [yield* proofOf("mallory", "a", "1.0.0", 5), yield* proofOf("alice", "a", "1.0.0", 5)]
      yield* proofs.keep(alice)
      const [file] = yield* fs.readDirectory(directory)
      yield* fs.remove(`${directory}/${file}`)
      yield* proofs.keep(mallory)
      const [other] = yield* fs.readDirectory(directory)
      yield* fs.rename(`${directory}/${other}`, `${directory}/${file}`)
      assert.isTrue(Option.isNone(yield* proofs.find(alice.publisher, alice.name, alice.version)))
      yield* fs.remove(`${directory}/${file}`)
      yield* proofs.keep({ ...alice, records: [alice.records[0], mallory.records[1]] })
      assert.isTrue(Option.isNone(yield* proofs.find(alice.publisher, alice.name, alice.version)))
      assert.deepStrictEqual(yield* proofs.all, [])
    })
  )

  test(
    "keeps one proof when two processes find it at once",
    Effect.gen(function* () {
      const one = yield* Proofs
      // A layer of its own shares nothing with the first but the files, as another process would.
      const other = Context.get(yield* Layer.build(Layer.fresh(FileProofs.layer)), Proofs)
      for (let round = 0; round < 10; round++) {
        const [left, right] = [
          yield* proofOf("mallory", `p${round}`, "1.0.0", 1, "left"),
          yield* proofOf("mallory", `p${round}`, "1.0.0", 2, "right")
        ]
        yield* Effect.all([one.keep(left), other.keep(right)], { concurrency: "unbounded" })
        const found = Option.getOrThrow(yield* one.find(left.publisher, left.name, left.version))
        yield* other.keep(left)
        yield* other.keep(right)
        const still = Option.getOrThrow(yield* other.find(left.publisher, left.name, left.version))
        assert.deepStrictEqual(plain(still), plain(found))
      }
      assert.strictEqual((yield* one.all).length, 10)
    })
  )

  test(
    "passes over files that are no proofs, and says which directory cannot be used",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { proofs: directory } = yield* Home
      const proofs = yield* Proofs
      yield* fs.makeDirectory(`${directory}/${"a".repeat(64)}.proof`, { recursive: true })
      yield* fs.writeFileString(`${directory}/.DS_Store`, "")
      yield* fs.writeFileString(`${directory}/${"b".repeat(64)}.proof`, "nothing")
      assert.deepStrictEqual(yield* proofs.all, [])
      yield* fs.remove(directory, { recursive: true })
      yield* fs.writeFileString(directory, "a file")
      assert.deepStrictEqual(yield* proofs.all, [])
      const error = yield* Effect.flip(proofs.keep(yield* proofOf("mallory", "a", "1.0.0", 5)))
      assert.strictEqual(error._tag, "ProofsError")
      assert.include(error.message, directory)
    })
  )
})
