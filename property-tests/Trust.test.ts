import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Bencode from "../src/protocol/core/Bencode.ts"
import type { PackageName } from "../src/protocol/core/PackageName.ts"
import * as PublicKey from "../src/protocol/core/PublicKey.ts"
import type { Ed25519 } from "../src/protocol/core/Ed25519.ts"
import { Dht } from "../src/protocol/dht/Dht.ts"
import * as KeyString from "../src/protocol/dht/KeyString.ts"
import * as Record from "../src/protocol/dht/Record.ts"
import { RecordStore } from "../src/protocol/dht/RecordStore.ts"
import type { Pin } from "../src/protocol/registry/PublisherTrust.ts"
import * as DhtMemory from "../src/protocol/testing/DhtMemory.ts"
import * as Book from "../src/protocol/trust/Book.ts"
import * as Pins from "../src/protocol/trust/Pins.ts"
import * as Revocation from "../src/protocol/trust/Revocation.ts"
import { TrustBook } from "../src/protocol/trust/TrustBook.ts"
import * as TrustedKeys from "../src/protocol/trust/TrustedKeys.ts"
import { layer as ed25519 } from "../src/runtime/crypto/NodeEd25519.ts"
import { keyPair, name, text } from "../test/protocol/registry/Fixtures.ts"
import { runs, runsUpTo } from "./Runs.ts"

const get = <A, E>(effect: Effect.Effect<A, E, Ed25519>): A => Effect.runSync(Effect.provide(effect, ed25519))

const pairs = get(Effect.forEach(["alice", "bob", "carol"], keyPair))
const [alice, bob, mallory] = [pairs[0]!, pairs[1]!, pairs[2]!]
const publishers = pairs.map(({ publicKey }) => publicKey)

const anyPublisher = fc.constantFrom(...publishers)
const anyName = fc.constantFrom("a", "10", "9", "@scope/name", "constructor").map(name)
const anyTime = fc.nat(2 ** 48)
const anyNote = fc
  .string({ unit: "grapheme", maxLength: 20 })
  .filter((each) => Option.isSome(Book.parseNote(each)))
  .map((each) => Book.Note.make(each))

const decodeBook = Schema.decodeUnknownSync(Book.codec, { onExcessProperty: "error" })
const encodeBook = Schema.encodeSync(Book.codec)
const throughText = (book: Book.Book): Book.Book => decodeBook(JSON.parse(JSON.stringify(encodeBook(book))))

type Operation =
  | { readonly op: "firstUse" | "pin"; readonly name: PackageName; readonly publisher: PublicKey.PublicKey }
  | { readonly op: "unpin"; readonly name: PackageName }
  | { readonly op: "add"; readonly publisher: PublicKey.PublicKey; readonly note: Book.Note | undefined }
  | { readonly op: "remove"; readonly publisher: PublicKey.PublicKey }
  | { readonly op: "reopen" }

const named = { name: anyName, publisher: anyPublisher }
const anyOperation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ op: fc.constant("firstUse" as const), ...named }),
  fc.record({ op: fc.constant("pin" as const), ...named }),
  fc.record({ op: fc.constant("unpin" as const), name: anyName }),
  fc.record({
    op: fc.constant("add" as const),
    publisher: anyPublisher,
    note: fc.option(anyNote, { nil: undefined })
  }),
  fc.record({ op: fc.constant("remove" as const), publisher: anyPublisher }),
  fc.constant({ op: "reopen" as const })
)

const perform = (operation: Operation): Effect.Effect<void, unknown, TrustBook> => {
  switch (operation.op) {
    case "firstUse":
      return Effect.asVoid(Pins.firstUse(operation.name, operation.publisher))
    case "pin":
      return Effect.asVoid(Pins.pin(operation.name, operation.publisher))
    case "unpin":
      return Effect.asVoid(Pins.unpin(operation.name))
    case "add":
      return Effect.asVoid(TrustedKeys.add(operation.publisher, operation.note))
    case "remove":
      return Effect.asVoid(TrustedKeys.remove(operation.publisher))
    case "reopen":
      return Effect.flatMap(TrustBook, ({ update }) => update((book) => [undefined, throughText(book)]))
  }
}

const inBook = <A, E>(work: Effect.Effect<A, E, TrustBook>): A =>
  Effect.runSync(Effect.provide(work, TrustBook.layerMemory, { local: true }))

describe("the trust book", () => {
  it("a pin is never changed by a first use, in whatever sequence of operations", () => {
    fc.assert(
      fc.property(fc.array(anyOperation, { maxLength: 20 }), (operations) =>
        inBook(
          Effect.gen(function* () {
            const { read } = yield* TrustBook
            for (const operation of operations) {
              const { pins: before } = yield* read
              yield* perform(operation)
              if (operation.op !== "firstUse") continue
              const { pins: after } = yield* read
              for (const [pinned, pin] of before) assert.deepStrictEqual(after.get(pinned), pin)
            }
          })
        )
      ),
      runs
    )
  })

  it("equals two maps under random operations, also when it is written and read in between", () => {
    fc.assert(
      fc.property(fc.array(anyOperation, { maxLength: 25 }), (operations) => {
        const pins = new Map<PackageName, PublicKey.PublicKey>()
        const trusted = new Map<string, Book.Note | undefined>()
        const expect = (operation: Operation): void => {
          if (operation.op === "pin") pins.set(operation.name, operation.publisher)
          if (operation.op === "unpin") pins.delete(operation.name)
          if (operation.op === "firstUse" && !pins.has(operation.name)) pins.set(operation.name, operation.publisher)
          if (operation.op === "remove") trusted.delete(PublicKey.toHex(operation.publisher))
          if (operation.op === "add") {
            const key = PublicKey.toHex(operation.publisher)
            trusted.set(key, operation.note ?? trusted.get(key))
          }
        }
        const book = inBook(
          Effect.gen(function* () {
            for (const operation of operations) {
              expect(operation)
              yield* perform(operation)
            }
            return yield* (yield* TrustBook).read
          })
        )
        const publishersOf = [...book.pins].map(([pinned, pin]): [PackageName, PublicKey.PublicKey] => [
          pinned,
          pin.publisher
        ])
        assert.deepStrictEqual(new Map(publishersOf), pins)
        assert.deepStrictEqual(new Map([...book.trusted].map(([key, { note }]) => [key, note])), trusted)
      }),
      runs
    )
  })

  it("is the same after it was written and read", () => {
    const anyPin: fc.Arbitrary<Pin> = fc.record({ publisher: anyPublisher, since: anyTime }, { noNullPrototype: true })
    const anyBook: fc.Arbitrary<Book.Book> = fc.record({
      pins: fc.array(fc.tuple(anyName, anyPin)).map((entries) => new Map(entries)),
      trusted: fc
        .array(fc.tuple(anyPublisher, anyTime, fc.option(anyNote, { nil: undefined })))
        .map(
          (entries) =>
            new Map(
              entries.map(([publisher, since, note]) => [
                PublicKey.toHex(publisher),
                note === undefined ? { publisher, since } : { publisher, since, note }
              ])
            )
        ),
      revoked: fc.array(fc.tuple(anyPublisher, anyTime, fc.option(anyPublisher, { nil: undefined }))).map(
        (entries) =>
          new Map(
            entries.map(([publisher, since, successor]) => {
              const tombstone: Book.Tombstone = { publisher, reason: "lost", timestamp: 0, successor, since }
              return [PublicKey.toHex(publisher), tombstone]
            })
          )
      )
    })
    fc.assert(
      fc.property(anyBook, (book) => assert.deepStrictEqual(throughText(book), book)),
      runs
    )
  })
})

const anyReason = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 60 })
  .map(Revocation.parseReason)
  .filter(Option.isSome)
  .map(({ value }) => value)

/** Any bytes, and bytes that come near to the form of a revocation. */
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 80 }),
  fc
    .record({ t: fc.nat(), w: fc.string(), k: fc.uint8Array({ minLength: 30, maxLength: 33 }) })
    .map(({ k, t, w }) => Bencode.encode({ k, t, w: text(w) }))
)

/** What a thief of alice's key might put at the salt of revocations. */
const thefts: ReadonlyArray<Record.Record> = [1, 2, 7, Record.SEQ_MAX].flatMap((seq) => {
  const takeover = { reason: Revocation.DEFAULT_REASON, successor: mallory.publicKey, timestamp: 1 }
  const { value } = Revocation.sign(alice, takeover)
  const values = [value, text(""), text("de"), text("0:"), text("sorry, all is well")]
  return values.map((each) => Record.sign(alice, { salt: Revocation.SALT, seq, value: each }))
})

const unsigned = thefts.map((theft): Record.Item => {
  const { publicKey, salt, seq, value } = theft
  return { publicKey, salt, seq, value, signature: new Uint8Array(64) }
})

/** What nobody may take for alice's revocation: words of others, and her own words about other things. */
const innocent: ReadonlyArray<Record.Record> = [
  Revocation.sign(mallory, { reason: Revocation.DEFAULT_REASON, timestamp: 1 }),
  Revocation.sign(bob, { reason: Revocation.DEFAULT_REASON, successor: alice.publicKey, timestamp: 1 }),
  ...[KeyString.packageOf(name("a")), "libreseed:channel", "libreseed:revocation:"].map((keyString) =>
    Record.sign(alice, { salt: KeyString.saltOf(keyString), seq: 1, value: thefts[0]!.value })
  )
]

const inNetwork = <A, E>(work: (network: DhtMemory.Network) => Effect.Effect<A, E, Dht | RecordStore | Ed25519>): A => {
  const network = DhtMemory.make()
  const layer = Layer.merge(DhtMemory.layerOn(network), RecordStore.layerMemory).pipe(Layer.provideMerge(ed25519))
  return Effect.runSync(Effect.provide(work(network), layer, { local: true }))
}

const target = Hex.encode(Record.targetOf(alice.publicKey, Revocation.SALT))

describe("revocations", () => {
  it("say what was signed", () => {
    fc.assert(
      fc.property(anyReason, anyTime, fc.option(anyPublisher, { nil: undefined }), (reason, timestamp, successor) => {
        const record = Revocation.sign(alice, { reason, timestamp, successor })
        const revoked = Option.getOrThrow(Revocation.fromRecord(record))
        assert.strictEqual(revoked.timestamp, timestamp)
        assert.notStrictEqual(revoked.reason, Revocation.UNREADABLE)
        assert.strictEqual(Array.from(revoked.reason).length, Array.from(reason).length)
        assert.deepStrictEqual(revoked.successor, successor === alice.publicKey ? undefined : successor)
      }),
      runs
    )
  })

  it("hold whatever bytes stand at their salt, name no key that succeeds itself, and print nothing that a terminal acts on", () => {
    fc.assert(
      fc.property(anyBytes, fc.nat(Record.SEQ_MAX), (value, seq) => {
        const revoked = Option.getOrThrow(
          Revocation.fromRecord(Record.sign(alice, { salt: Revocation.SALT, seq, value }))
        )
        assert.strictEqual(revoked.publisher, alice.publicKey)
        assert.match(revoked.reason, /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u)
        assert.notDeepEqual(revoked.successor, alice.publicKey)
      }),
      runs
    )
  })

  it("no sequence of records, forgetting and forging makes a revoked key unrevoked", () => {
    const anyStep = fc.oneof(
      fc.record({ step: fc.constant("put" as const), record: fc.constantFrom(...thefts, ...innocent) }),
      fc.record({ step: fc.constant("remember" as const), record: fc.constantFrom(...thefts, ...innocent) }),
      fc.record({ step: fc.constant("forge" as const), record: fc.constantFrom(...innocent) }),
      fc.constant({ step: "forget" as const }),
      fc.constant({ step: "find" as const })
    )
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 10 }), (steps) =>
        inNetwork((network) =>
          Effect.gen(function* () {
            const dht = yield* Dht
            const store = yield* RecordStore
            let known = false
            for (const each of steps) {
              if (each.step === "put") yield* Effect.ignore(dht.put(each.record))
              if (each.step === "remember") {
                yield* store.remember(each.record)
                known ||= thefts.includes(each.record)
              }
              if (each.step === "forge") network.items.set(target, { ...each.record, publicKey: alice.publicKey })
              if (each.step === "forget") network.items.clear()
              const isThere = Option.isSome(yield* dht.get(alice.publicKey, Revocation.SALT))
              if (each.step !== "find" && !known) continue
              const { revoked } = yield* Revocation.find(alice.publicKey)
              assert.strictEqual(Option.isSome(revoked), known || isThere)
              known ||= Option.isSome(revoked)
            }
          })
        )
      ),
      runsUpTo(250)
    )
  })

  it("no forged, foreign or relabelled record revokes a key", () => {
    const anyItem = fc
      .record({
        base: fc.constantFrom<Record.Item>(...innocent, ...unsigned),
        flips: fc.array(fc.record({ field: fc.constantFrom("value", "signature"), bit: fc.nat(8 * 100) }), {
          maxLength: 3
        }),
        seq: fc.option(fc.nat(Record.SEQ_MAX), { nil: undefined })
      })
      .map(({ base, flips, seq }): Record.Item => {
        const value = base.value.slice()
        const signature = base.signature.slice()
        for (const { bit, field } of flips) {
          const bytes = field === "value" ? value : signature
          if (bytes.length > 0) bytes[(bit >> 3) % bytes.length]! ^= 1 << (bit & 7)
        }
        return { publicKey: base.publicKey, salt: base.salt, value, signature, seq: seq ?? base.seq }
      })
    fc.assert(
      fc.property(anyItem, (item) =>
        inNetwork((network) =>
          Effect.gen(function* () {
            network.items.set(target, item)
            assert.isTrue(Option.isNone((yield* Revocation.find(alice.publicKey)).revoked))
            assert.deepStrictEqual(yield* Revocation.remembered, [])
          })
        )
      ),
      runs
    )
  })
})
