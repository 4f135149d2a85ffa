/**
 * The one signed envelope: a BEP 44 mutable item `(publicKey, salt, seq, value, signature)`.
 *
 * Everything a key says travels in it, whoever carries it: DHT, file, bridge or overlay. The value
 * is carried as a bencoded byte string, opaque to the nodes that store it. A `Record` exists only
 * verified: `sign` and `verify` are the two ways to one.
 */
import type * as Brand from "effect/Brand"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Bencode from "../core/Bencode.ts"
import { sha1 } from "../core/Digest.ts"
import { Ed25519, SIGNATURE_BYTES } from "../core/Ed25519.ts"
import { ExitCode } from "../core/Errors.ts"
import type { KeyPair } from "../core/KeyPair.ts"
import * as PublicKey from "../core/PublicKey.ts"
import * as Shape from "../core/Shape.ts"
import type { Salt } from "./KeyString.ts"

/** BEP 44 allows 1,000 bytes; libtorrent counts the bencoded form, whose length prefix takes four. */
export const VALUE_MAX_BYTES = 996

/** BEP 44. */
export const SALT_MAX_BYTES = 64

/** Largest sequence number that every implementation carries without loss. */
export const SEQ_MAX = Number.MAX_SAFE_INTEGER

/** Where a record lives in the DHT: SHA-1(publicKey ‖ salt), 20 bytes. */
export type Target = Uint8Array & Brand.Brand<"Target">

/** An item as it comes from outside: nothing about it is known yet. */
export interface Item {
  readonly publicKey: Uint8Array
  readonly salt: Uint8Array
  readonly seq: number
  readonly value: Uint8Array
  readonly signature: Uint8Array
}

/** A verified item. */
export interface Record extends Item {
  readonly publicKey: PublicKey.PublicKey
  readonly salt: Salt
  readonly verified: typeof verifiedMark
}

declare const verifiedMark: unique symbol

/** The item is not what its key signed, or breaks a limit of BEP 44. */
export class InvalidRecord extends Schema.TaggedError<InvalidRecord>()("InvalidRecord", {
  subject: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "It was refused and nothing was changed. Ask again later, or ask the publisher to publish anew."
  override get message() {
    return `The record of ${this.subject} is not valid: ${this.problem}`
  }
}

/**
 * The bytes that are signed (BEP 44): `4:salt…3:seqi…e1:v…` without the outer dictionary, and
 * without the salt where it is empty.
 */
export const signedBytes = (salt: Uint8Array, seq: number, value: Uint8Array): Uint8Array =>
  signedParts(salt, `3:seqi${seq}e1:v${value.length}:`, value)

/** As {@link signedBytes}, over a value of any kind, given in its bencoded form. */
export const signedBytesOfAny = (salt: Uint8Array, seq: number, bencoded: Uint8Array): Uint8Array =>
  signedParts(salt, `3:seqi${seq}e1:v`, bencoded)

const signedParts = (salt: Uint8Array, beforeValue: string, value: Uint8Array): Uint8Array => {
  const beforeSalt = salt.length === 0 ? "" : `4:salt${salt.length}:`
  const out = new Uint8Array(beforeSalt.length + salt.length + beforeValue.length + value.length)
  let at = writeAscii(out, 0, beforeSalt)
  out.set(salt, at)
  at = writeAscii(out, at + salt.length, beforeValue)
  out.set(value, at)
  return out
}

/** A `TextEncoder` took as long as everything else here, and every look-up signs or checks some. */
const writeAscii = (out: Uint8Array, offset: number, text: string): number => {
  for (let i = 0; i < text.length; i++) out[offset + i] = text.charCodeAt(i)
  return offset + text.length
}

/** SHA-1(publicKey ‖ salt): the address of a mutable item (BEP 44). */
export const targetOf = (publicKey: Uint8Array, salt: Uint8Array): Target => {
  const joined = new Uint8Array(publicKey.length + salt.length)
  joined.set(publicKey)
  joined.set(salt, publicKey.length)
  return sha1(joined) as Target
}

/** SHA-1 of the bencoded byte string: the address of an immutable item (BEP 44). */
export const immutableTargetOf = (value: Uint8Array): Target => sha1(Bencode.encode(value)) as Target

/** Signs. A value over {@link VALUE_MAX_BYTES} or an impossible `seq` is a caller's bug and dies. */
export const sign = (
  keyPair: KeyPair,
  fields: { readonly salt: Salt; readonly seq: number; readonly value: Uint8Array }
): Record => {
  const problem = limitBroken(fields)
  if (problem !== undefined) throw new RangeError(`cannot sign a record: ${problem}`)
  const signature = keyPair.sign(signedBytes(fields.salt, fields.seq, fields.value))
  return { publicKey: keyPair.publicKey, ...fields, signature } as Record
}

const limitBroken = (item: Pick<Item, "salt" | "seq" | "value">): string | undefined => {
  if (item.value.length > VALUE_MAX_BYTES) return `its value has ${item.value.length} bytes, over ${VALUE_MAX_BYTES}`
  if (item.salt.length > SALT_MAX_BYTES) return `its salt has ${item.salt.length} bytes, over ${SALT_MAX_BYTES}`
  if (!Number.isSafeInteger(item.seq) || item.seq < 0) return `its sequence number ${item.seq} is out of range`
  return undefined
}

/** The one verifier. `subject` names, for people, what the record was expected to be. */
export const verifyWith = (
  ed25519: Ed25519["Service"],
  item: Item,
  subject: string
): Result.Result<Record, InvalidRecord> => {
  const problem =
    limitBroken(item) ??
    (item.signature.length !== SIGNATURE_BYTES
      ? `its signature has ${item.signature.length} bytes`
      : !ed25519.verify(item.signature, signedBytes(item.salt, item.seq, item.value), item.publicKey)
        ? "its signature does not hold"
        : undefined)
  return problem === undefined ? Result.succeed(item as Record) : Result.fail(new InvalidRecord({ subject, problem }))
}

/** {@link verifyWith} the `Ed25519` around. */
export const verify = (item: Item, subject: string): Effect.Effect<Record, InvalidRecord, Ed25519> =>
  Effect.flatMap(Ed25519, (ed25519) => Effect.fromResult(verifyWith(ed25519, item, subject)))

const envelope = Shape.dictionary({
  k: Shape.bytes(PublicKey.PUBLIC_KEY_BYTES),
  salt: Shape.bytesBetween(0, SALT_MAX_BYTES),
  seq: Shape.integer(0, SEQ_MAX),
  sig: Shape.bytes(SIGNATURE_BYTES),
  v: Shape.bytesBetween(0, VALUE_MAX_BYTES)
})
const encodeEnvelope = Shape.encoder(envelope)
const decodeEnvelope = Shape.decoder(envelope)

/** The envelope as bytes for files and wires: canonical bencoded `{k, salt, seq, sig, v}`. */
export const toBytes = (record: Record): Uint8Array =>
  encodeEnvelope({ k: record.publicKey, salt: record.salt, seq: record.seq, sig: record.signature, v: record.value })

/** Reads and verifies what {@link toBytes} wrote. */
export const fromBytes = Effect.fnUntraced(function* (bytes: Uint8Array, subject: string) {
  const decoded = decodeEnvelope(bytes)
  if (Result.isFailure(decoded)) return yield* new InvalidRecord({ subject, problem: decoded.failure })
  const { k, salt, seq, sig, v } = decoded.success
  return yield* verify({ publicKey: k, salt, seq, signature: sig, value: v }, subject)
})

/** The newer of two records of one `(publicKey, salt)`; of equal ones the one with the greater value bytes. */
export const newer = <R extends Pick<Item, "seq" | "value">>(self: R, that: R): R => {
  if (self.seq !== that.seq) return self.seq > that.seq ? self : that
  return Bytes.Order(self.value, that.value) >= 0 ? self : that
}

/** Whether two records of one `(publicKey, salt)` say the same under the same number, whoever signed them when. */
export const isSame = (self: Pick<Item, "seq" | "value">, that: Pick<Item, "seq" | "value">): boolean =>
  self.seq === that.seq && Bytes.Equivalence(self.value, that.value)
