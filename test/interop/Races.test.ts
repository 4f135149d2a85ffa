/**
 * Writers of both kinds at the same item and the same number: none of ours is told that its write stands when it
 * does not, and once somebody has written on top every reader sees one winner.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Record from "../../src/protocol/dht/Record.ts"
import { bytes, keyOf, MixedNetwork, saltOf } from "./MixedNetwork.ts"
import * as RawKrpc from "./RawKrpc.ts"
import * as Requirement from "./Requirement.ts"

/** Races that chance decides. */
const ROUNDS = 8

const salt = saltOf("race")

const contest = Effect.fnUntraced(function* (label: string) {
  const key = yield* keyOf(label)
  return { key, record: (seq: number, value: string) => Record.sign(key.pair, { salt, seq, value: bytes(value) }) }
})

/** Whoever has read what there is writes on top of it; then there is one record, whoever asks. */
const settle = Effect.fnUntraced(function* ({ key, record }: Effect.Success<ReturnType<typeof contest>>) {
  const { libtorrents, reader, us } = yield* MixedNetwork
  const newest = Option.getOrThrow(yield* us.get(key.publicKey, salt))
  const settled = record(newest.seq + 1, "settled")
  yield* us.put(settled, { cas: newest.seq })
  const answer = yield* reader.lookup(key.publicKey, salt)
  assert.deepStrictEqual(Uint8Array.from(Option.getOrThrow(answer.value).signature), settled.signature)
  assert.deepStrictEqual(answer.rivals, [])
  for (const node of libtorrents) {
    const given = yield* node.getMutable(key.publicKey, salt)
    assert.deepStrictEqual([given.seq, given.value], [settled.seq, settled.value])
  }
})

Requirement.describeUnless(Requirement.libtorrent, "writers of both kinds at one item", () => {
  const networks = [
    { name: "in a network of both", sizes: { ours: 4, theirs: 3 } },
    { name: "in a network of libtorrent alone", sizes: { ours: 0, theirs: 3 } }
  ]
  for (const { name, sizes } of networks) {
    layer(MixedNetwork.layerOf(sizes), { excludeTestServices: true })(name, (it) => {
      it.effect("a put whose cas libtorrent has overtaken is a conflict, and its write stands", () =>
        Effect.gen(function* () {
          const { libtorrents, reader, us } = yield* MixedNetwork
          const race = yield* contest(`overtaken, ${name}`)
          const { key, record } = race
          yield* us.put(record(1, "first"))
          assert.strictEqual((yield* libtorrents[0]!.putMutable(key, salt, bytes("theirs"))).seq, 2)
          const { reason } = yield* Effect.flip(us.put(record(2, "ours"), { cas: 1 }))
          assert.strictEqual(reason._tag, "CasConflict")
          const found = Option.getOrThrow(yield* reader.get(key.publicKey, salt))
          assert.deepStrictEqual([found.seq, Uint8Array.from(found.value)], [2, bytes("theirs")])
          yield* settle(race)
        })
      )

      it.effect("at once: what we are told is stored is held, and what we are told is a conflict is one", () =>
        Effect.gen(function* () {
          const { libtorrents, raw, reader, us } = yield* MixedNetwork
          for (let round = 0; round < ROUNDS; round++) {
            const race = yield* contest(`at once ${round}, ${name}`)
            const { key, record } = race
            const target = Record.targetOf(key.publicKey, salt)
            yield* us.put(record(1, "first"))
            const they = libtorrents[round % libtorrents.length]!
            const [ours, theirs] = yield* Effect.all(
              [Effect.result(us.put(record(2, "ours"), { cas: 1 })), they.putMutable(key, salt, bytes("theirs"))],
              { concurrency: "unbounded" }
            )
            assert.isAtLeast(theirs.seq, 2)
            if (Result.isSuccess(ours)) {
              assert.isAbove(ours.success.acks, 0)
              for (const address of ours.success.stored) {
                const held = yield* raw.get(address, target)
                const { seq, v } = typeof held === "object" ? held : {}
                // libtorrent's own write may have come on top of ours.
                if (seq === 2) assert.deepStrictEqual(v, bytes("ours"), address)
                else assert.strictEqual(seq, 3, address)
              }
            } else {
              assert.strictEqual(ours.failure.reason._tag, "CasConflict")
              const found = Option.getOrThrow(yield* reader.get(key.publicKey, salt))
              assert.deepStrictEqual([found.seq, Uint8Array.from(found.value)], [theirs.seq, bytes("theirs")])
            }
            yield* settle(race)
          }
        })
      )

      it.effect("two values under one number on different nodes: our reader says so, and a writer settles it", () =>
        Effect.gen(function* () {
          const { ours, raw, reader, theirs } = yield* MixedNetwork
          const race = yield* contest(`two values, ${name}`)
          const { publicKey } = race.key
          const everywhere = [...theirs, ...ours]
          for (const [i, address] of everywhere.entries()) {
            const value = bytes(i % 2 === 0 ? "one" : "other")
            const { fields, target } = RawKrpc.signed(race.key.pair, { salt, seq: 2, value })
            assert.strictEqual(yield* raw.put(address, target, fields), "stored")
          }
          const answer = yield* reader.lookup(publicKey, salt)
          const said = [Option.getOrThrow(answer.value), ...(answer.rivals ?? [])].map(({ value }) =>
            Uint8Array.from(value)
          )
          assert.sameDeepMembers(said, [bytes("one"), bytes("other")])
          yield* settle(race)
        })
      )
    })
  }

  layer(MixedNetwork.layer, { excludeTestServices: true })("without cas", (it) => {
    it.effect("a put under a number that libtorrent has taken is refused, and its write stands", () =>
      Effect.gen(function* () {
        const { libtorrents, reader, us } = yield* MixedNetwork
        const race = yield* contest("without cas")
        const { key, record } = race
        yield* us.put(record(1, "first"))
        yield* libtorrents[0]!.putMutable(key, salt, bytes("theirs"))
        const { reason } = yield* Effect.flip(us.put(record(2, "ours")))
        assert.strictEqual(reason._tag, "StaleSeq")
        const found = Option.getOrThrow(yield* reader.get(key.publicKey, salt))
        assert.deepStrictEqual([found.seq, Uint8Array.from(found.value)], [2, bytes("theirs")])
        yield* settle(race)
      })
    )
  })
})
