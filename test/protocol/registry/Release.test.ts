import { assert, describe, it } from "@effect/vitest"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import * as PeerAddress from "../../../src/protocol/core/PeerAddress.ts"
import * as Release from "../../../src/protocol/registry/Release.ts"
import * as Fixtures from "./Fixtures.ts"

const { text } = Fixtures
const decode = Schema.decodeUnknownExit(Release.codec)

/** A release record's value with some fields replaced; `undefined` leaves one out. */
const wire = (changes: { readonly [key: string]: Bencode.Value | undefined } = {}): Uint8Array => {
  const { h, ih, m, n, p, s, t, v } = Fixtures.release("a", "1.0.0")
  const fields = { h, ih, m, n: text(n), p: p!, s: [...s], t, v: text(v), ...changes }
  return Bencode.encode(
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Bencode.Dictionary
  )
}

const accepts = (changes: { readonly [key: string]: Bencode.Value | undefined }) =>
  Exit.isSuccess(decode(wire(changes)))

describe("Release", () => {
  it("reads what it should", () => {
    assert.isTrue(accepts({}))
    assert.isTrue(accepts({ p: undefined }))
  })

  it("takes lengths up to their limits and not past them", () => {
    assert.isTrue(accepts({ s: [Release.MANIFEST_MAX_BYTES, Release.TARBALL_MAX_BYTES] }))
    assert.isFalse(accepts({ s: [Release.MANIFEST_MAX_BYTES + 1, 1] }))
    assert.isFalse(accepts({ s: [1, Release.TARBALL_MAX_BYTES + 1] }))
    assert.isFalse(accepts({ s: [0, 1] }))
    assert.isFalse(accepts({ s: [1, 0] }))
    assert.isFalse(accepts({ s: [1, 1, 1] }))
    assert.isFalse(accepts({ s: [1] }))
  })

  it("takes one to sixteen whole piece hashes", () => {
    for (const length of [20, 320]) assert.isTrue(accepts({ p: new Uint8Array(length) }), `${length}`)
    for (const length of [0, 19, 21, 340]) assert.isFalse(accepts({ p: new Uint8Array(length) }), `${length}`)
  })

  it("takes one to four peers, none with port 0", () => {
    const peer = PeerAddress.toCompact(Option.getOrThrow(PeerAddress.make("10.0.0.1", 6881)))
    const peers = (count: number) => Uint8Array.from(Array.from({ length: count }, () => [...peer]).flat())
    assert.isTrue(accepts({ x: peers(1) }))
    assert.isTrue(accepts({ x: peers(Release.HINTS_MAX) }))
    assert.isFalse(accepts({ x: peers(Release.HINTS_MAX + 1) }))
    assert.isFalse(accepts({ x: new Uint8Array() }))
    assert.isFalse(accepts({ x: peer.subarray(1) }))
    assert.isFalse(accepts({ x: Uint8Array.from([10, 0, 0, 1, 0, 0]) }), "a second spelling of no peers")
  })

  it("refuses fields that are missing, too many or of another kind", () => {
    for (const key of ["h", "ih", "m", "n", "s", "t", "v"]) assert.isFalse(accepts({ [key]: undefined }), key)
    assert.isFalse(accepts({ z: 1 }))
    assert.isFalse(accepts({ h: new Uint8Array(31) }))
    assert.isFalse(accepts({ ih: new Uint8Array(21) }))
    assert.isFalse(accepts({ n: text("../a") }))
    assert.isFalse(accepts({ v: text("1.0") }))
    assert.isFalse(accepts({ t: -1 }))
    assert.isFalse(accepts({ n: 1 }))
  })

  it("says which field is wrong", () => {
    const problem = (changes: { readonly [key: string]: Bencode.Value | undefined }) =>
      Result.getOrThrow(Result.flip(Release.decode(wire(changes))))
    assert.strictEqual(problem({ ih: new Uint8Array(21) }), "the field ih is not an infohash of 20 bytes")
    assert.strictEqual(problem({ m: undefined }), "the field m is missing")
    assert.strictEqual(problem({ z: 1 }), "the field z is not known here")
    assert.strictEqual(problem({ n: text("../a") }), "the field n is not a package name")
    assert.include(problem({ s: [0, 1] }), "the field s[0] is not an integer from 1 to")
    assert.include(problem({ v: text("1.0") }), "the field v is not a version")
  })

  it("does not write what it would not read", () => {
    const release = Fixtures.release("a", "1.0.0")
    for (const change of [{ s: [0, 1] }, { p: new Uint8Array(19) }, { t: -1 }, { m: new Uint8Array(3) }, { x: [] }]) {
      assert.throws(() => Release.encode({ ...release, ...change } as Release.Release), RangeError)
    }
  })
})
