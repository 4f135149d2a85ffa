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
import type { PackageName } from "../core/PackageName.ts"
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

const encoder = new TextEncoder()

export const saltOf = (keyString: string): Salt => sha256(encoder.encode(keyString)) as Salt

/** The pair that anyone can derive from a key string; its signatures prove nothing about who wrote. */
export const nameKeyOf = (keyString: string) => KeyPair.fromOpenSeed(sha256(encoder.encode(keyString)))
