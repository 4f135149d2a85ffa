/** `records.json`: records that are what their key signed, and that a reader must refuse for what they say. */
import {
  bencode,
  bytes,
  type Field,
  type Fields,
  flipBit,
  INTEGER_MAX,
  inOrder,
  type Json,
  NOW,
  some1
} from "./Cast.ts"
import { refused } from "./RecordCase.ts"
import { packageOf } from "./RecordCases.ts"
import * as Samples from "./Samples.ts"
import { announceKey, other, packageKey, publisher, release, releaseKey, REVOCATION } from "./Samples.ts"

const NAME = "left-pad"
const VERSION = "1.3.0"
const RELEASE_KEY = releaseKey(NAME, VERSION)
const PACKAGE_KEY = packageKey(NAME)
const ANNOUNCE_KEY = announceKey(publisher)

const good = release(NAME, VERSION)
const releaseWith = (name: string, reason: string, value: Field, seq = 1): Json =>
  refused(name, reason, Samples.envelope(Samples.record(publisher, RELEASE_KEY, seq, value)), {
    kind: "release",
    keyString: RELEASE_KEY
  })

const change = (changes: Fields): Fields => ({ ...good, ...changes })
const peer = (...octets: ReadonlyArray<number>): Uint8Array => Uint8Array.from(octets)
const ordered = Object.entries(good)

const releases: ReadonlyArray<Json> = [
  releaseWith("a release with seq 2", "a release is written once, with seq 1", good, 2),
  releaseWith("a release with seq 0", "a release is written once, with seq 1", good, 0),
  releaseWith("a release that names another package", "n is not that of the key string", change({ n: "right-pad" })),
  releaseWith("a release that names another version", "v is not that of the key string", change({ v: "1.3.1" })),
  releaseWith("a release with its keys out of order", "not canonical bencode", inOrder(ordered.toReversed())),
  releaseWith("a release with a key twice", "not canonical bencode", inOrder([...ordered, ["v", VERSION]])),
  releaseWith("a release with an unknown key", "a release has no key a", change({ a: 1 })),
  releaseWith("a release without an infohash", "ih is missing", Samples.without(good, "ih")),
  releaseWith("a release with a SHA-256 for an infohash", "ih has 20 bytes", change({ ih: Samples.saltOf("x") })),
  releaseWith("a release with a short hash", "h has 32 bytes", change({ h: Samples.saltOf("x").slice(1) })),
  releaseWith("a release with a text for a date", "t is an integer", change({ t: String(NOW) })),
  releaseWith("a release dated before 1970", "t is at least 0", change({ t: -1 })),
  releaseWith("a release dated 2^53", "t is at most 2^53 - 1", change({ t: BigInt(INTEGER_MAX) + 1n })),
  releaseWith("a release with an integer that begins with 0", "not canonical bencode", spelled("i01767323045000e")),
  releaseWith("a release dated -0", "not canonical bencode", spelled("i-0e")),
  releaseWith("a release with an empty manifest", "a manifest has at least 1 byte", change({ s: [0, 31] })),
  releaseWith("a release with an empty tarball", "a tarball has at least 1 byte", change({ s: [734, 0] })),
  releaseWith("a release with too long a manifest", "a manifest has at most 32 MiB", change({ s: [2 ** 25 + 1, 31] })),
  releaseWith("a release with too long a tarball", "a tarball has at most 512 MiB", change({ s: [734, 2 ** 29 + 1] })),
  releaseWith("a release with three lengths", "s has two integers", change({ s: [734, 31, 1] })),
  releaseWith(
    "a release with a piece hash of 19 bytes",
    "p is made of 20 bytes each",
    change({ p: some1("p").slice(1) })
  ),
  releaseWith("a release with no piece hashes in p", "p has 1 to 16 hashes", change({ p: new Uint8Array() })),
  releaseWith("a release with 17 piece hashes", "p has 1 to 16 hashes", change({ p: new Uint8Array(17 * 20) })),
  releaseWith("a release with half a peer", "x is made of 6 bytes each", change({ x: peer(203, 0, 113) })),
  releaseWith("a release with a peer on port 0", "a port is 1 to 65535", change({ x: peer(203, 0, 113, 1, 0, 0) })),
  releaseWith("a release with five peers", "x has 1 to 4 peers", change({ x: new Uint8Array(30).fill(1) })),
  releaseWith("a release that is a list", "a value is a dictionary", [good]),
  releaseWith("a release with a byte behind it", "something follows the value", bytes(bencode(good), "e"))
]

/** The release's bytes with another spelling of its date. */
function spelled(date: string): Uint8Array {
  const [before, after] = Buffer.from(bencode(good)).toString("latin1").split(`i${NOW}e`) as [string, string]
  return new Uint8Array(Buffer.from(before + date + after, "latin1"))
}

const packageWith = (name: string, reason: string, value: Field): Json =>
  refused(name, reason, Samples.envelope(Samples.record(publisher, PACKAGE_KEY, 7, value)), {
    kind: "package",
    keyString: PACKAGE_KEY
  })

const listing = (c: number, vs: ReadonlyArray<Field>, r?: Uint8Array): Fields =>
  packageOf(VERSION, { c, vs, ...(r === undefined ? {} : { r }) })
const [one, two] = [[VERSION, 0] as const, ["1.2.0", 0] as const]
const root = some1("root")

const packages: ReadonlyArray<Json> = [
  packageWith("a package without versions", "c is at least 1", listing(0, [])),
  packageWith("a package that lists no version", "vs lists at least one version", listing(1, [], root)),
  packageWith(
    "a package that counts more than it lists, without a tree",
    "without r, vs has all versions",
    listing(2, [one])
  ),
  packageWith("a package that counts fewer than it lists", "without r, vs has all versions", listing(1, [one, two])),
  packageWith(
    "a package with a tree that it does not need",
    "r is there only where vs has fewer versions than c",
    listing(2, [one, two], root)
  ),
  packageWith("a package that lists a version twice", "a version stands once", listing(2, [one, [VERSION, 1]])),
  packageWith("a package with too many versions", "c is at most 10,000", listing(10_001, [one], root)),
  packageWith("a package with a root of 19 bytes", "r has 20 bytes", listing(2, [one], root.slice(1))),
  packageWith("a package with flags of two bytes", "flags are at most 255", listing(1, [[VERSION, 256]])),
  packageWith("a package with a version without flags", "an entry is a version and its flags", listing(1, [[VERSION]])),
  packageWith("a package that names another package", "n is not that of the key string", {
    ...listing(1, [one]),
    n: "right-pad"
  }),
  packageWith("a package whose newest release has a name", "l has no n", { ...listing(1, [one]), l: good }),
  packageWith("a package without its newest release", "l is missing", Samples.without(listing(1, [one]), "l")),
  packageWith("a package whose newest release is spoilt", "l is a release without n", {
    ...listing(1, [one]),
    l: Samples.without(good, "n", "h")
  }),
  packageWith("a package with an unknown key", "a package has no key z", { ...listing(1, [one]), z: 0 })
]

const announceWith = (name: string, reason: string, value: Field): Json =>
  refused(name, reason, Samples.envelope(Samples.record(publisher, ANNOUNCE_KEY, 3, value)), {
    kind: "announce",
    keyString: ANNOUNCE_KEY
  })

const [a, b] = [["a", "1.0.0"] as const, ["b", "1.0.0"] as const]

const announces: ReadonlyArray<Json> = [
  announceWith("an announce with neither packages nor a tree", "one of p and r is there", { c: 0, t: NOW }),
  announceWith("an announce with both", "only one of p and r is there", { c: 1, p: [a], r: root, t: NOW }),
  announceWith("an announce out of order", "packages are in the order of their names", { c: 2, p: [b, a], t: NOW }),
  announceWith("an announce with a package twice", "a package stands once", { c: 2, p: [a, a], t: NOW }),
  announceWith("an announce that counts otherwise", "c is the count of p", { c: 2, p: [a], t: NOW }),
  announceWith("an announce with too many packages", "c is at most 100,000", { c: 100_001, r: root, t: NOW }),
  announceWith("an announce of no packages with a tree", "a tree has at least one entry", { c: 0, r: root, t: NOW }),
  announceWith("an announce with a name that is none", "a name has no capital letters", {
    c: 1,
    p: [["A", "1.0.0"]],
    t: NOW
  }),
  announceWith("an announce with a range for a version", "a version has three numbers", {
    c: 1,
    p: [["a", "^1.0.0"]],
    t: NOW
  }),
  announceWith("an announce without a date", "t is missing", { c: 1, p: [a] }),
  refused(
    "the announce of another publisher",
    "the salt is that of another publisher's announce",
    Samples.envelope(Samples.record(publisher, announceKey(other), 1, { c: 0, p: [], t: NOW })),
    { kind: "announce", keyString: ANNOUNCE_KEY }
  )
]

const revocations: ReadonlyArray<Json> = [
  refused(
    "a revocation by another key",
    "nobody can revoke another's key",
    Samples.envelope(Samples.record(other, REVOCATION, 1, { t: NOW, w: "hostile" })),
    { kind: "revocation", keyString: REVOCATION }
  ),
  refused(
    "a revocation at another salt",
    "only a record at the salt of revocations revokes",
    Samples.envelope(Samples.record(publisher, "libreseed:revoked", 1, { t: NOW, w: "lost" })),
    { kind: "revocation", keyString: REVOCATION }
  ),
  refused(
    "a revocation with a bit of its signature flipped",
    "the signature does not hold",
    revocationWithBadSignature(),
    { kind: "revocation", keyString: REVOCATION }
  )
]

function revocationWithBadSignature(): Uint8Array {
  const revocation = Samples.record(publisher, REVOCATION, 1, { t: NOW, w: "lost" })
  return Samples.envelope({ ...revocation, sig: flipBit(revocation.sig, 0) })
}

export const invalid: ReadonlyArray<Json> = [...releases, ...packages, ...announces, ...revocations]
