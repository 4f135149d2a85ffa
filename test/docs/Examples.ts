/** The examples of `docs/spec`, made by the code: fixed keys and bytes in, text blocks out. */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Schema from "effect/Schema"
import { sha256 } from "../../src/protocol/core/Digest.ts"
import { Ed25519 } from "../../src/protocol/core/Ed25519.ts"
import { Hasher } from "../../src/protocol/core/Hasher.ts"
import * as KeyPair from "../../src/protocol/core/KeyPair.ts"
import * as PublicKey from "../../src/protocol/core/PublicKey.ts"
import * as KeyString from "../../src/protocol/dht/KeyString.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../src/protocol/dht/RecordStore.ts"
import * as NameClaim from "../../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../../src/protocol/registry/NameIndex.ts"
import * as Package from "../../src/protocol/registry/Package.ts"
import * as Release from "../../src/protocol/registry/Release.ts"
import { prepare } from "../../src/protocol/swarm/PublishPackage.ts"
import * as Testing from "../../src/protocol/testing/index.ts"
import * as Fixtures from "../protocol/registry/Fixtures.ts"
import { TestClock } from "effect/testing"

const { name, text, version } = Fixtures

const PUBLISHED_AT = Date.UTC(2026, 0, 2, 3, 4, 5)
const WIDTH = 96

const wrap = (hex: string): string => hex.replaceAll(new RegExp(`(.{${WIDTH}})(?=.)`, "g"), "$1\n  ")

/** Bytes for people: printable ASCII as it is, everything else as `\xNN`. */
const escaped = (bytes: Uint8Array): string =>
  [...bytes]
    .map((byte) =>
      byte >= 0x20 && byte < 0x7f && byte !== 0x5c
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, "0")}`
    )
    .join("")

const recordBlock = (keyString: string, record: Record.Record): string =>
  [
    `key string  ${keyString}`,
    `k           ${Hex.encode(record.publicKey)}`,
    `salt        ${Hex.encode(record.salt)}`,
    `target      ${Hex.encode(Record.targetOf(record.publicKey, record.salt))}`,
    `seq         ${record.seq}`,
    `v           (${record.value.length} bytes)\n  ${wrap(Hex.encode(record.value))}`,
    `sig         ${Hex.encode(record.signature)}`
  ].join("\n")

/** Block by name, as it stands between the `example` marks. */
export const examples = Effect.gen(function* () {
  yield* TestClock.setTime(PUBLISHED_AT)
  const publisher = yield* KeyPair.fromSeed(sha256(text("an example publisher")))
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
  const { manifest, release, torrent } = yield* prepare(publisher, packed)

  const sign = (keyString: string, seq: number, value: Uint8Array, by = publisher) =>
    Record.sign(by, { salt: KeyString.saltOf(keyString), seq, value })
  const releaseKey = KeyString.release(release.n, release.v)
  const packageKey = KeyString.packageOf(release.n)
  const indexKey = KeyString.nameIndex(release.n)
  const nameKey = yield* KeyString.nameKeyOf(indexKey)

  const older = Package.add(undefined, { ...release, v: version("1.2.0") }, PUBLISHED_AT - 1000)
  const claim = NameClaim.sign(publisher, release.n, {
    latestVersion: release.v,
    firstSeen: PUBLISHED_AT - 1000,
    timestamp: PUBLISHED_AT
  })
  const index = NameIndex.toBytes(NameClaim.fromClaims([claim]))

  return new Map([
    [
      "key-strings",
      [releaseKey, packageKey, indexKey]
        .map((keyString) => `${keyString}\n  salt  ${Hex.encode(KeyString.saltOf(keyString))}`)
        .concat(`name key of ${indexKey}\n  ${Hex.encode(nameKey.publicKey)}`)
        .join("\n")
    ],
    ["release", recordBlock(releaseKey, sign(releaseKey, 1, yield* Schema.encodeEffect(Release.codec)(release)))],
    [
      "package",
      recordBlock(packageKey, sign(packageKey, 2, Package.toBytes(Package.add(older, release, PUBLISHED_AT))))
    ],
    ["name-index", recordBlock(indexKey, sign(indexKey, 1, index, nameKey))],
    ["manifest", new TextDecoder().decode(manifest)],
    ["torrent", `infohash  ${Hex.encode(torrent.infohash)}\ninfo      ${escaped(torrent.info)}`],
    ["publisher", PublicKey.toBase64(publisher.publicKey)]
  ])
}).pipe(Effect.provide(Testing.layer), Effect.provide([RecordStore.layerMemory, Ed25519.layerNoble, Hasher.layerNoble]))
