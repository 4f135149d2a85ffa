/**
 * Signatures that some verifiers take and this protocol refuses: each is what a careless check of
 * Ed25519 (RFC 8032 §5.1.7) would let through.
 */
import { Point } from "@noble/ed25519"
import { bytes, fromHex, type Key, sha512 } from "./Cast.ts"

/** Order of the base point (RFC 8032 §5.1). */
const L = 2n ** 252n + 27742317777372353535851937790883648493n

/** The neutral element: a point of order 1. */
export const IDENTITY = bytes(Uint8Array.of(1), new Uint8Array(31))

/** One of the four points of order 8. */
const ORDER_8 = fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")

const toNumber = (littleEndian: Uint8Array): bigint =>
  littleEndian.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)

const toScalar = (value: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))

/** The secret scalar of a seed (RFC 8032 §5.1.5). */
const scalarOf = ({ seed }: Key): bigint => {
  const hash = sha512(seed).slice(0, 32)
  hash[0]! &= 248
  hash[31] = (hash[31]! & 63) | 64
  return toNumber(hash)
}

const challengeOf = (r: Uint8Array, publicKey: Uint8Array, message: Uint8Array): bigint =>
  toNumber(sha512(bytes(r, publicKey, message))) % L

/** Any number below L, always the same one. */
const NONCE = toNumber(sha512(new Uint8Array(32))) % L

/** The same signature with S + L for S: the equation still holds. */
export const unreduced = (signature: Uint8Array): Uint8Array =>
  bytes(signature.slice(0, 32), toScalar(toNumber(signature.slice(32)) + L))

/** With R the neutral element and S = k·a the equation holds, without any nonce. */
export const withSmallOrderR = (by: Key, message: Uint8Array): Uint8Array =>
  bytes(IDENTITY, toScalar((challengeOf(IDENTITY, by.publicKey, message) * scalarOf(by)) % L))

/** A signature under {@link IDENTITY} as the public key: it holds for every message. */
export const underIdentity = (): Uint8Array => bytes(Point.BASE.multiply(NONCE).toBytes(), toScalar(NONCE))

/** R is off by a point of order 8: the equation holds only after both sides are multiplied by the cofactor. */
export const cofactored = (by: Key, message: Uint8Array): Uint8Array => {
  const r = Point.BASE.multiply(NONCE).add(Point.fromBytes(ORDER_8)).toBytes()
  return bytes(r, toScalar((NONCE + challengeOf(r, by.publicKey, message) * scalarOf(by)) % L))
}
