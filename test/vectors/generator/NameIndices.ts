/** `name-indices.json`: shared records of a name, with the claims that a reader takes from each. */
import {
  bencode,
  bytes,
  type Field,
  type Fields,
  flipBit,
  hex,
  INTEGER_MAX,
  type Json,
  keysView,
  some1,
  text
} from "./Cast.ts"
import * as Forgeries from "./Forgeries.ts"
import { accepted, refused } from "./RecordCase.ts"
import * as Samples from "./Samples.ts"
import { crowd, nameIndexKey, nameKeyOf, other, publisher } from "./Samples.ts"

const NAME = "left-pad"
const KEY_STRING = nameIndexKey(NAME)
const nameKey = nameKeyOf(NAME)

const keyOf = (claim: Fields): Uint8Array => claim["k"] as Uint8Array

interface Index {
  readonly value: Field
  readonly pages?: ReadonlyArray<Uint8Array>
}

/** `isMade`: whether a writer who knows just these claims makes just this value. */
const taking = (name: string, { pages = [], value }: Index, claims: ReadonlyArray<Fields>, isMade: boolean): Json => {
  const sorted = claims.toSorted((self, that) => Buffer.compare(keyOf(self), keyOf(that)))
  return accepted(name, "nameIndex", KEY_STRING, nameKey, Samples.record(nameKey, KEY_STRING, 4, value), {
    claims: sorted.map((claim) => hex(bencode(claim))),
    made: isMade,
    ...(pages.length === 0 ? {} : { pages: pages.map(hex) })
  })
}

const made = (name: string, claims: ReadonlyArray<Fields>): Json =>
  taking(name, Samples.nameIndex(claims), claims, true)

const found = (name: string, value: Field, claims: ReadonlyArray<Fields>): Json =>
  taking(name, { value }, claims, false)

const claims = crowd(9).map((by) => Samples.claim(by, NAME))
const [first, second, third] = claims as [Fields, Fields, Fields]
const newer = Samples.claim(crowd(1)[0]!, NAME, { ...Samples.claimFields, t: (Samples.claimFields.t as number) + 1 })
const root = some1("root")

const valid: ReadonlyArray<Json> = [
  made("one claim", [first]),
  made("six claims", claims.slice(0, 6)),
  made("more claims than fit", claims),
  made("no claims", []),
  found(
    "claims out of order",
    { c: claims.slice(0, 3).toSorted((self, that) => Buffer.compare(keyOf(that), keyOf(self))), k: 3 },
    claims.slice(0, 3)
  ),
  found("two claims of one publisher: the newer counts", { c: [newer, first], k: 2 }, [newer]),
  found("a forged claim among others", { c: [first, { ...second, lv: "9.9.9" }, third], k: 3 }, [first, third]),
  found("a claim made for another name", { c: [first, Samples.claim(other, "right-pad")], k: 2 }, [first]),
  found("things among the claims that are none", { c: [0, "claim", [], {}, first, { ...third, u: 1 }], k: 6 }, [first]),
  found("a count that does not hold", { c: [first, third], k: 0 }, [first, third]),
  found("no count", { c: [first] }, [first]),
  found("a key that nobody knows", { c: [first], k: 1, z: "?" }, [first]),
  found("a root of 19 bytes", { c: [first], k: 2, r: root.slice(1) }, [first]),
  found("a root whose page is gone", { c: [first], k: 2, r: root }, [first]),
  found("a list of claims that is none", { c: "claims", k: 1 }, []),
  found("a list in the place of the dictionary", [first], []),
  found("a dictionary that is not canonical", bytes("d1:ki1e1:cl", bencode(first), "ee"), []),
  found("a byte behind the dictionary", bytes(bencode({ c: [first], k: 1 }), "e"), []),
  found("no bencode", text("nothing"), []),
  found("an empty value", new Uint8Array(), [])
]

const sound = Samples.record(nameKey, KEY_STRING, 4, Samples.nameIndex([first]).value)

const refusing = (name: string, reason: string, record: Samples.Record): Json =>
  refused(name, reason, Samples.envelope(record), { kind: "nameIndex", keyString: KEY_STRING, by: nameKey.publicKey })

const invalid: ReadonlyArray<Json> = [
  refusing("signed by a publisher", "it is not by the name key", Samples.record(publisher, KEY_STRING, 4, sound.v)),
  refusing(
    "signed by the name key of another name",
    "it is not by the name key",
    Samples.record(nameKeyOf("right-pad"), KEY_STRING, 4, sound.v)
  ),
  refusing(
    "of another name, by the name key of this one",
    "the salt is that of another name",
    Samples.record(nameKey, nameIndexKey("right-pad"), 4, sound.v)
  ),
  refusing("a bit of the value flipped", "the signature does not hold", { ...sound, v: flipBit(sound.v, 100) }),
  refusing("a bit of the signature flipped", "the signature does not hold", { ...sound, sig: flipBit(sound.sig, 0) }),
  refusing("another seq than was signed", "the signature does not hold", { ...sound, seq: 5 }),
  refusing("a signature whose S is not reduced", "S is L or more", { ...sound, sig: Forgeries.unreduced(sound.sig) }),
  refusing(
    "a value of 997 bytes",
    "a value has at most 996 bytes",
    Samples.record(nameKey, KEY_STRING, 4, bencode({ c: [], k: 0, z: "z".repeat(977) }))
  ),
  refusing(
    "a seq of 2^53",
    "a seq is at most 2^53 - 1",
    Samples.record(nameKey, KEY_STRING, BigInt(INTEGER_MAX) + 1n, sound.v)
  )
]

export const nameIndices: Json = {
  about: "Who publishes a name: docs/spec/records.md, 'Name index'",
  keys: keysView({ nameKey }),
  cases: [...valid, ...invalid]
}
