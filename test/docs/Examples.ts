/** The examples of `docs/spec`, made by the code: fixed keys and bytes in, text blocks out. */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import { TestClock } from "effect/testing"
import * as Bencode from "../../src/protocol/core/Bencode.ts"
import { sha256 } from "../../src/protocol/core/Digest.ts"
import { Ed25519 } from "../../src/protocol/core/Ed25519.ts"
import { Hasher } from "../../src/protocol/core/Hasher.ts"
import * as KeyPair from "../../src/protocol/core/KeyPair.ts"
import * as KeyString from "../../src/protocol/dht/KeyString.ts"
import { PageStore } from "../../src/protocol/dht/PageStore.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import * as Announce from "../../src/protocol/registry/Announce.ts"
import * as NameClaim from "../../src/protocol/registry/NameClaim.ts"
import * as NameIndexRecord from "../../src/protocol/registry/NameIndexRecord.ts"
import * as Package from "../../src/protocol/registry/Package.ts"
import * as Release from "../../src/protocol/registry/Release.ts"
import { prepare } from "../../src/protocol/swarm/PublishPackage.ts"
import * as Testing from "../../src/protocol/testing/index.ts"
import * as Revocation from "../../src/protocol/trust/Revocation.ts"
import * as Fixtures from "../protocol/registry/Fixtures.ts"

const { name, text, version } = Fixtures

const PUBLISHED_AT = Date.UTC(2026, 0, 2, 3, 4, 5)
const WIDTH = 96

/** Enough of each that one record does not hold them. */
const MANY = { versions: 70, claims: 8, packages: 60 } as const

const wrap = (bytes: Uint8Array): string =>
  `(${bytes.length} bytes)\n  ${Hex.encode(bytes).replaceAll(new RegExp(`(.{${WIDTH}})(?=.)`, "g"), "$1\n  ")}`

/** Bytes for people: printable ASCII as it is, everything else as `\xNN`. */
const escaped = (bytes: Uint8Array): string =>
  [...bytes]
    .map((byte) =>
      byte >= 0x20 && byte < 0x7f && byte !== 0x5c
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, "0")}`
    )
    .join("")

const pageBlock = (page: Uint8Array): string =>
  [`target      ${Hex.encode(Record.immutableTargetOf(page))}`, `page        ${wrap(page)}`].join("\n")

const recordBlock = (keyString: string, record: Record.Record, pages: ReadonlyArray<Uint8Array> = []): string =>
  [
    `key string  ${keyString}`,
    `k           ${Hex.encode(record.publicKey)}`,
    `salt        ${Hex.encode(record.salt)}`,
    `target      ${Hex.encode(Record.targetOf(record.publicKey, record.salt))}`,
    `seq         ${record.seq}`,
    `v           ${wrap(record.value)}`,
    `sig         ${Hex.encode(record.signature)}`,
    ...pages.map(pageBlock)
  ].join("\n")

/** What a claim's signature is over, as the page says it. */
const claimSigned = ({ n }: Release.Release, { fs, k, lv, t }: NameClaim.NameClaim): Uint8Array =>
  new Uint8Array([...text("libreseed-v1:name-claim:"), ...Bencode.encode({ fs, k, lv: text(lv), n: text(n), t })])

const claimBlock = (release: Release.Release, claim: NameClaim.NameClaim): string =>
  [
    `publisher   ${Hex.encode(claim.k)}`,
    `signed      ${escaped(claimSigned(release, claim))}`,
    `s           ${Hex.encode(claim.s)}`,
    `claim       ${wrap(NameClaim.encode(claim))}`
  ].join("\n")

/** A package that got its versions one after the other, oldest first. */
const packageOf = Effect.fnUntraced(function* (releases: ReadonlyArray<Release.Release>) {
  const store = yield* PageStore
  let draft: Package.Draft | undefined
  for (const release of releases) {
    draft = yield* Package.add(draft?.pkg, release, PUBLISHED_AT)
    yield* store.keep(draft.pages)
  }
  return draft!
})

const keyPairs = (count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, i) => i),
    (i) => Fixtures.keyPair(`example publisher ${i}`)
  )

const claimOf = (release: Release.Release) => (publisher: KeyPair.KeyPair) =>
  NameClaim.sign(publisher, release.n, {
    latestVersion: release.v,
    firstSeen: PUBLISHED_AT - 1000,
    timestamp: PUBLISHED_AT
  })

const announceOf = (release: Release.Release, others: number) =>
  Announce.make(
    [
      [release.n, release.v] as const,
      ...Array.from({ length: others }, (_, i) => [name(`package-${i + 10}`), version("1.0.0")] as const)
    ],
    PUBLISHED_AT
  )

const packed = {
  name: name("left-pad"),
  version: version("1.3.0"),
  tarball: text("the bytes of left-pad-1.3.0.tgz"),
  files: {
    "index.js": { sha256: Hex.encode(sha256(text("module.exports = leftPad\n"))), size: 25, mode: "0644" as const },
    "package.json": { sha256: Hex.encode(sha256(text("{}"))), size: 2, mode: "0644" as const }
  },
  metadata: { description: "Pads on the left", license: "MIT" }
}

/** Block by name, as it stands between the `example` marks. */
export const examples = Effect.gen(function* () {
  yield* TestClock.setTime(PUBLISHED_AT)
  const publisher = yield* KeyPair.fromSeed(sha256(text("an example publisher")))
  const successor = yield* KeyPair.fromSeed(sha256(text("an example successor")))
  const { manifest, release, torrent } = yield* prepare(publisher, packed)

  const releaseKey = KeyString.release(release.n, release.v)
  const packageKey = KeyString.packageOf(release.n)
  const indexKey = KeyString.nameIndex(release.n)
  const announceKey = KeyString.announce(publisher.publicKey)
  const nameKey = yield* KeyString.nameKeyOf(indexKey)
  const block = (
    keyString: string,
    seq: number,
    { pages, value }: { readonly value: Uint8Array; readonly pages?: ReadonlyArray<Uint8Array> },
    by = publisher
  ) => recordBlock(keyString, Record.sign(by, { salt: KeyString.saltOf(keyString), seq, value }), pages)

  const small = yield* packageOf([{ ...release, v: version("1.2.0") }, release])
  const older = Array.from({ length: MANY.versions }, (_, i) => ({ ...release, v: version(`0.${i}.0`) }))
  const large = yield* packageOf([...older, release])
  const claim = claimOf(release)(publisher)
  const claims = [claim, ...(yield* keyPairs(MANY.claims)).map(claimOf(release))]
  const revocation = Revocation.sign(publisher, {
    reason: Revocation.DEFAULT_REASON,
    successor: successor.publicKey,
    timestamp: PUBLISHED_AT
  })
  const releaseRecord = Record.sign(publisher, {
    salt: KeyString.saltOf(releaseKey),
    seq: Release.RELEASE_SEQ,
    value: Release.encode(release)
  })

  return new Map([
    [
      "key-strings",
      [releaseKey, packageKey, announceKey, KeyString.REVOCATION, indexKey]
        .map((keyString) => `${keyString}\n  salt  ${Hex.encode(KeyString.saltOf(keyString))}`)
        .concat(`  topic ${Hex.encode(KeyString.topicOf(indexKey))}`)
        .concat(`name key of ${indexKey}\n  ${Hex.encode(nameKey.publicKey)}`)
        .join("\n")
    ],
    ["release", recordBlock(releaseKey, releaseRecord)],
    ["signed-bytes", escaped(Record.signedBytes(releaseRecord.salt, releaseRecord.seq, releaseRecord.value))],
    ["envelope", wrap(Record.toBytes(releaseRecord))],
    ["package", block(packageKey, 2, small)],
    ["package-tree", block(packageKey, MANY.versions + 1, large)],
    ["claim", claimBlock(release, claim)],
    ["name-index", block(indexKey, 1, NameIndexRecord.make(NameClaim.fromClaims([claim])), nameKey)],
    ["name-index-tree", block(indexKey, 9, NameIndexRecord.make(NameClaim.fromClaims(claims)), nameKey)],
    ["announce", block(announceKey, 1, yield* announceOf(release, 1))],
    ["announce-tree", block(announceKey, 2, yield* announceOf(release, MANY.packages))],
    ["revocation", recordBlock(KeyString.REVOCATION, revocation)],
    ["manifest", new TextDecoder().decode(manifest)],
    ["torrent", `infohash  ${Hex.encode(torrent.infohash)}\ninfo      ${escaped(torrent.info)}`]
  ])
}).pipe(Effect.provide(Testing.layer), Effect.provide([Ed25519.layerNoble, Hasher.layerNoble]))
