/** `records.json`: envelopes that are not what their key signed, or are no envelopes. */
import { bencode, bytes, flipBit, INTEGER_MAX, inOrder, type Json } from "./Cast.ts"
import * as Forgeries from "./Forgeries.ts"
import { refused as refusedAt } from "./RecordCase.ts"
import { packageOf } from "./RecordCases.ts"
import * as Samples from "./Samples.ts"
import { other, packageKey, publisher } from "./Samples.ts"

const PACKAGE_KEY = packageKey("left-pad")
const OTHER_KEY = packageKey("right-pad")

const refused = (
  name: string,
  reason: string,
  envelope: Uint8Array,
  place: { readonly keyString?: string; readonly by?: Uint8Array } = {}
): Json => refusedAt(name, reason, envelope, { kind: "package", keyString: PACKAGE_KEY, ...place })

const good = packageOf("1.3.0", {})
const sound = Samples.record(publisher, PACKAGE_KEY, 7, good)
const { k, salt, seq, sig, v } = sound

/** The sound package with some parts of its envelope exchanged after it was signed. */
const altered = (changes: Partial<Samples.Record>): Uint8Array => Samples.envelope({ ...sound, ...changes })

/** A package like any other, with versions that are long enough to come to `size` bytes. */
const padded = (size: number): Uint8Array => {
  const withVersions = (...pads: ReadonlyArray<number>) =>
    bencode(
      packageOf("1.3.0", { c: 4, vs: [["1.3.0", 0], ...pads.map((pad, i) => [`1.${2 - i}.0-${"x".repeat(pad)}`, 0])] })
    )
  const rest = size - withVersions(200, 200, 100).length
  return withVersions(200, 200, 100 + rest)
}

const inSecondSpelling = bytes("d1:k32:", k, "4:salt032:", salt, "3:seqi7e3:sig64:", sig, `1:v${v.length}:`, v, "e")

export const envelopes: ReadonlyArray<Json> = [
  refused("a bit of the value flipped", "the signature does not hold", altered({ v: flipBit(v, 8 * 40) })),
  refused("a bit of the signature flipped", "the signature does not hold", altered({ sig: flipBit(sig, 300) })),
  refused("a bit of the key flipped", "the signature does not hold", altered({ k: flipBit(k, 9) }), {
    by: flipBit(k, 9)
  }),
  refused("another seq than was signed", "the signature does not hold", altered({ seq: 8 })),
  refused(
    "signed by another key",
    "the signature is not that of the key asked for",
    altered({ sig: Samples.record(other, PACKAGE_KEY, 7, good).sig })
  ),
  refused(
    "by another publisher",
    "the record is not by the key asked for",
    Samples.envelope(Samples.record(other, PACKAGE_KEY, 7, good))
  ),
  refused(
    "signed without its salt",
    "the signature is over other bytes",
    altered({ sig: publisher.sign(bytes(`3:seqi7e1:v${v.length}:`, v)) })
  ),
  refused(
    "moved under another name",
    "the signature is over another salt",
    altered({ salt: Samples.saltOf(OTHER_KEY) }),
    { keyString: OTHER_KEY }
  ),
  refused("served under another name", "the salt is not that of the key string asked for", Samples.envelope(sound), {
    keyString: OTHER_KEY
  }),
  refused("a signature whose S is not reduced", "S is L or more", altered({ sig: Forgeries.unreduced(sig) })),
  refused(
    "a signature with a small-order R",
    "R is a small-order point",
    altered({ sig: Forgeries.withSmallOrderR(publisher, Samples.signedBytes(sound)) })
  ),
  refused(
    "a signature that needs the cofactor",
    "the cofactorless equation does not hold",
    altered({ sig: Forgeries.cofactored(publisher, Samples.signedBytes(sound)) })
  ),
  refused(
    "a weak key",
    "the key is a small-order point, under which a signature can be made for any message",
    altered({ k: Forgeries.IDENTITY, sig: Forgeries.underIdentity() }),
    { by: Forgeries.IDENTITY }
  ),
  refused("a signature of 63 bytes", "a signature has 64 bytes", altered({ sig: sig.slice(0, 63) })),
  refused("a key of 33 bytes", "a key has 32 bytes", altered({ k: bytes(k, Uint8Array.of(0)) })),
  refused(
    "a value of 997 bytes",
    "a value has at most 996 bytes",
    Samples.envelope(Samples.record(publisher, PACKAGE_KEY, 7, padded(997)))
  ),
  refused(
    "a seq of 2^53",
    "a seq is at most 2^53 - 1",
    Samples.envelope(Samples.record(publisher, PACKAGE_KEY, BigInt(INTEGER_MAX) + 1n, good))
  ),
  refused("a negative seq", "a seq is at least 0", Samples.envelope(Samples.record(publisher, PACKAGE_KEY, -1, good))),
  refused(
    "an envelope with its keys out of order",
    "not canonical bencode",
    inOrder([
      ["v", v],
      ["k", k],
      ["salt", salt],
      ["seq", seq],
      ["sig", sig]
    ])
  ),
  refused(
    "an envelope with a key twice",
    "not canonical bencode",
    inOrder([
      ["k", k],
      ["salt", salt],
      ["seq", seq],
      ["seq", seq],
      ["sig", sig],
      ["v", v]
    ])
  ),
  refused("an envelope with an unknown key", "an envelope has five keys", bencode({ k, salt, seq, sig, v, z: 0 })),
  refused("an envelope without a seq", "a key is missing", bencode({ k, salt, sig, v })),
  refused("an envelope with a length that begins with 0", "not canonical bencode", inSecondSpelling),
  refused("an envelope with a byte behind it", "something follows the value", bytes(Samples.envelope(sound), "\n")),
  refused("an envelope that is cut off", "not bencode", Samples.envelope(sound).slice(0, -1)),
  refused(
    "a value that is not a byte string",
    "a value is a byte string with a dictionary in it",
    bencode({ k, salt, seq, sig, v: good })
  ),
  refused("nothing at all", "not bencode", new Uint8Array())
]
