/**
 * The announce as a JSON document, for people and for other tools: every package of a publisher by
 * name. It can be checked without the network: since the record follows from the packages, byte for
 * byte, whoever has the document can make the record again and verify the publisher's signature.
 */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import { Version } from "../core/Version.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"
import * as Announce from "./Announce.ts"
import type { Found } from "./Lookup.ts"
import { PROTOCOL } from "./Manifest.ts"
import { RegistryError } from "./RegistryError.ts"

/** Of the document's form. */
export const ANNOUNCE_VERSION = 1

export const AnnounceDocument = Schema.Struct({
  protocol: Schema.Literal(PROTOCOL),
  announceVersion: Schema.Literal(ANNOUNCE_VERSION),
  /** The publisher, base64. */
  pubkey: PublicKey.Base64Text,
  /** How often it was signed anew: the record's `seq`. */
  sequence: Schema.Natural,
  /** When it was last signed, Unix milliseconds. */
  timestamp: Schema.Natural,
  /** By name. */
  packages: Schema.Array(Schema.Struct({ name: PackageName, latestVersion: Version })),
  /** The record's, base64. */
  signature: Schema.String
})

export type AnnounceDocument = typeof AnnounceDocument.Type

/** The document of an announce with these packages, which are all that it has, by name. */
export const of = (
  { record, value }: Found<Announce.Announce>,
  packages: AnnounceDocument["packages"]
): AnnounceDocument => ({
  protocol: PROTOCOL,
  announceVersion: ANNOUNCE_VERSION,
  pubkey: PublicKey.toBase64(record.publicKey),
  sequence: record.seq,
  timestamp: value.t,
  packages,
  signature: Base64.encode(record.signature)
})

/** The document of an announce that was found; reads its tree. Fails as `Announce.packages` does. */
export const make = Effect.fn("AnnounceDocument.make")(function* (found: Found<Announce.Announce>) {
  const packages = yield* Announce.packages(found.value).pipe(
    Stream.map(({ name, version }) => ({ name, latestVersion: version })),
    Stream.runCollect
  )
  return of(found, packages)
})

const decode = Schema.decodeUnknownResult(AnnounceDocument, { onExcessProperty: "error" })

const fail = (problem: string) =>
  new RegistryError({ reason: new Record.InvalidRecord({ subject: "an announce document", problem }) })

/** The signed record of a document that came from anywhere, and the pages of its tree; `InvalidRecord` where its publisher did not sign just this. */
export const verify = Effect.fn("AnnounceDocument.verify")(function* (json: unknown) {
  const decoded = decode(json)
  if (Result.isFailure(decoded)) return yield* fail(String(decoded.failure))
  const { packages, pubkey, sequence, signature, timestamp } = decoded.success
  const publicKey = yield* Effect.fromOption(PublicKey.parse(pubkey)).pipe(
    Effect.mapError(() => fail("pubkey is no public key"))
  )
  const signed = Base64.decode(signature)
  // Unused bits that are set would be a second spelling.
  if (Result.isFailure(signed) || Base64.encode(signed.success) !== signature) {
    return yield* fail("signature is not base64")
  }
  const { announce, pages, value } = yield* Announce.make(
    packages.map(({ latestVersion, name }) => [name, latestVersion] as const),
    timestamp
  )
  if (announce.c !== packages.length) return yield* fail("it lists a package twice")
  const keyString = KeyString.announce(publicKey)
  const record = yield* Record.verify(
    { publicKey, salt: KeyString.saltOf(keyString), seq: sequence, value, signature: signed.success },
    keyString
  ).pipe(Effect.mapError((reason) => new RegistryError({ reason })))
  return { record, value: announce, pages }
})
