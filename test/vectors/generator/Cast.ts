/**
 * What the published vectors are made with: bencode, hashes and keys, in as few lines as they take.
 * Nothing here or beside it comes from `src`: the vectors are made from the specification, so that
 * the code is held against it and not against itself.
 */
import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto"

/** A value before it is bencoded. A text is a byte string of its UTF-8. */
export type Field = string | number | bigint | Uint8Array | ReadonlyArray<Field> | Fields

export interface Fields {
  readonly [name: string]: Field
}

export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [name: string]: Json }

export const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, "utf8"))

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

export const fromHex = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, "hex"))

/** All parts end to end; texts as their UTF-8. */
export const bytes = (...parts: ReadonlyArray<string | Uint8Array>): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === "string" ? text(part) : part))))

const digest = (algorithm: string) => (data: Uint8Array) => new Uint8Array(createHash(algorithm).update(data).digest())

export const sha1 = digest("sha1")
export const sha256 = digest("sha256")
export const sha512 = digest("sha512")

/** Hashes of something that does not matter. */
export const some1 = (what: string): Uint8Array => sha1(text(what))
export const some256 = (what: string): Uint8Array => sha256(text(what))

/** Canonical bencode (BEP 3). Names of keys are ASCII. */
export const bencode = (field: Field): Uint8Array => {
  if (typeof field === "string") return bencode(text(field))
  if (typeof field === "number" || typeof field === "bigint") return text(`i${field}e`)
  if (field instanceof Uint8Array) return bytes(`${field.length}:`, field)
  if (isList(field)) return bytes("l", ...field.map(bencode), "e")
  return inOrder(Object.entries(field).toSorted(([self], [that]) => (self < that ? -1 : 1)))
}

const isList = (field: ReadonlyArray<Field> | Fields): field is ReadonlyArray<Field> => Array.isArray(field)

/** A dictionary with its keys as they are given: in any order, and twice. */
export const inOrder = (entries: ReadonlyArray<readonly [string, Field]>): Uint8Array =>
  bytes("d", ...entries.flatMap(([name, field]) => [bencode(name), bencode(field)]), "e")

/** As a reader of the JSON sees it: texts as they are, all other byte strings in hex. */
export const view = (field: Field): Json => {
  if (typeof field === "string" || typeof field === "number") return field
  if (typeof field === "bigint") return String(field)
  if (field instanceof Uint8Array) return hex(field)
  if (isList(field)) return field.map(view)
  return Object.fromEntries(Object.entries(field).map(([name, inner]) => [name, view(inner)]))
}

/** The bytes with one bit changed, counted from the lowest of the first byte. */
export const flipBit = (data: Uint8Array, bit: number): Uint8Array =>
  data.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))

export interface Key {
  readonly seed: Uint8Array
  readonly publicKey: Uint8Array
  readonly sign: (message: Uint8Array) => Uint8Array
}

/** DER in front of a seed (RFC 8410 §7). */
const PKCS8_PREFIX = fromHex("302e020100300506032b657004220420")

export const keyOfSeed = (seed: Uint8Array): Key => {
  const secret = createPrivateKey({
    key: Buffer.from(bytes(PKCS8_PREFIX, seed)),
    format: "der",
    type: "pkcs8"
  })
  const spki = createPublicKey(secret).export({ format: "der", type: "spki" })
  return {
    seed,
    publicKey: new Uint8Array(spki.subarray(spki.length - 32)),
    sign: (message) => new Uint8Array(sign(null, message, secret))
  }
}

/** The key of a label; its seed is in the files, too. */
export const key = (label: string): Key => keyOfSeed(some256(`libreseed test vectors: ${label}`))

/** The keys that a file's cases are signed with. */
export const keysView = (keys: { readonly [label: string]: Key }): Json =>
  Object.fromEntries(
    Object.entries(keys).map(([label, { publicKey, seed }]) => [label, { seed: hex(seed), publicKey: hex(publicKey) }])
  )

/** When everything in the files happens, Unix ms. */
export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5)

/** 2^53 − 1. */
export const INTEGER_MAX = Number.MAX_SAFE_INTEGER
