/** What every `Proofs` must do. Run against the in-memory layer and against files alike. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { type Proof, Proofs } from "../../../src/protocol/registry/Proofs.ts"
import * as Fixtures from "./Fixtures.ts"

/** Two records of one key for one version, whose values say who signed what. */
export const proofOf = Effect.fnUntraced(function* (
  owner: string,
  name: string,
  version: string,
  foundAt: number,
  other = "other"
) {
  const pair = yield* Fixtures.keyPair(owner)
  const salt = KeyString.saltOf(`${name}@${version}`)
  const signed = (value: string) => Record.sign(pair, { salt, seq: 1, value: Fixtures.text(value) })
  const proof: Proof = {
    publisher: pair.publicKey,
    name: Fixtures.name(name),
    version: Fixtures.version(version),
    records: [signed("first"), signed(other)],
    foundAt
  }
  return proof
})

/** A proof as plain data, so that two can be compared. */
export const plain = ({ foundAt, name, records, version }: Proof) => ({
  foundAt,
  name,
  version,
  records: records.map((record) => [...Record.toBytes(record)])
})

export const suite = (label: string, layer: Layer.Layer<Proofs | Ed25519, unknown>) =>
  describe(`Proofs: ${label}`, () => {
    const test = (title: string, body: Effect.Effect<void, unknown, Proofs | Ed25519>) =>
      it.live(title, () => body.pipe(Effect.provide(layer, { local: true })))

    const find = (proof: Proof) =>
      Effect.flatMap(Proofs, (proofs) => proofs.find(proof.publisher, proof.name, proof.version))

    test(
      "gives back a proof as it was kept, by publisher, name and version",
      Effect.gen(function* () {
        const proofs = yield* Proofs
        const proof = yield* proofOf("mallory", "a", "1.0.0", 5)
        assert.isTrue(Option.isNone(yield* find(proof)))
        yield* proofs.keep(proof)
        assert.deepStrictEqual(plain(Option.getOrThrow(yield* find(proof))), plain(proof))
        for (const [owner, name, version] of [
          ["alice", "a", "1.0.0"],
          ["mallory", "b", "1.0.0"],
          ["mallory", "a", "1.0.1"]
        ] as const) {
          assert.isTrue(Option.isNone(yield* find(yield* proofOf(owner, name, version, 5))))
        }
      })
    )

    test(
      "keeps the first proof of a version",
      Effect.gen(function* () {
        const proofs = yield* Proofs
        const first = yield* proofOf("mallory", "a", "1.0.0", 5)
        yield* proofs.keep(first)
        yield* proofs.keep(yield* proofOf("mallory", "a", "1.0.0", 9, "another"))
        assert.deepStrictEqual((yield* proofs.all).map(plain), [plain(first)])
      })
    )

    test(
      "lists proofs in the order in which they were found",
      Effect.gen(function* () {
        const proofs = yield* Proofs
        for (const found of [1, 2, 3, 4, 5]) {
          yield* proofs.keep(yield* proofOf("mallory", `p${(found * 3) % 5}`, "1.0.0", found))
        }
        assert.deepStrictEqual(
          (yield* proofs.all).map(({ foundAt }) => foundAt),
          [1, 2, 3, 4, 5]
        )
      })
    )

    test(
      "keeps apart names and versions that read the same when they are joined",
      Effect.gen(function* () {
        const proofs = yield* Proofs
        yield* proofs.keep(yield* proofOf("mallory", "foo1", "1.0.0", 1))
        assert.isTrue(Option.isNone(yield* find(yield* proofOf("mallory", "foo", "11.0.0", 1))))
      })
    )
  })
