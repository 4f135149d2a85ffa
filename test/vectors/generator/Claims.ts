/** `claims.json`: claims on a name, valid or not; sets of them merged; and which are believed when. */
import {
  bencode,
  bytes,
  type Fields,
  flipBit,
  fromHex,
  hex,
  INTEGER_MAX,
  inOrder,
  type Json,
  type Key,
  keysView,
  NOW,
  text
} from "./Cast.ts"
import * as Forgeries from "./Forgeries.ts"
import * as Samples from "./Samples.ts"
import { claim, claimFields, other, publisher } from "./Samples.ts"

const NAME = "left-pad"

const accepted = (name: string, packageName: string, by: Key, fields: Samples.ClaimFields): Json => ({
  name,
  package: packageName,
  claim: hex(bencode(claim(by, packageName, fields))),
  valid: true,
  publicKey: hex(by.publicKey),
  latestVersion: fields.lv,
  firstSeen: Number(fields.fs),
  timestamp: Number(fields.t),
  signed: hex(Samples.claimSigned(packageName, by.publicKey, fields))
})

const valid: ReadonlyArray<Json> = [
  accepted("a claim", NAME, publisher, claimFields),
  accepted("by another publisher", NAME, other, claimFields),
  accepted("on a scoped name", "@scope/left-pad", publisher, claimFields),
  accepted("made when the name was first published", NAME, publisher, { ...claimFields, fs: NOW }),
  accepted("dated 0", NAME, publisher, { ...claimFields, fs: 0, t: 0 }),
  accepted("dated 2^53 - 1: valid, though not believed for a long time", NAME, publisher, {
    ...claimFields,
    t: INTEGER_MAX
  }),
  accepted("of a pre-release", NAME, publisher, { ...claimFields, lv: "2.0.0-rc.1+build.5" }),
  accepted("of the longest version", NAME, publisher, { ...claimFields, lv: `1.0.0-${"x".repeat(250)}` })
]

const refused = (name: string, reason: string, spoilt: Fields | Uint8Array, packageName = NAME): Json => ({
  name,
  package: packageName,
  claim: hex(spoilt instanceof Uint8Array ? spoilt : bencode(spoilt)),
  valid: false,
  reason
})

const good = claim(publisher, NAME)
const s = good["s"] as Uint8Array
const k = publisher.publicKey
const signed = Samples.claimSigned(NAME, k, claimFields)

/** Signed as it is, so that nothing else is wrong with it. */
const signedWith = (changes: { readonly [F in keyof Samples.ClaimFields]?: Samples.ClaimFields[F] }): Fields =>
  claim(publisher, NAME, { ...claimFields, ...changes })

/** y = p + 3: the encoding of a point that has another, canonical one (RFC 8032 §5.1.3). */
const NOT_CANONICAL = fromHex(`f0${"ff".repeat(30)}7f`)

const spelled = (from: string, to: string): Uint8Array => {
  const [before, after] = Buffer.from(bencode(good)).toString("latin1").split(from) as [string, string]
  return new Uint8Array(Buffer.from(before + to + after, "latin1"))
}

const invalid: ReadonlyArray<Json> = [
  refused("a bit of the signature flipped", "the signature does not hold", { ...good, s: flipBit(s, 77) }),
  refused("a later version than was signed", "the signature does not hold", { ...good, lv: "1.3.1" }),
  refused("an earlier first date than was signed", "the signature does not hold", { ...good, fs: 0 }),
  refused("a later date than was signed", "the signature does not hold", { ...good, t: NOW + 1 }),
  refused("another's claim under the own key", "the signature does not hold", { ...claim(other, NAME), k }),
  refused("made for another name", "the signature is over another name", claim(publisher, "right-pad")),
  refused("made for the same name in a scope", "the signature is over another name", good, "@scope/left-pad"),
  refused("dated before it began", "fs is after t", signedWith({ fs: NOW + 1 })),
  refused("signed without a context", "the signature is over other bytes", {
    ...good,
    s: publisher.sign(signed.slice("libreseed-v1:name-claim:".length))
  }),
  refused("signed as a record's value", "the signature is over other bytes", {
    ...good,
    s: publisher.sign(Samples.signedBytes({ salt: Samples.saltOf(Samples.nameIndexKey(NAME)), seq: 1, v: signed }))
  }),
  refused("a signature whose S is not reduced", "S is L or more", { ...good, s: Forgeries.unreduced(s) }),
  refused("a signature with a small-order R", "R is a small-order point", {
    ...good,
    s: Forgeries.withSmallOrderR(publisher, signed)
  }),
  refused("a signature that needs the cofactor", "the cofactorless equation does not hold", {
    ...good,
    s: Forgeries.cofactored(publisher, signed)
  }),
  refused("by a weak key", "the key is a small-order point, under which a signature can be made for any claim", {
    ...good,
    k: Forgeries.IDENTITY,
    s: Forgeries.underIdentity()
  }),
  refused("by a key in a second spelling", "the key's y is not below p", { ...good, k: NOT_CANONICAL }),
  refused("a key of 31 bytes", "a key has 32 bytes", { ...good, k: k.slice(1) }),
  refused("a signature of 65 bytes", "a signature has 64 bytes", { ...good, s: bytes(s, Uint8Array.of(0)) }),
  refused("with an unknown key", "a claim has no key n", { ...good, n: NAME }),
  refused("without a latest version", "lv is missing", Samples.without(good, "lv")),
  refused("with its keys out of order", "not canonical bencode", inOrder(Object.entries(good).toReversed())),
  refused(
    "with a key twice",
    "not canonical bencode",
    inOrder([["fs", 0], ...Object.entries(good).toSorted(([x], [y]) => (x < y ? -1 : 1))])
  ),
  refused("with a date that begins with 0", "not canonical bencode", spelled(`1:ti${NOW}e`, `1:ti0${NOW}e`)),
  refused("first seen before 1970", "fs is at least 0", signedWith({ fs: -1 })),
  refused("dated 2^53", "t is at most 2^53 - 1", signedWith({ t: BigInt(INTEGER_MAX) + 1n })),
  refused("of a version with a prefix", "lv is a version", signedWith({ lv: "v1.3.0" })),
  refused("of a range", "lv is a version", signedWith({ lv: "^1.3.0" })),
  refused(
    "of a version of 257 characters",
    "lv has at most 256 characters",
    signedWith({ lv: `1.0.0-${"x".repeat(251)}` })
  ),
  refused("with a byte behind it", "something follows the value", bytes(bencode(good), text("e"))),
  refused("cut off", "not bencode", bencode(good).slice(0, -1))
]

/** The newest of each publisher; `sets` are merged in any order. */
const merged = (name: string, sets: ReadonlyArray<ReadonlyArray<Fields>>, result: ReadonlyArray<Fields>): Json => ({
  name,
  package: NAME,
  sets: sets.map((set) => set.map((each) => hex(bencode(each)))),
  merged: result
    .toSorted((self, that) => Buffer.compare(self["k"] as Uint8Array, that["k"] as Uint8Array))
    .map((each) => hex(bencode(each)))
})

const [older, newer] = [signedWith({}), signedWith({ t: NOW + 1000, lv: "1.4.0" })]
const downgraded = signedWith({ t: NOW + 1000, lv: "1.2.0" })
const [lower, higher] = [newer, downgraded].toSorted((self, that) =>
  Buffer.compare(self["s"] as Uint8Array, that["s"] as Uint8Array)
) as [Fields, Fields]
const theirs = claim(other, NAME)

const merges: ReadonlyArray<Json> = [
  merged("two publishers", [[older], [theirs]], [older, theirs]),
  merged("a newer claim takes the place of an older one", [[older, theirs], [newer]], [newer, theirs]),
  merged("the date decides, not the version", [[downgraded], [older]], [downgraded]),
  merged("of two with one date the greater signature bytes", [[lower], [higher]], [higher]),
  merged("invalid claims count for nothing", [[older], [{ ...newer, t: NOW + 2000 }]], [older]),
  merged("an empty set", [[], [older]], [older])
]

const believed = (name: string, now: number, isBelieved: boolean): Json => ({
  name,
  claim: hex(bencode(good)),
  now,
  believed: isBelieved
})

const believable: ReadonlyArray<Json> = [
  believed("at its date", NOW, true),
  believed("long after", NOW + 1_000_000_000, true),
  believed("by a clock that is ten minutes behind", NOW - 600_000, true),
  believed("by a clock that is more than ten minutes behind", NOW - 600_001, false)
]

export const claims: Json = {
  about: "Claims on a package name by its publishers: docs/spec/records.md, 'Claim'",
  keys: keysView({ publisher, other }),
  cases: [...valid, ...invalid],
  merges,
  believable
}
