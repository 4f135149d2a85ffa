import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import * as Book from "../../../src/protocol/trust/Book.ts"
import * as Pins from "../../../src/protocol/trust/Pins.ts"
import { TrustBook } from "../../../src/protocol/trust/TrustBook.ts"
import * as TrustedKeys from "../../../src/protocol/trust/TrustedKeys.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import { keyPair, name } from "../registry/Fixtures.ts"

const alice = Effect.runSync(Effect.provide(keyPair("alice"), ed25519)).publicKey
const base64 = PublicKey.toBase64(alice)
const decode = Schema.decodeUnknownOption(Book.codec, { onExcessProperty: "error" })
const encode = Schema.encodeSync(Book.codec)

const refused = (written: unknown) => assert.isTrue(Option.isNone(decode(written)), JSON.stringify(written))

describe("Book", () => {
  it("is written as lists that people can read", () => {
    const written = {
      pins: [{ name: "left-pad", publisher: base64, since: 5 }],
      trusted: [{ publisher: base64, since: 6, note: "a friend" }]
    }
    assert.deepStrictEqual(encode(Option.getOrThrow(decode(written))), written)
  })

  it("keeps what was seen revoked, and writes nothing of it where nothing was", () => {
    const older = { pins: [], trusted: [] }
    assert.deepStrictEqual(encode(Option.getOrThrow(decode(older))), older)
    const said = { publisher: base64, reason: "stolen", timestamp: 1, since: 2 }
    for (const each of [said, { ...said, successor: base64 }]) {
      const written = { ...older, revoked: [each] }
      assert.deepStrictEqual(encode(Option.getOrThrow(decode(written))), written)
    }
    refused({ ...older, revoked: [said, said] })
  })

  it("takes keys in each of their spellings", () => {
    for (const publisher of [base64, PublicKey.toHex(alice), PublicKey.toOverlay(alice)]) {
      const book = Option.getOrThrow(decode({ pins: [{ name: "a", publisher, since: 1 }], trusted: [] }))
      assert.deepStrictEqual(book.pins.get(name("a")), { publisher: alice, since: 1 })
    }
  })

  it("is refused where a name or a key stands there twice, whatever its spelling", () => {
    const pin = { name: "a", publisher: base64, since: 1 }
    refused({ pins: [pin, pin], trusted: [] })
    refused({ pins: [], trusted: [1, 2].map((since) => ({ publisher: base64, since })) })
    refused({ pins: [], trusted: [base64, PublicKey.toHex(alice)].map((publisher) => ({ publisher, since: 1 })) })
  })

  it("is refused where something in it is not what it should be", () => {
    refused(null)
    refused([])
    refused({ pins: [] })
    refused({ pins: {}, trusted: [] })
    refused({ pins: [], trusted: [], more: 1 })
    refused({ pins: [{ name: "Not A Name", publisher: base64, since: 1 }], trusted: [] })
    refused({ pins: [{ name: "a", publisher: "AQ==", since: 1 }], trusted: [] })
    refused({ pins: [{ name: "a", publisher: "00".repeat(32), since: 1 }], trusted: [] })
    refused({ pins: [{ name: "a", publisher: base64, since: -1 }], trusted: [] })
    refused({ pins: [{ name: "a", publisher: base64, since: 1.5 }], trusted: [] })
    refused({ pins: [], trusted: [{ publisher: base64, since: 1, note: "two\nlines" }] })
    refused({ pins: [], trusted: [{ publisher: base64, since: 1, note: "x".repeat(Book.NOTE_MAX_CHARS + 1) }] })
  })

  it("takes notes of 1 to 200 characters on one line", () => {
    assert.isTrue(Option.isSome(Book.parseNote("x")))
    assert.isTrue(Option.isSome(Book.parseNote("ü".repeat(Book.NOTE_MAX_CHARS))))
    for (const text of ["", "x".repeat(Book.NOTE_MAX_CHARS + 1), "a\nb", "\u001b[2J", "a\u2028b"]) {
      assert.isTrue(Option.isNone(Book.parseNote(text)), JSON.stringify(text))
    }
  })
})

const pinned = (count: number): Book.Book => ({
  ...Book.empty,
  pins: new Map(Array.from({ length: count }, (_, i) => [name(`p${i}`), { publisher: alice, since: 1 }]))
})

/** Keys that need not be points of the curve, since nothing is verified. */
const trusting = (count: number): Book.Book => ({
  ...Book.empty,
  trusted: new Map(
    Array.from({ length: count }, (_, i) => {
      const publisher = alice.slice()
      new DataView(publisher.buffer).setUint32(8, i)
      const key = Option.getOrThrow(PublicKey.fromBytes(publisher))
      return [PublicKey.toHex(key), { publisher: key, since: 1 }]
    })
  )
})

describe("a full book", () => {
  const fill = (book: Book.Book) => Effect.flatMap(TrustBook, ({ update }) => update(() => [undefined, book]))

  it.effect("takes no more pins, and goes on changing those it has", () =>
    Effect.gen(function* () {
      yield* fill(pinned(Book.PINS_MAX - 1))
      assert.isTrue((yield* Pins.firstUse(name("last"), alice)).isNew)
      const uses = [Effect.asVoid(Pins.firstUse(name("more"), alice)), Effect.asVoid(Pins.pin(name("more"), alice))]
      for (const use of uses) {
        const { reason } = yield* Effect.flip(use)
        assert.strictEqual(reason._tag, "TrustBookFull")
        assert.include(reason.message, "100000 pins")
        assert.include(reason.hint, "unpin")
      }
      assert.isFalse((yield* Pins.firstUse(name("last"), alice)).isNew)
      const bob = yield* keyPair("bob")
      assert.isTrue(Option.isSome((yield* Pins.pin(name("last"), bob.publicKey)).replaced))
      yield* Pins.unpin(name("p0"))
      assert.isTrue((yield* Pins.firstUse(name("more"), alice)).isNew)
    }).pipe(Effect.provide([TrustBook.layerMemory, ed25519], { local: true }))
  )

  it.effect("takes no more keys, and goes on noting things about those it has", () =>
    Effect.gen(function* () {
      yield* fill(trusting(Book.TRUSTED_MAX - 1))
      const last = yield* TrustedKeys.add(alice)
      const bob = yield* keyPair("bob")
      const { reason } = yield* Effect.flip(TrustedKeys.add(bob.publicKey))
      assert.strictEqual(reason._tag, "TrustBookFull")
      assert.include(reason.hint, "trust remove")
      assert.deepStrictEqual(yield* TrustedKeys.add(alice, Book.Note.make("x")), {
        ...last,
        note: Book.Note.make("x")
      })
    }).pipe(Effect.provide([TrustBook.layerMemory, ed25519], { local: true }))
  )

  it("is read back at its limit, and refused past it", () => {
    const pins = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ name: `p${i}`, publisher: base64, since: 1 }))
    const keys = encode(trusting(Book.TRUSTED_MAX))
    assert.isTrue(Option.isSome(decode(keys)))
    assert.isTrue(Option.isSome(decode({ pins: pins(Book.PINS_MAX), trusted: [] })))
    assert.isTrue(Option.isNone(decode({ pins: pins(Book.PINS_MAX + 1), trusted: [] })))
  })
})
