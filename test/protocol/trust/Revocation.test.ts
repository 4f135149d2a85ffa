import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Hex from "effect/encoding/Hex"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import type * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { DhtError, NoNodes, StaleSeq } from "../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Revocation from "../../../src/protocol/trust/Revocation.ts"
import { TrustBook } from "../../../src/protocol/trust/TrustBook.ts"
import { host, join, keyPair, text } from "../registry/Fixtures.ts"

const reason = Option.getOrThrow(Revocation.parseReason("my laptop was stolen"))
const utf8 = Bencode.utf8

const garbage = (pair: KeyPair.KeyPair, seq: number, value = text("not a dictionary")) =>
  Record.sign(pair, { salt: Revocation.SALT, seq, value })

const put = (record: Record.Record) => Effect.flatMap(Dht, (dht) => dht.put(record))

const test = <E>(
  title: string,
  body: (network: DhtMemory.Network) => Effect.Effect<void, E, Layer.Success<ReturnType<typeof host>>>
) =>
  it.effect(title, () =>
    Effect.suspend(() => {
      const network = DhtMemory.make()
      return Effect.provide(body(network), host(network), { local: true })
    })
  )

describe("Revocation.fromRecord", () => {
  test("gives back what was signed, from a record at the salt of revocations", () =>
    Effect.gen(function* () {
      const [alice, bob] = [yield* keyPair("alice"), yield* keyPair("bob")]
      const record = Revocation.sign(alice, { reason, successor: bob.publicKey, timestamp: 1_700_000_000_000 })
      assert.deepStrictEqual(record.salt, KeyString.saltOf("libreseed:revocation"))
      assert.strictEqual(record.seq, 1)
      assert.deepStrictEqual(
        record.value,
        Bencode.encode({ k: bob.publicKey, t: 1_700_000_000_000, w: utf8("my laptop was stolen") })
      )
      assert.deepStrictEqual(Option.getOrThrow(Revocation.fromRecord(record)), {
        publisher: alice.publicKey,
        reason: "my laptop was stolen",
        timestamp: 1_700_000_000_000,
        successor: bob.publicKey
      })
    }))

  test("takes reasons of 1 to 200 bytes", () =>
    Effect.sync(() => {
      assert.isTrue(Option.isSome(Revocation.parseReason("x")))
      assert.isTrue(Option.isSome(Revocation.parseReason("ü".repeat(100))))
      for (const each of ["", "x".repeat(201), "ü".repeat(101), "\u{D800}"]) {
        assert.isTrue(Option.isNone(Revocation.parseReason(each)), each)
      }
    }))

  test("is a revocation also where the value cannot be read", () =>
    Effect.gen(function* () {
      const pair = yield* keyPair("alice")
      const values = [
        new Uint8Array(0),
        text("not a dictionary"),
        Bencode.encode({}),
        Bencode.encode({ t: 1 }),
        Bencode.encode({ t: 1, w: utf8("") }),
        Bencode.encode({ t: 1, w: utf8("x".repeat(201)) }),
        Bencode.encode({ t: 1, w: new Uint8Array([0xff]) }),
        Bencode.encode({ t: -1, w: utf8("x") }),
        Bencode.encode({ t: 1, w: utf8("x"), k: new Uint8Array(31).fill(7) }),
        Bencode.encode({ t: 1, w: utf8("x"), k: new Uint8Array(32) }),
        Bencode.encode({ t: 1, w: utf8("x"), z: 1 }),
        new Uint8Array(Record.VALUE_MAX_BYTES)
      ]
      for (const value of values) {
        const revoked = Option.getOrThrow(Revocation.fromRecord(garbage(pair, 1, value)))
        const expected = { reason: Revocation.UNREADABLE, timestamp: 0, successor: undefined }
        assert.deepStrictEqual(revoked, { publisher: pair.publicKey, ...expected }, Hex.encode(value.subarray(0, 40)))
      }
    }))

  test("names no successor where the key would succeed itself", () =>
    Effect.gen(function* () {
      const pair = yield* keyPair("alice")
      const byHand = garbage(pair, 1, Bencode.encode({ t: 1, w: utf8("x"), k: pair.publicKey }))
      const signed = Revocation.sign(pair, { reason, successor: pair.publicKey, timestamp: 1 })
      for (const record of [byHand, signed]) {
        const revoked = Option.getOrThrow(Revocation.fromRecord(record))
        assert.notStrictEqual(revoked.reason, Revocation.UNREADABLE)
        assert.isUndefined(revoked.successor)
      }
    }))

  test("lets no reason act on a terminal", () =>
    Effect.gen(function* () {
      const pair = yield* keyPair("alice")
      const value = Bencode.encode({ t: 1, w: utf8("a\u001b[2Jb\nc\u202Ed\u2028e") })
      const { reason: shown } = Option.getOrThrow(Revocation.fromRecord(garbage(pair, 1, value)))
      assert.strictEqual(shown, "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}d\u{FFFD}e")
    }))

  test("is none where a record speaks of something else", () =>
    Effect.gen(function* () {
      const pair = yield* keyPair("alice")
      const { value } = Revocation.sign(pair, { reason, timestamp: 1 })
      for (const keyString of ["libreseed:package:a", "libreseed:revocation:", "libreseed:channel"]) {
        const record = Record.sign(pair, { salt: KeyString.saltOf(keyString), seq: 1, value })
        assert.isTrue(Option.isNone(Revocation.fromRecord(record)))
      }
    }))
})

describe("Revocation.revoke", () => {
  test("remembers the record and puts it where others find it", (network) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_000)
      const [alice, bob] = [yield* keyPair("alice"), yield* keyPair("bob")]
      const done = yield* Revocation.revoke(alice, { reason, successor: bob.publicKey })
      assert.isTrue(done.isAsAsked)
      assert.strictEqual(done.acks, 1)
      assert.strictEqual(done.record.seq, 1)
      assert.deepStrictEqual(yield* Revocation.remembered, [done.revoked])
      const elsewhere = yield* join(network)
      const { revoked } = yield* elsewhere(Revocation.find(alice.publicKey))
      assert.deepStrictEqual(Option.getOrThrow(revoked), {
        publisher: alice.publicKey,
        reason: "my laptop was stolen",
        timestamp: 1_700_000_000_000,
        successor: bob.publicKey
      })
    }).pipe(Effect.scoped))

  test("puts the same record again when it is asked for the same again, also where the network forgot it", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice")
      const first = yield* Revocation.revoke(alice, { reason })
      yield* TestClock.adjust("1 hour")
      network.items.clear()
      const second = yield* Revocation.revoke(alice, { reason })
      assert.deepStrictEqual(second, first)
      assert.strictEqual(network.items.size, 1)
    }))

  test("goes over what is there, in the network or in the own memory, with a higher seq", (network) =>
    Effect.gen(function* () {
      const [alice, bob] = [yield* keyPair("alice"), yield* keyPair("bob")]
      yield* put(garbage(alice, 41))
      const first = yield* Revocation.revoke(alice, { reason })
      assert.strictEqual(first.record.seq, 42)
      network.items.clear()
      const second = yield* Revocation.revoke(alice, { reason, successor: bob.publicKey })
      assert.strictEqual(second.record.seq, 43)
      assert.isTrue(second.isAsAsked)
    }))

  test("ends well where a thief took the highest seq there is, for his record revokes too", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice")
      yield* put(garbage(alice, Record.SEQ_MAX, text("a")))
      const done = yield* Revocation.revoke(alice, { reason })
      assert.isFalse(done.isAsAsked)
      assert.strictEqual(done.revoked.reason, Revocation.UNREADABLE)
      assert.strictEqual(done.acks, 1)
      // And where this host holds another record of that seq than the network does.
      const elsewhere = yield* join(network)
      const own = Revocation.sign(alice, { reason, timestamp: 1, seq: Record.SEQ_MAX })
      yield* elsewhere(Effect.flatMap(RecordStore, (store) => store.remember(own)))
      assert.strictEqual(yield* elsewhere(Effect.map(Revocation.revoke(alice, { reason }), ({ acks }) => acks)), 0)
      assert.isTrue(Option.isSome((yield* elsewhere(Revocation.find(alice.publicKey))).revoked))
    }).pipe(Effect.scoped))

  test("outruns items that the network holds and does not show", () =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice")
      const dht = yield* Dht
      const blind = Dht.of({
        ...dht,
        get: () => Effect.succeedNone,
        put: (record) =>
          record.seq > 1_000_000
            ? dht.put(record)
            : Effect.fail(new DhtError({ reason: new StaleSeq({ target: "there", seq: record.seq }) }))
      })
      const done = yield* Revocation.revoke(alice, { reason }).pipe(Effect.provideService(Dht, blind))
      assert.strictEqual(done.record.seq, Record.SEQ_MAX)
      assert.isTrue(done.isAsAsked)
    }))

  test("is remembered even where the network cannot be reached, and put when it is asked for again", () =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice")
      const dht = yield* Dht
      const down = Effect.fail(new DhtError({ reason: new NoNodes({ bootstrap: [] }) }))
      const cut = Dht.of({ ...dht, put: () => down })
      const error = yield* Effect.flip(Effect.provideService(Revocation.revoke(alice, { reason }), Dht, cut))
      assert.strictEqual(error.reason._tag, "DhtError")
      assert.strictEqual((yield* Revocation.remembered).length, 1)
      assert.strictEqual((yield* Revocation.revoke(alice, { reason })).acks, 1)
    }))
})

describe("Revocation.find", () => {
  test("says that a key is not revoked, with the look-up as evidence", () =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice")
      const answer = yield* Revocation.find(alice.publicKey)
      assert.isTrue(Option.isNone(answer.revoked))
      assert.deepStrictEqual(answer.look?.value, Option.none())
      assert.deepStrictEqual(answer.look?.responders, [])
    }))

  test("remembers what it finds, and needs no look-up from then on", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice")
      yield* put(Revocation.sign(alice, { reason, timestamp: 1 }))
      const first = yield* Revocation.find(alice.publicKey)
      assert.deepStrictEqual(first.look?.responders, ["memory"])
      network.items.clear()
      const second = yield* Revocation.find(alice.publicKey)
      assert.isUndefined(second.look)
      assert.deepStrictEqual(second.revoked, first.revoked)
    }))

  test("stays with what it remembers, whatever a thief puts later", () =>
    Effect.gen(function* () {
      const [alice, mallory] = [yield* keyPair("alice"), yield* keyPair("mallory")]
      yield* Revocation.revoke(alice, { reason })
      const before = yield* Revocation.find(alice.publicKey)
      yield* put(Revocation.sign(alice, { reason, successor: mallory.publicKey, timestamp: 2, seq: 2 }))
      yield* put(garbage(alice, Record.SEQ_MAX))
      assert.deepStrictEqual(yield* Revocation.find(alice.publicKey), before)
    }))

  test("is an error where the network cannot be asked", () =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice")
      const dht = yield* Dht
      const down = Effect.fail(new DhtError({ reason: new NoNodes({ bootstrap: [] }) }))
      const cut = Dht.of({ ...dht, lookup: () => down })
      const asking = yield* Effect.forkChild(
        Effect.flip(Effect.provideService(Revocation.find(alice.publicKey), Dht, cut))
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(asking)).reason._tag, "DhtError")
    }))

  test("takes something else that the key signed for that place for a revocation, since it may hide one", () =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice")
      const dht = yield* Dht
      const look = Effect.succeed({ value: Option.none(), responders: [], isForeign: true })
      const found = yield* Effect.provideService(
        Revocation.find(alice.publicKey),
        Dht,
        Dht.of({ ...dht, lookup: () => look })
      )
      assert.strictEqual(Option.getOrThrow(found.revoked).reason, Revocation.UNREADABLE)
    }))

  test("believes no record of another key, and none whose signature does not hold", (network) =>
    Effect.gen(function* () {
      const [alice, mallory] = [yield* keyPair("alice"), yield* keyPair("mallory")]
      const target = Hex.encode(Record.targetOf(alice.publicKey, Revocation.SALT))
      const foreign = Revocation.sign(mallory, { reason, timestamp: 1 })
      for (const item of [foreign, { ...foreign, publicKey: alice.publicKey }]) {
        network.items.set(target, item)
        assert.isTrue(Option.isNone((yield* Revocation.find(alice.publicKey)).revoked))
      }
      assert.deepStrictEqual(yield* Revocation.remembered, [])
    }))
})

describe("a host with a trust book", () => {
  const withBook = Effect.provide(TrustBook.layerMemory, { local: true })

  test("goes on refusing a key that it saw hidden behind a foreign item, when nobody holds that any more", () =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice")
      const dht = yield* Dht
      const look = Effect.succeed({ value: Option.none(), responders: [], isForeign: true })
      yield* Effect.provideService(Revocation.find(alice.publicKey), Dht, Dht.of({ ...dht, lookup: () => look }))
      const later = yield* Revocation.find(alice.publicKey)
      assert.isUndefined(later.look)
      assert.strictEqual(Option.getOrThrow(later.revoked).reason, Revocation.UNREADABLE)
      assert.deepStrictEqual(yield* Revocation.recall(alice.publicKey), later.revoked)
      assert.deepStrictEqual(yield* Revocation.remembered, [Option.getOrThrow(later.revoked)])
    }).pipe(withBook))

  test("keeps the reason and successor that it saw first, whatever newer record it comes to hold", () =>
    Effect.gen(function* () {
      const [alice, bob, mallory] = [yield* keyPair("alice"), yield* keyPair("bob"), yield* keyPair("mallory")]
      yield* put(Revocation.sign(alice, { reason, successor: bob.publicKey, timestamp: 1 }))
      const { revoked } = yield* Revocation.find(alice.publicKey)
      const newer = Revocation.sign(alice, { reason, successor: mallory.publicKey, timestamp: 2, seq: 2 })
      yield* Effect.flatMap(RecordStore, (store) => store.remember(newer))
      assert.deepStrictEqual((yield* Revocation.find(alice.publicKey)).revoked, revoked)
      assert.deepStrictEqual(yield* Revocation.recall(alice.publicKey), revoked)
      assert.deepStrictEqual(yield* Revocation.remembered, Option.toArray(revoked))
    }).pipe(withBook))

  test("tells its owner what was said before, and keeps that", () =>
    Effect.gen(function* () {
      const [alice, bob] = [yield* keyPair("alice"), yield* keyPair("bob")]
      const first = yield* Revocation.revoke(alice, { reason })
      assert.isUndefined(first.before)
      const second = yield* Revocation.revoke(alice, { reason, successor: bob.publicKey })
      assert.isTrue(second.isAsAsked)
      assert.deepStrictEqual(second.before, first.revoked)
      assert.deepStrictEqual(yield* Revocation.recall(alice.publicKey), Option.some(first.revoked))
    }).pipe(withBook))
})

describe("Revocation.remembered", () => {
  test("lists the keys that were seen to be revoked, and no other records", () =>
    Effect.gen(function* () {
      const store = Context.get(yield* Effect.context<RecordStore>(), RecordStore)
      const pairs = yield* Effect.forEach(["alice", "bob", "carol"], keyPair)
      for (const pair of pairs) {
        yield* store.remember(
          Record.sign(pair, { salt: KeyString.saltOf("libreseed:package:a"), seq: 1, value: text("a") })
        )
      }
      for (const pair of pairs.slice(1)) yield* store.remember(Revocation.sign(pair, { reason, timestamp: 1 }))
      const keys = (yield* Revocation.remembered).map(({ publisher }) => Hex.encode(publisher))
      assert.deepStrictEqual(
        keys,
        pairs
          .slice(1)
          .map(({ publicKey }) => Hex.encode(publicKey))
          .toSorted()
      )
    }))
})
