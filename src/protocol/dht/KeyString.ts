/**
 * The strings that name what a key says, and the salts and name keys made from them.
 *
 * A record's salt is the SHA-256 of its key string, so a signature is bound to the kind, name and
 * version that it speaks of. Where many keys write under one name the record is signed by the
 * *name key*, whose seed is that same hash: anyone can derive it.
 */
import * as Schema from "effect/Schema"
import { sha256 } from "../core/Digest.ts"
import * as KeyPair from "../core/KeyPair.ts"
import type { Infohash } from "../core/Infohash.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"

/** 32 bytes; BEP 44 allows up to 64. */
export const Salt = Schema.Uint8Array.check(
  Schema.makeFilter((bytes: Uint8Array) => bytes.length === 32 || "32 bytes")
).pipe(Schema.brand("Salt"))

export type Salt = typeof Salt.Type

/** Signed by the publisher: one immutable release. */
export const release = (name: PackageName, version: Version): string => `libreseed:manifest:${name}@${version}`

/** Signed by the publisher: all its versions of a package. */
export const packageOf = (name: PackageName): string => `libreseed:package:${name}`

/** Signed by the name key: who publishes this name. */
export const nameIndex = (name: PackageName): string => `libreseed:name-index:${name}`

/** Signed by the publisher: every package that it publishes. */
export const announce = (publisher: PublicKey.PublicKey): string =>
  `libreseed:announce:${PublicKey.toBase64(publisher)}`

/** Signed by the key that is revoked. */
export const REVOCATION = "libreseed:revocation"

const encoder = new TextEncoder()

/** Key strings are ASCII, and five times as fast to write char by char as with an encoder; others would be right all the same. */
const bytesOf = (keyString: string): Uint8Array => {
  const bytes = new Uint8Array(keyString.length)
  for (let at = 0; at < keyString.length; at++) {
    const unit = keyString.charCodeAt(at)
    if (unit > 0x7f) return encoder.encode(keyString)
    bytes[at] = unit
  }
  return bytes
}

export const saltOf = (keyString: string): Salt => sha256(bytesOf(keyString)) as Salt

/** Bytes of a salt that make a topic: the length of an infohash. */
const TOPIC_BYTES = 20

/** Where peers that know of a key string announce themselves (BEP 5): the first 20 bytes of its salt. */
export const topicOf = (keyString: string): Infohash => topicOfSalt(saltOf(keyString))

/** {@link topicOf} the key string that the salt is made from. */
export const topicOfSalt = (salt: Salt): Infohash => salt.slice(0, TOPIC_BYTES) as Uint8Array as Infohash

/** The pair that anyone can derive from a key string; its signatures prove nothing about who wrote. */
export const nameKeyOf = (keyString: string) => KeyPair.fromOpenSeed(saltOf(keyString))
