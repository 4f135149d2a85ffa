/** What one implementation puts, the other reads: mutable and immutable items, and peers. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Bencode from "../../src/protocol/core/Bencode.ts"
import { sha1 } from "../../src/protocol/core/Digest.ts"
import * as KeyString from "../../src/protocol/dht/KeyString.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import { bytes, infohashOf, keyOf, MixedNetwork, saltOf } from "./MixedNetwork.ts"
import * as RawKrpc from "./RawKrpc.ts"
import * as Requirement from "./Requirement.ts"

/** Salts of the shapes that there are: none, text, the hash that records of ours have, and the longest. */
const salts = [
  { kind: "no salt", salt: saltOf("") },
  { kind: "a salt of text", salt: saltOf("libreseed") },
  { kind: "the salt of a record", salt: KeyString.saltOf("libreseed:package:left-pad") },
  { kind: "the longest salt", salt: saltOf("s".repeat(Record.SALT_MAX_BYTES)) }
]

/** Values at the edge: the longest byte string that fits 1,000 bytes with its length prefix, and none at all. */
const values = [
  { kind: "an empty value", value: bytes("") },
  { kind: "bytes that are no text", value: Uint8Array.from([0, 255, 128, 10]) },
  { kind: "the longest value", value: new Uint8Array(Record.VALUE_MAX_BYTES).fill(7) }
]

const dictionary: Bencode.Dictionary = { a: 1, list: [bytes("x"), 2], name: bytes("left-pad") }

Requirement.describeUnless(Requirement.libtorrent, "items between us and libtorrent", () => {
  layer(MixedNetwork.layer, { excludeTestServices: true })("in a network of both", (it) => {
    for (const [i, { kind, salt }] of salts.entries()) {
      it.effect(`libtorrent reads a record of ours under ${kind}, byte for byte`, () =>
        Effect.gen(function* () {
          const { libtorrents, us } = yield* MixedNetwork
          const key = yield* keyOf(`ours ${i}`)
          const record = Record.sign(key.pair, { salt, seq: 7, value: bytes(`ours under ${kind}`) })
          yield* us.put(record)
          for (const node of libtorrents) {
            const given = yield* node.getMutable(key.publicKey, salt)
            assert.strictEqual(given.seq, 7)
            assert.deepStrictEqual(given.signature, record.signature)
            assert.deepStrictEqual(given.value, record.value)
          }
        })
      )

      it.effect(`we read an item of libtorrent's under ${kind}, and its next version`, () =>
        Effect.gen(function* () {
          const { libtorrents, reader } = yield* MixedNetwork
          const key = yield* keyOf(`theirs ${i}`)
          for (const [at, node] of libtorrents.entries()) {
            const value = bytes(`version ${at} under ${kind}`)
            const put = yield* node.putMutable(key, salt, value)
            assert.strictEqual(put.seq, at + 1)
            assert.isAbove(put.stored, 0)
            const found = Option.getOrThrow(yield* reader.get(key.publicKey, salt))
            assert.strictEqual(found.seq, at + 1)
            assert.deepStrictEqual(Uint8Array.from(found.value), value)
          }
        })
      )
    }

    for (const { kind, value } of values) {
      it.effect(`${kind} passes both ways, mutable and immutable`, () =>
        Effect.gen(function* () {
          const { libtorrents, us } = yield* MixedNetwork
          const [they, others] = libtorrents
          const ours = yield* keyOf(`ours, ${kind}`)
          const theirs = yield* keyOf(`theirs, ${kind}`)
          const salt = saltOf("value")

          yield* us.put(Record.sign(ours.pair, { salt, seq: 1, value }))
          assert.deepStrictEqual((yield* they!.getMutable(ours.publicKey, salt)).value, value)
          yield* they!.putMutable(theirs, salt, value)
          const found = Option.getOrThrow(yield* us.get(theirs.publicKey, salt))
          assert.deepStrictEqual(Uint8Array.from(found.value), value)

          const { target } = yield* us.putImmutable(value)
          assert.deepStrictEqual((yield* they!.getImmutable(target)).value, value)
          const other = Uint8Array.from(value.toReversed())
          const put = yield* others!.putImmutable(other)
          assert.deepStrictEqual(put.target, Record.immutableTargetOf(other) as Uint8Array)
          assert.deepStrictEqual(
            Uint8Array.from(Option.getOrThrow(yield* us.getImmutable(put.target as Record.Target))),
            other
          )
        })
      )
    }

    it.effect("neither finds what nobody put", () =>
      Effect.gen(function* () {
        const { libtorrents, us } = yield* MixedNetwork
        const key = yield* keyOf("nobody")
        const target = Record.immutableTargetOf(bytes("nobody"))
        assert.isTrue(Option.isNone(yield* us.get(key.publicKey, saltOf("nothing"))))
        assert.isTrue(Option.isNone(yield* us.getImmutable(target)))
        assert.isNull((yield* libtorrents[0]!.getMutable(key.publicKey, saltOf("nothing"))).value)
        assert.isNull((yield* libtorrents[0]!.getImmutable(target)).value)
      })
    )

    it.effect("an immutable dictionary of libtorrent's is held unchanged by our nodes, and is no item of ours", () =>
      Effect.gen(function* () {
        const { libtorrents, ours, raw, us } = yield* MixedNetwork
        const { stored, target } = yield* libtorrents[0]!.putImmutable(dictionary)
        assert.isAbove(stored, 0)
        assert.strictEqual(Hex.encode(target), Hex.encode(sha1(Bencode.encode(dictionary))))
        const held = yield* Effect.forEach(ours, (address) => raw.get(address, target))
        const values = held.flatMap((reply) => (typeof reply === "object" && "v" in reply ? [reply["v"]!] : []))
        assert.isAbove(values.length, 0)
        for (const value of values) assert.deepStrictEqual(Bencode.encode(value), Bencode.encode(dictionary))
        const given = yield* libtorrents[1]!.getImmutable(target)
        assert.include(given.text, "'name': 'left-pad'", "the binding shows it in its log alone")
        assert.isTrue(Option.isNone(yield* us.getImmutable(target as Record.Target)))
      })
    )

    it.effect("a mutable dictionary is taken by the nodes of both, and readers of both tell its signature", () =>
      Effect.gen(function* () {
        const { libtorrents, ours, raw, reader, theirs } = yield* MixedNetwork
        const key = yield* keyOf("dictionary")
        const salt = saltOf("dictionary")
        const { fields, target } = RawKrpc.signed(key.pair, { salt, seq: 3, value: dictionary })
        for (const address of [...ours, ...theirs]) {
          assert.strictEqual(yield* raw.put(address, target, fields), "stored", address)
        }
        for (const node of libtorrents) {
          const given = yield* node.getMutable(key.publicKey, salt)
          assert.strictEqual(given.seq, 3)
          assert.deepStrictEqual(given.signature, fields["sig"])
          assert.include(given.text, "'name': 'left-pad'")
        }
        const answer = yield* reader.lookup(key.publicKey, salt)
        assert.isTrue(Option.isNone(answer.value))
        assert.isTrue(answer.isForeign)
      })
    )

    it.effect("what either puts is held by nodes of both", () =>
      Effect.gen(function* () {
        const { holders, libtorrents, ours, reader, theirs, us } = yield* MixedNetwork
        const [first, second] = [bytes("held, of ours"), bytes("held, of theirs")]
        const receipt = yield* us.putImmutable(first)
        const put = yield* libtorrents[0]!.putImmutable(second)
        const salt = saltOf("held")
        const [a, b] = [yield* keyOf("held, ours"), yield* keyOf("held, theirs")]
        yield* us.put(Record.sign(a.pair, { salt, seq: 1, value: first }))
        yield* libtorrents[1]!.putMutable(b, salt, second)
        const held = [
          yield* holders(receipt.target, first),
          yield* holders(put.target, second),
          yield* holders(Record.targetOf(a.publicKey, salt), first),
          yield* holders(Record.targetOf(b.publicKey, salt), second)
        ]
        for (const key of [a, b]) {
          const { holders } = yield* reader.holders(key.publicKey, salt)
          held.push(holders.filter(({ seq }) => seq === 1).map(({ node }) => node))
        }
        for (const target of [receipt.target, put.target as Record.Target]) {
          held.push((yield* reader.holdersImmutable(target)).holders.map(({ node }) => node))
        }
        for (const each of held) {
          assert.isAbove(each.filter((address) => ours.includes(address)).length, 1)
          assert.isAbove(each.filter((address) => theirs.includes(address)).length, 1)
        }
      })
    )

    it.effect("peers that either announces, the other finds", () =>
      Effect.gen(function* () {
        const { libtorrents, us } = yield* MixedNetwork
        const [they, others] = libtorrents
        const [ours, theirs] = [infohashOf("peers of ours"), infohashOf("peers of theirs")]
        assert.isAbove(yield* us.announcePeer(ours, 7001), 0)
        assert.deepStrictEqual(yield* they!.getPeers(ours), ["127.0.0.1:7001"])
        assert.isAbove(yield* they!.announce(theirs), 0)
        assert.deepStrictEqual((yield* us.findPeers(theirs)).map(String), [they!.address])
        assert.deepStrictEqual(yield* others!.getPeers(theirs), [they!.address])
      })
    )
  })
})
