/** `records.json`: records of every kind that a reader takes, with what they say. */
import {
  bencode,
  bytes,
  type Field,
  type Fields,
  hex,
  INTEGER_MAX,
  type Json,
  type Key,
  NOW,
  some1,
  some256,
  text,
  view
} from "./Cast.ts"
import { accepted } from "./RecordCase.ts"
import * as Samples from "./Samples.ts"
import {
  announceKey,
  nameIndexKey,
  nameKeyOf,
  other,
  packageKey,
  publisher,
  release,
  releaseKey,
  REVOCATION
} from "./Samples.ts"

const releaseCase = (name: string, fields: Fields): Json => {
  const keyString = releaseKey(fields["n"] as string, fields["v"] as string)
  const record = Samples.record(publisher, keyString, 1, fields)
  return accepted(name, "release", keyString, publisher, record, { value: view(fields) })
}

const hints = (count: number): Uint8Array =>
  bytes(...Array.from({ length: count }, (_, i) => Uint8Array.of(203, 0, 113, i + 1, 0x1a, 0xe1)))

const LONGEST_NAME = `@${"scope".repeat(20)}/${"n".repeat(112)}`
const LONGEST_VERSION = `1.0.0-${"x".repeat(250)}`

const releases: ReadonlyArray<Json> = [
  releaseCase("a release", release("left-pad", "1.3.0")),
  releaseCase("without piece hashes", Samples.without(release("left-pad", "1.3.1"), "p")),
  releaseCase("with one peer to try first", { ...release("left-pad", "1.3.2"), x: hints(1) }),
  releaseCase("with 16 pieces and 4 peers", {
    ...release("left-pad", "1.3.3", { manifest: 2 ** 16, tarball: 2 ** 24 - 2 ** 16 }),
    x: hints(4)
  }),
  releaseCase("with the largest files", release("left-pad", "1.3.4", { manifest: 2 ** 25, tarball: 2 ** 29 })),
  releaseCase("of a scoped name", release("@scope/left_pad", "0.0.0")),
  releaseCase("of a pre-release with build metadata", release("left-pad", "2.0.0-rc.1+build.5")),
  releaseCase("with the longest name and version", release(LONGEST_NAME, LONGEST_VERSION)),
  releaseCase("dated 0", { ...release("left-pad", "1.3.5"), t: 0 }),
  releaseCase("dated 2^53 - 1", { ...release("left-pad", "1.3.6"), t: INTEGER_MAX })
]

/** A package whose newest release is of `version`. */
export const packageOf = (version: string, fields: Fields): Fields => ({
  c: 1,
  l: Samples.without(release("left-pad", version), "n"),
  n: "left-pad",
  t: NOW,
  vs: [[version, 0]],
  ...fields
})

const packageCase = (name: string, fields: Fields, rest: { readonly [name: string]: Json } = {}): Json => {
  const keyString = packageKey(fields["n"] as string)
  const record = Samples.record(publisher, keyString, 7, fields)
  return accepted(name, "package", keyString, publisher, record, { value: view(fields), ...rest })
}

const manyVersions = [
  ...Array.from({ length: 69 }, (_, i) => [`1.${69 - i}.0`, i % 3] as const),
  ["2.0.0-rc.1", 0] as const
]

/** More versions than fit, the tree of them all, and the record with as many as fit. */
const packageWithTree = (): Json => {
  const built = Samples.tree(manyVersions.map(([version, flags]) => [text(version), Uint8Array.of(flags)]))
  const fields = (count: number): Fields => ({
    ...packageOf("1.69.0", { c: manyVersions.length, r: built.root, vs: manyVersions.slice(0, count) }),
    l: Samples.without(release("left-pad", "1.69.0"), "n", "p")
  })
  let count = manyVersions.length - 1
  while (bencode(fields(count)).length > 996) count--
  return packageCase("with more versions than fit", fields(count), {
    pages: built.pages.map(hex),
    versions: manyVersions.map(([version, flags]) => [version, flags])
  })
}

const packages: ReadonlyArray<Json> = [
  packageCase("a package with one version", packageOf("1.3.0", {})),
  packageCase(
    "with a yanked and a deprecated version, and a pre-release after all releases",
    packageOf("1.3.0", {
      c: 4,
      vs: [
        ["1.3.0", 0],
        ["1.2.0", 1],
        ["1.1.0", 2],
        ["2.0.0-beta.1", 0]
      ]
    })
  ),
  packageCase("with flags that mean nothing yet", packageOf("1.3.0", { vs: [["1.3.0", 255]] })),
  packageWithTree()
]

const announceCase = (name: string, fields: Fields, pages: ReadonlyArray<Uint8Array> = []): Json => {
  const keyString = announceKey(publisher)
  const record = Samples.record(publisher, keyString, 3, fields)
  const rest = pages.length === 0 ? {} : { pages: pages.map(hex), packages: manyPackages }
  return accepted(name, "announce", keyString, publisher, record, { value: view(fields), ...rest })
}

const manyPackages = Array.from({ length: 60 }, (_, i) => [`package-${i + 10}`, `1.${i}.0`] as const)

const packageTree = Samples.tree(manyPackages.map(([name, version]) => [text(name), text(version)]))

const announces: ReadonlyArray<Json> = [
  announceCase("an announce of no packages", { c: 0, p: [], t: NOW }),
  announceCase("an announce of three packages", {
    c: 3,
    p: [
      ["@scope/a", "1.0.0"],
      ["left-pad", "1.3.0"],
      ["left.pad", "0.1.0-rc.1"]
    ],
    t: NOW
  }),
  announceCase("of more packages than fit", { c: 60, r: packageTree.root, t: NOW }, packageTree.pages)
]

const revocationCase = (
  name: string,
  value: Field,
  says: { readonly reason: string; readonly timestamp: number; readonly successor?: Key },
  seq = 1
): Json =>
  accepted(name, "revocation", REVOCATION, publisher, Samples.record(publisher, REVOCATION, seq, value), {
    revokes: {
      reason: says.reason,
      timestamp: says.timestamp,
      successor: says.successor === undefined ? null : hex(says.successor.publicKey)
    }
  })

const UNREADABLE = { reason: "unreadable", timestamp: 0 }

const revocations: ReadonlyArray<Json> = [
  revocationCase(
    "a revocation",
    { t: NOW, w: "revoked by its owner" },
    { reason: "revoked by its owner", timestamp: NOW }
  ),
  revocationCase(
    "that names a successor",
    { k: other.publicKey, t: NOW, w: "stolen" },
    { reason: "stolen", timestamp: NOW, successor: other }
  ),
  revocationCase(
    "that names the revoked key itself: nobody",
    { k: publisher.publicKey, t: NOW, w: "stolen" },
    { reason: "stolen", timestamp: NOW }
  ),
  revocationCase(
    "with the longest reason, 200 bytes",
    { t: 0, w: "é".repeat(100) },
    { reason: "é".repeat(100), timestamp: 0 }
  ),
  revocationCase(
    "with the last sequence number",
    { t: NOW, w: "lost" },
    { reason: "lost", timestamp: NOW },
    INTEGER_MAX
  ),
  revocationCase("with an empty reason revokes all the same", { t: NOW, w: "" }, UNREADABLE),
  revocationCase("with an unknown key revokes all the same", { t: NOW, u: 1, w: "not so" }, UNREADABLE),
  revocationCase("with a value that is not bencode revokes all the same", text("never mind"), UNREADABLE, 2),
  revocationCase("with an empty value revokes all the same", new Uint8Array(), UNREADABLE, 0)
]

const NAME = "left-pad"

/** Which of two records of one key and salt is newer. */
const newerOf = (name: string, older: Samples.Record, newer: Samples.Record): Json => ({
  name,
  older: hex(Samples.envelope(older)),
  newer: hex(Samples.envelope(newer))
})

const ofPackage = (seq: number, value: Field) => Samples.record(publisher, packageKey(NAME), seq, value)

export const order: ReadonlyArray<Json> = [
  newerOf("the higher seq, whatever the values", ofPackage(9, text("z")), ofPackage(10, text("a"))),
  newerOf(
    "of equal seqs the greater value bytes",
    ofPackage(1, Uint8Array.of(0x7f)),
    ofPackage(1, Uint8Array.of(0x80))
  ),
  newerOf(
    "of equal seqs the longer value, where one begins with the other",
    ofPackage(1, text("a")),
    ofPackage(1, text("aa"))
  ),
  newerOf(
    "of equal seqs the first byte that differs, not the length",
    ofPackage(1, text("ab")),
    ofPackage(1, text("b"))
  )
]

const contradiction = (
  name: string,
  records: readonly [Samples.Record, Samples.Record],
  equivocates: boolean
): Json => ({
  name,
  records: records.map((each) => hex(Samples.envelope(each))),
  equivocates
})

const base = release(NAME, "1.3.0")
const ofRelease = (changes: Fields, seq = 1) =>
  Samples.record(publisher, releaseKey(NAME, "1.3.0"), seq, { ...base, ...changes })
const inPackage = (changes: Fields) =>
  ofPackage(1, packageOf("1.3.0", { l: { ...Samples.without(base, "n"), ...changes } }))

export const equivocations: ReadonlyArray<Json> = [
  contradiction("another tarball", [ofRelease({}), ofRelease({ h: some256("another tarball") })], true),
  contradiction("another manifest", [ofRelease({}), ofRelease({ m: some256("another manifest") })], true),
  contradiction("another infohash", [ofRelease({}), ofRelease({ ih: some1("another infohash") })], true),
  contradiction(
    "another tarball, inlined in a package",
    [ofRelease({}), inPackage({ h: some256("another tarball") })],
    true
  ),
  contradiction("the same content, inlined in a package", [ofRelease({}), inPackage({})], false),
  contradiction("another date and other peers", [ofRelease({}), ofRelease({ t: NOW + 1, x: hints(1) })], false)
]

const keyStringCase = (name: string, keyString: string) => ({
  name,
  keyString,
  salt: hex(Samples.saltOf(keyString))
})

export const keyStrings: ReadonlyArray<Json> = [
  keyStringCase("release", releaseKey("@scope/left_pad", "2.0.0-rc.1+build.5")),
  keyStringCase("package", packageKey(NAME)),
  keyStringCase("announce", announceKey(publisher)),
  keyStringCase("revocation", REVOCATION),
  {
    ...keyStringCase("name index", nameIndexKey(NAME)),
    topic: hex(Samples.saltOf(nameIndexKey(NAME)).slice(0, 20)),
    nameKey: hex(nameKeyOf(NAME).publicKey)
  }
]

export const valid: ReadonlyArray<Json> = [...releases, ...packages, ...announces, ...revocations]
