/**
 * What a node of each implementation takes, put by hand so that no client refuses to send it. The table is that
 * of docs/guide/interop.md.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Bencode from "../../src/protocol/core/Bencode.ts"
import { sha1 } from "../../src/protocol/core/Digest.ts"
import { SALT_MAX_BYTES, SEQ_MAX } from "../../src/protocol/dht/Record.ts"
import { bytes, keyOf, MixedNetwork } from "./MixedNetwork.ts"
import * as RawKrpc from "./RawKrpc.ts"
import * as Requirement from "./Requirement.ts"

interface Put {
  readonly what: string
  readonly salt?: string
  readonly seq?: number
  readonly value?: Bencode.Value
  /** Fields as they are sent, in place of the right ones. */
  readonly instead?: Bencode.Dictionary
  readonly ours: RawKrpc.Verdict
  readonly theirs: RawKrpc.Verdict
}

/** A dictionary of so many bytes in its bencoded form: `d1:a983:…1:bi0ee`, and one digit more for each byte more. */
const dictionaryOf = (size: number): Bencode.Dictionary => {
  const dictionary = { a: new Uint8Array(900), b: new Uint8Array(size - 900 - "d1:a900:1:b00:e".length) }
  if (Bencode.encode(dictionary).length !== size) throw new RangeError(`no dictionary of ${size} bytes`)
  return dictionary
}

const alike = (what: string, verdict: RawKrpc.Verdict, put: Omit<Put, "what" | "ours" | "theirs">): Put => ({
  what,
  ours: verdict,
  theirs: verdict,
  ...put
})

const mutable: ReadonlyArray<Put> = [
  alike("996 bytes", "stored", { value: new Uint8Array(996) }),
  alike("997 bytes", 205, { value: new Uint8Array(997) }),
  alike("1,000 bytes", 205, { value: new Uint8Array(1000) }),
  alike("1,001 bytes", 205, { value: new Uint8Array(1001) }),
  alike("a dictionary of 1,000 bytes", "stored", { value: dictionaryOf(1000) }),
  alike("a dictionary of 1,001 bytes", 205, { value: dictionaryOf(1001) }),
  alike("a list", "stored", { value: [1, bytes("x")] }),
  alike("a salt of 64 bytes", "stored", { salt: "s".repeat(SALT_MAX_BYTES) }),
  alike("a salt of 65 bytes", 207, { salt: "s".repeat(SALT_MAX_BYTES + 1) }),
  alike("a signature that does not hold", 206, { instead: { sig: new Uint8Array(64).fill(1) } }),
  alike("a signature over another value", 206, { instead: { v: bytes("another") } }),
  alike("a signature over another salt", 206, { instead: { salt: bytes("another") } }),
  alike("a token that was never given", 203, { instead: { token: bytes("none") } }),
  alike("the greatest sequence number", "stored", { seq: SEQ_MAX }),
  alike("sequence number 0", "stored", { seq: 0 }),
  alike("a sequence number below 0", 203, { seq: -1 }),
  alike("cas where nothing is", "stored", { instead: { cas: 3 } })
]

const immutable: ReadonlyArray<Put> = [
  alike("996 bytes", "stored", { value: new Uint8Array(996).fill(1) }),
  alike("997 bytes", 205, { value: new Uint8Array(997).fill(1) }),
  alike("1,000 bytes", 205, { value: new Uint8Array(1000).fill(1) }),
  alike("1,001 bytes", 205, { value: new Uint8Array(1001).fill(1) }),
  alike("a dictionary of 1,000 bytes", "stored", { value: dictionaryOf(1000) }),
  alike("a dictionary of 1,001 bytes", 205, { value: dictionaryOf(1001) }),
  alike("no bytes at all", "stored", { value: new Uint8Array() }),
  { what: "a number", ours: 203, theirs: "stored", value: 5 }
]

/** One after the other, on an item that stands at number 5. */
const successors: ReadonlyArray<Put> = [
  alike("the same again", "stored", { seq: 5 }),
  // It says "stored" and keeps its own: only `cas` finds out.
  { what: "another value under the same number", ours: 302, theirs: "stored", seq: 5, value: bytes("rival") },
  alike("another value under the same number, with cas", 301, { seq: 5, value: bytes("rival"), instead: { cas: 4 } }),
  alike("a lower number", 302, { seq: 4, value: bytes("old") }),
  alike("a lower number, with the right cas", 302, { seq: 4, value: bytes("old"), instead: { cas: 5 } }),
  alike("the next number, with a cas that has passed", 301, { seq: 6, value: bytes("next"), instead: { cas: 4 } }),
  alike("the next number, with the right cas", "stored", { seq: 6, value: bytes("next"), instead: { cas: 5 } })
]

Requirement.describeUnless(Requirement.libtorrent, "what a node takes, ours and libtorrent's", () => {
  layer(MixedNetwork.layer, { excludeTestServices: true })("each asked by itself", (it) => {
    const putMutable = Effect.fnUntraced(function* (label: string, put: Put) {
      const { ours, raw, theirs } = yield* MixedNetwork
      const key = yield* keyOf(label)
      const item = { salt: bytes(put.salt ?? label), seq: put.seq ?? 1, value: put.value ?? bytes("value") }
      const { fields, target: signedFor } = RawKrpc.signed(key.pair, item)
      const sent = { ...fields, ...put.instead }
      const { salt } = sent
      const target = salt instanceof Uint8Array ? sha1(Uint8Array.from([...key.publicKey, ...salt])) : signedFor
      return {
        target,
        ours: yield* raw.put(ours[0]!, target, sent),
        theirs: yield* raw.put(theirs[0]!, target, sent)
      }
    })

    for (const put of mutable) {
      it.effect(`a mutable item: ${put.what}`, () =>
        Effect.gen(function* () {
          const { ours, theirs } = yield* putMutable(put.what, put)
          assert.deepStrictEqual({ ours, theirs }, { ours: put.ours, theirs: put.theirs })
        })
      )
    }

    for (const put of immutable) {
      it.effect(`an immutable item: ${put.what}`, () =>
        Effect.gen(function* () {
          const { ours, raw, theirs } = yield* MixedNetwork
          const v = put.value ?? bytes("value")
          const target = sha1(Bencode.encode(v))
          const verdicts = {
            ours: yield* raw.put(ours[0]!, target, { v }),
            theirs: yield* raw.put(theirs[0]!, target, { v })
          }
          assert.deepStrictEqual(verdicts, { ours: put.ours, theirs: put.theirs })
        })
      )
    }

    it.effect("the successor of a mutable item: each as the table says, and only the right one is given", () =>
      Effect.gen(function* () {
        const { ours, raw, theirs } = yield* MixedNetwork
        const label = "successors"
        const { target } = yield* putMutable(label, alike("number 5", "stored", { seq: 5 }))
        for (const put of successors) {
          const verdicts = yield* putMutable(label, put)
          assert.deepStrictEqual([verdicts.ours, verdicts.theirs], [put.ours, put.theirs], put.what)
          const isNext = put.seq === 6 && put.ours === "stored"
          for (const address of [ours[0]!, theirs[0]!]) {
            const held = yield* raw.get(address, target)
            assert.isObject(held, `${put.what}: ${address}`)
            const { seq, v } = typeof held === "object" ? held : {}
            assert.strictEqual(seq, isNext ? 6 : 5, put.what)
            assert.deepStrictEqual(v, bytes(isNext ? "next" : "value"), put.what)
          }
        }
      })
    )
  })
})
