/** What every `Dht` layer must do. Run against the in-memory layer and against real sockets alike. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { sha1, sha256 } from "../../../src/protocol/core/Digest.ts"
import type { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import type { Infohash } from "../../../src/protocol/core/Infohash.ts"
import * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import type { Answer, Dht, Holders, PutReceipt } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"

/** A network that any number of hosts can join, each with a `Dht` of its own. */
export interface Hosts {
  readonly join: Effect.Effect<Dht["Service"], unknown, Scope.Scope>
}

const text = (value: string) => new TextEncoder().encode(value)

/** Every test has keys and infohashes of its own, since all of them share one network. */
let counter = 0
const unique = (label: string) => `${label} ${counter++}`

const keyPair = (label: string) => KeyPair.fromSeed(sha256(text(unique(label))))

const infohashOf = (label: string) => sha1(text(unique(label))) as Uint8Array as Infohash

const saltOf = (label: string) => KeyString.saltOf(unique(label))

const tagOf = <A, E extends { readonly reason: { readonly _tag: string } }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

/** `acks` nodes took the item; the one that asks now may have been one of them, and does not ask itself. */
const expectHolders = (responders: ReadonlyArray<string>, acks: number) => {
  assert.isAtLeast(responders.length, Math.max(1, acks - 1))
  assert.strictEqual(new Set(responders).size, responders.length)
}

/** Of a network where nobody refuses and nobody is silent. */
const expectReceipt = ({ acks, asked, networks, refused, silent, stored }: PutReceipt) => {
  assert.isAtLeast(acks, 1)
  assert.strictEqual(stored.length, acks)
  assert.strictEqual(new Set(stored).size, acks)
  assert.isAtLeast(asked, acks)
  assert.isAtLeast(networks, 1)
  assert.isAtMost(networks, acks)
  assert.deepStrictEqual([...refused, ...silent], [])
}

/** Whoever says how many were asked says how many of them answered. */
const expectCounts = ({ answered, asked }: Pick<Answer<unknown>, "answered" | "asked"> | Holders) => {
  if (asked === undefined || answered === undefined) return assert.strictEqual(asked, answered)
  assert.isAtLeast(answered, 1)
  assert.isAtLeast(asked, answered)
}

/** `run` takes each test to where its network lives, for one that has a time of its own. */
export const suite = (
  name: string,
  hosts: Effect.Effect<Hosts, unknown, Scope.Scope>,
  ed25519: Layer.Layer<Ed25519>,
  run: (test: Effect.Effect<void, unknown>) => Effect.Effect<void, unknown> = (test) => test
) =>
  describe(`Dht: ${name}`, () => {
    const test = (title: string, body: (hosts: Hosts) => Effect.Effect<void, unknown, Scope.Scope | Ed25519>) =>
      it.live(title, () => run(Effect.flatMap(hosts, body).pipe(Effect.scoped, Effect.provide(ed25519))))

    test("gives a record that another host put", (hosts) =>
      Effect.gen(function* () {
        const [writer, reader] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("writer")
        const record = Record.sign(pair, { salt: saltOf("a"), seq: 1, value: text("hello") })
        const receipt = yield* writer.put(record)
        assert.deepStrictEqual(receipt.target, Record.targetOf(pair.publicKey, record.salt))
        assert.isAtLeast(receipt.acks, 1)
        const found = Option.getOrThrow(yield* reader.get(pair.publicKey, record.salt))
        assert.strictEqual(found.seq, 1)
        assert.deepStrictEqual(Uint8Array.from(found.value), text("hello"))
        assert.deepStrictEqual(Uint8Array.from(found.signature), Uint8Array.from(record.signature))
      }))

    test("gives nothing where nothing was put", (hosts) =>
      Effect.gen(function* () {
        const host = yield* hosts.join
        const pair = yield* keyPair("nobody")
        assert.isTrue(Option.isNone(yield* host.get(pair.publicKey, saltOf("none"))))
        assert.isTrue(Option.isNone(yield* host.getImmutable(Record.immutableTargetOf(text(unique("never"))))))
        assert.deepStrictEqual(yield* host.findPeers(infohashOf("nobody")), [])
        assert.deepStrictEqual((yield* host.lookup(pair.publicKey, saltOf("none"))).responders, [])
        const never = Record.immutableTargetOf(text(unique("never")))
        assert.deepStrictEqual((yield* host.lookupImmutable(never)).responders, [])
      }))

    test("says who holds a record, however many ask at once", (hosts) =>
      Effect.gen(function* () {
        const [writer, reader] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("held")
        const record = Record.sign(pair, { salt: saltOf("held"), seq: 1, value: text("held") })
        const { acks } = yield* writer.put(record)
        const lookUp = reader.lookup(pair.publicKey, record.salt)
        const answers = yield* Effect.all([lookUp, lookUp, lookUp], { concurrency: "unbounded" })
        for (const { responders, value } of answers) {
          assert.strictEqual(Option.getOrThrow(value).seq, 1)
          expectHolders(responders, acks)
        }
      }))

    test("says who holds an immutable item, while others only ask for it", (hosts) =>
      Effect.gen(function* () {
        const [writer, reader] = [yield* hosts.join, yield* hosts.join]
        const item = text(unique("immutable"))
        const { acks, target } = yield* writer.putImmutable(item)
        const [first, got, second] = yield* Effect.all(
          [reader.lookupImmutable(target), reader.getImmutable(target), reader.lookupImmutable(target)],
          { concurrency: "unbounded" }
        )
        for (const value of [first.value, got, second.value]) {
          assert.strictEqual(Hex.encode(Option.getOrThrow(value)), Hex.encode(item))
        }
        expectHolders(first.responders, acks)
        expectHolders(second.responders, acks)
      }))

    test("says of a record whose place was taken by a newer one only who holds the newer one", (hosts) =>
      Effect.gen(function* () {
        const [writer, reader] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("newer")
        const salt = saltOf("newer")
        yield* writer.put(Record.sign(pair, { salt, seq: 1, value: text("old") }))
        const { acks } = yield* writer.put(Record.sign(pair, { salt, seq: 2, value: text("new") }))
        const { responders, value } = yield* reader.lookup(pair.publicKey, salt)
        assert.strictEqual(Option.getOrThrow(value).seq, 2)
        expectHolders(responders, acks)
      }))

    test("counts whoever holds an item already as often as it is put again", (hosts) =>
      Effect.gen(function* () {
        const [writer, holder] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("re-put")
        const record = Record.sign(pair, { salt: saltOf("re-put"), seq: 1, value: text("same") })
        const first = yield* writer.put(record)
        const item = text(unique("same"))
        const firstImmutable = yield* writer.putImmutable(item)
        for (const host of [writer, holder, holder]) {
          assert.isAtLeast((yield* host.put(record)).acks, first.acks - 1)
          assert.isAtLeast((yield* host.putImmutable(item)).acks, firstImmutable.acks - 1)
        }
      }))

    test("knows nodes as soon as it has looked something up", (hosts) =>
      Effect.gen(function* () {
        const host = yield* hosts.join
        const { publicKey } = yield* keyPair("count")
        yield* host.get(publicKey, saltOf("count"))
        assert.isAtLeast(yield* host.nodeCount, 1)
      }))

    test("keeps the newest seq and refuses an older one", (hosts) =>
      Effect.gen(function* () {
        const [writer, reader] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("seq")
        const salt = saltOf("seq")
        const record = (seq: number) => Record.sign(pair, { salt, seq, value: text(`version ${seq}`) })
        yield* writer.put(record(1))
        yield* writer.put(record(5))
        assert.strictEqual(yield* tagOf(writer.put(record(4))), "StaleSeq")
        assert.strictEqual(Option.getOrThrow(yield* reader.get(pair.publicKey, salt)).seq, 5)
      }))

    test("refuses another value under the seq that is there", (hosts) =>
      Effect.gen(function* () {
        const host = yield* hosts.join
        const pair = yield* keyPair("fork")
        const salt = saltOf("fork")
        yield* host.put(Record.sign(pair, { salt, seq: 3, value: text("one") }))
        const other = Record.sign(pair, { salt, seq: 3, value: text("two") })
        assert.strictEqual(yield* tagOf(host.put(other)), "StaleSeq")
      }))

    test("counts the record that is already there as stored", (hosts) =>
      Effect.gen(function* () {
        const [writer, holder] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("again")
        const record = Record.sign(pair, { salt: saltOf("again"), seq: 1, value: text("same") })
        yield* writer.put(record)
        assert.isAtLeast((yield* holder.put(record)).acks, 1)
      }))

    test("fails a compare-and-swap that expects another seq", (hosts) =>
      Effect.gen(function* () {
        const [first, second] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("cas")
        const salt = saltOf("cas")
        yield* first.put(Record.sign(pair, { salt, seq: 1, value: text("1") }))
        yield* first.put(Record.sign(pair, { salt, seq: 2, value: text("2") }), { cas: 1 })
        const late = Record.sign(pair, { salt, seq: 3, value: text("3") })
        assert.strictEqual(yield* tagOf(second.put(late, { cas: 1 })), "CasConflict")
        assert.strictEqual(Option.getOrThrow(yield* second.get(pair.publicKey, salt)).seq, 2)
        yield* second.put(late, { cas: 2 })
        assert.strictEqual(Option.getOrThrow(yield* first.get(pair.publicKey, salt)).seq, 3)
      }))

    test("keeps records of one key apart by salt", (hosts) =>
      Effect.gen(function* () {
        const host = yield* hosts.join
        const pair = yield* keyPair("salts")
        const [left, right] = [saltOf("left"), saltOf("right")]
        yield* host.put(Record.sign(pair, { salt: left, seq: 7, value: text("left") }))
        yield* host.put(Record.sign(pair, { salt: right, seq: 1, value: text("right") }))
        assert.deepStrictEqual(
          Uint8Array.from(Option.getOrThrow(yield* host.get(pair.publicKey, left)).value),
          text("left")
        )
        assert.strictEqual(Option.getOrThrow(yield* host.get(pair.publicKey, right)).seq, 1)
      }))

    test("stores nothing that its key did not sign", (hosts) =>
      Effect.gen(function* () {
        const [forger, reader] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("victim")
        const salt = saltOf("victim")
        const genuine = Record.sign(pair, { salt, seq: 1, value: text("genuine") })
        const forgeries: ReadonlyArray<Partial<Record.Item>> = [
          { value: text("forged!") },
          { seq: 2 },
          { signature: genuine.signature.map((byte, i) => (i === 40 ? byte ^ 1 : byte)) }
        ]
        for (const forgery of forgeries) {
          const tag = yield* tagOf(forger.put({ ...genuine, ...forgery } as Record.Record))
          assert.include(["InvalidRecord", "PutRefused"], tag)
        }
        assert.isTrue(Option.isNone(yield* reader.get(pair.publicKey, salt)))
      }))

    test("carries values up to 996 bytes, of any content", (hosts) =>
      Effect.gen(function* () {
        const [writer, reader] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("edge")
        for (const length of [0, 1, Record.VALUE_MAX_BYTES]) {
          const value = Uint8Array.from({ length }, (_, i) => (i * 151) & 0xff)
          const record = Record.sign(pair, { salt: saltOf(`edge ${length}`), seq: 1, value })
          yield* writer.put(record)
          const found = Option.getOrThrow(yield* reader.get(pair.publicKey, record.salt))
          assert.strictEqual(Hex.encode(found.value), Hex.encode(value))
        }
      }))

    test("carries the largest seq", (hosts) =>
      Effect.gen(function* () {
        const [writer, reader] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("seq max")
        const record = Record.sign(pair, { salt: saltOf("max"), seq: Record.SEQ_MAX, value: text("last") })
        yield* writer.put(record)
        assert.strictEqual(Option.getOrThrow(yield* reader.get(pair.publicKey, record.salt)).seq, Record.SEQ_MAX)
      }))

    test("gives immutable items by the hash of what they are", (hosts) =>
      Effect.gen(function* () {
        const [writer, reader] = [yield* hosts.join, yield* hosts.join]
        for (const length of [1, Record.VALUE_MAX_BYTES]) {
          const value = text(unique("immutable").padEnd(length, "·").slice(0, length)).slice(0, length)
          const receipt = yield* writer.putImmutable(value)
          assert.deepStrictEqual(receipt.target, Record.immutableTargetOf(value))
          const found = Option.getOrThrow(yield* reader.getImmutable(receipt.target))
          assert.strictEqual(Hex.encode(found), Hex.encode(value))
        }
        const tooLong = new Uint8Array(Record.VALUE_MAX_BYTES + 1)
        assert.strictEqual(yield* tagOf(writer.putImmutable(tooLong)), "PutRefused")
      }))

    test("finds the peers that announced themselves", (hosts) =>
      Effect.gen(function* () {
        const [seeder, second, reader] = [yield* hosts.join, yield* hosts.join, yield* hosts.join]
        const infohash = infohashOf("popular")
        assert.isAtLeast(yield* seeder.announcePeer(infohash, 7001), 1)
        yield* second.announcePeer(infohash, 7002)
        yield* second.announcePeer(infohash, 7002)
        const peers = (yield* reader.findPeers(infohash)).map(({ port }) => port)
        assert.deepStrictEqual(peers.toSorted(), [7001, 7002])
      }))

    test("says in a receipt who stored it, of how many", (hosts) =>
      Effect.gen(function* () {
        const [writer, holder] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("receipt")
        const salt = saltOf("receipt")
        expectReceipt(yield* writer.put(Record.sign(pair, { salt, seq: 1, value: text("1") })))
        expectReceipt(yield* writer.put(Record.sign(pair, { salt, seq: 2, value: text("2") }), { cas: 1 }))
        expectReceipt(yield* writer.putImmutable(text(unique("receipt"))))
        // Those that hold it count as those that stored it, also where another host put it.
        expectReceipt(yield* holder.put(Record.sign(pair, { salt, seq: 2, value: text("2") })))
      }))

    test("stores on all that it finds where more acknowledgements are wanted than there are nodes", (hosts) =>
      Effect.gen(function* () {
        const writer = yield* hosts.join
        const pair = yield* keyPair("wanted")
        const record = (seq: number) => Record.sign(pair, { salt: saltOf(`wanted ${seq}`), seq, value: text("wanted") })
        const few = yield* writer.put(record(1), { minAcks: 1 })
        const many = yield* writer.put(record(2), { minAcks: 1_000 })
        expectReceipt(few)
        expectReceipt(many)
        assert.isAtLeast(many.acks, Math.min(few.acks, 8))
        expectReceipt(yield* writer.putImmutable(text(unique("wanted")), { minAcks: 1_000 }))
      }))

    test("says which version each holder has", (hosts) =>
      Effect.gen(function* () {
        const [writer, reader] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("holders")
        const salt = saltOf("holders")
        const nobody = yield* reader.holders(pair.publicKey, salt)
        assert.deepStrictEqual(nobody.holders, [])
        for (const seq of [3, 7]) {
          const { acks } = yield* writer.put(Record.sign(pair, { salt, seq, value: text(`version ${seq}`) }))
          const found = yield* reader.holders(pair.publicKey, salt)
          expectCounts(found)
          assert.deepStrictEqual([...new Set(found.holders.map((holder) => holder.seq))], [seq])
          expectHolders(
            found.holders.map(({ node }) => node),
            acks
          )
        }
      }))

    test("says who holds an immutable item, which has the number 0", (hosts) =>
      Effect.gen(function* () {
        const [writer, reader] = [yield* hosts.join, yield* hosts.join]
        const value = text(unique("held"))
        assert.deepStrictEqual((yield* reader.holdersImmutable(Record.immutableTargetOf(value))).holders, [])
        const { acks, target } = yield* writer.putImmutable(value)
        const found = yield* reader.holdersImmutable(target)
        expectCounts(found)
        assert.deepStrictEqual([...new Set(found.holders.map(({ seq }) => seq))], [0])
        expectHolders(
          found.holders.map(({ node }) => node),
          acks
        )
      }))

    test("finds the same with a time limit, and when few that agree are enough", (hosts) =>
      Effect.gen(function* () {
        const [writer, reader] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("options")
        const record = Record.sign(pair, { salt: saltOf("options"), seq: 4, value: text("options") })
        yield* writer.put(record)
        const { target } = yield* writer.putImmutable(text("options"))
        for (const options of [{ timeout: "1 minute" }, { enough: 1 }, { enough: 3, timeout: "1 minute" }] as const) {
          const found = yield* reader.lookup(pair.publicKey, record.salt, options)
          assert.strictEqual(Option.getOrThrow(found.value).seq, 4)
          assert.isAtLeast(found.responders.length, 1)
          expectCounts(found)
          const item = yield* reader.lookupImmutable(target, options)
          assert.strictEqual(Hex.encode(Option.getOrThrow(item.value)), Hex.encode(text("options")))
          expectCounts(item)
        }
        expectCounts(yield* reader.lookup(pair.publicKey, saltOf("nothing")))
      }))

    test("gives what it heard a moment ago only to those whom that will do", (hosts) =>
      Effect.gen(function* () {
        const [writer, reader] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("fresh")
        const salt = saltOf("fresh")
        const get = (options?: Parameters<Dht["Service"]["get"]>[2]) =>
          Effect.map(reader.get(pair.publicKey, salt, options), (found) => Option.getOrThrow(found).seq)
        yield* writer.put(Record.sign(pair, { salt, seq: 1, value: text("old") }))
        assert.strictEqual(yield* get({ freshness: "1 minute" }), 1)
        yield* writer.put(Record.sign(pair, { salt, seq: 2, value: text("new") }))
        assert.include([1, 2], yield* get({ freshness: "1 minute" }))
        assert.strictEqual(yield* get(), 2)
        assert.strictEqual(yield* get({ freshness: 0 }), 2)
        assert.strictEqual(yield* get({ freshness: "1 minute" }), 2)
      }))

    test("keeps concurrent puts apart", (hosts) =>
      Effect.gen(function* () {
        const [writer, reader] = [yield* hosts.join, yield* hosts.join]
        const pair = yield* keyPair("many")
        const records = Array.from({ length: 24 }, (_, i) =>
          Record.sign(pair, { salt: saltOf(`many ${i}`), seq: i, value: text(`value ${i}`) })
        )
        yield* Effect.forEach(records, (record) => writer.put(record), { concurrency: "unbounded", discard: true })
        const found = yield* Effect.forEach(records, ({ salt }) => reader.get(pair.publicKey, salt), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(
          found.map((each) => Option.getOrThrow(each).seq),
          records.map(({ seq }) => seq)
        )
      }))
  })
