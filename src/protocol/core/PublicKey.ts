/**
 * An Ed25519 public key: the identity of a publisher, seeder or channel.
 *
 * Small-order and non-canonical encodings are refused here, once, so that no later code has to
 * think about them (RFC 8032 §5.1.3; the 14 encodings listed by C2SP CCTV). One key has three
 * spellings, told apart by shape: base64 (registry), hex (channels), `key_` + base58 (overlay).
 */
import * as Bytes from "effect/Bytes"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Base58 from "./Base58.ts"

export const PUBLIC_KEY_BYTES = 32

const OVERLAY_PREFIX = "key_"

/** The field prime 2^255 − 19 and the y coordinates of the eight points whose order divides 8, as integers. */
const P = 2n ** 255n - 19n
const ORDER_8_Y = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([0n, 1n, P - 1n, ORDER_8_Y, P - ORDER_8_Y])

/** y without its sign bit, from the little-endian encoding of a point. */
const yOf = (point: Uint8Array): bigint => {
  let y = BigInt(point[31]! & 0x7f)
  for (let i = 30; i >= 0; i--) y = (y << 8n) | BigInt(point[i]!)
  return y
}

/** Bytes that may stand out in `y` values ≥ p or of small order; everything else is settled without big integers. */
const mayBeWeak = (point: Uint8Array): boolean => {
  const low = point[0]!
  return low <= 1 || low >= 0xec || low === 0xc7 || low === 0x26
}

/** Whether 32 bytes are a canonical encoding (y < p) of something other than a small-order point. */
export const isStrongPoint = (point: Uint8Array): boolean => {
  if (point.length !== PUBLIC_KEY_BYTES) return false
  if (!mayBeWeak(point)) return true
  const y = yOf(point)
  return y < P && !SMALL_ORDER_Y.has(y)
}

/** 32 bytes; never a small-order or non-canonical point. */
export const PublicKey = Schema.Uint8Array.check(
  Schema.makeFilter((bytes: Uint8Array) => isStrongPoint(bytes) || "a public key that is neither weak nor malformed")
).pipe(Schema.brand("PublicKey"))

export type PublicKey = typeof PublicKey.Type

/** `None` when the bytes are not 32 long, not canonical, or of small order. */
export const fromBytes = (bytes: Uint8Array): Option.Option<PublicKey> =>
  isStrongPoint(bytes) ? Option.some(bytes as PublicKey) : Option.none()

/** `R9dK…` (44 characters): the spelling of the registry. */
export const toBase64 = (key: PublicKey): string => Base64.encode(key)

/** 64 lower-case hex digits: the spelling of channels, and our map key. */
export const toHex = (key: PublicKey): string => Hex.encode(key)

/** `key_` + base58: the spelling of the overlay. */
export const toOverlay = (key: PublicKey): string => OVERLAY_PREFIX + Base58.encode(key)

/** First characters of the base64 spelling, for people. Not unique. */
export const short = (key: PublicKey): string => toBase64(key).slice(0, 10)

/** Accepts any of the three spellings. `None` for everything else, weak keys included. */
export const parse = (text: string): Option.Option<PublicKey> => {
  const bytes = parseBytes(text)
  return Option.flatMap(bytes, fromBytes)
}

const parseBytes = (text: string): Option.Option<Uint8Array> => {
  if (text.startsWith(OVERLAY_PREFIX)) return Option.getSuccess(Base58.decode(text.slice(OVERLAY_PREFIX.length)))
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Option.getSuccess(Hex.decode(text))
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) return Option.none()
  // A base64 text whose unused bits are set decodes to the same bytes: there is only one spelling, so refuse it.
  return Option.getSuccess(Base64.decode(text)).pipe(Option.filter((bytes) => Base64.encode(bytes) === text))
}

export const equals = (self: PublicKey, that: PublicKey): boolean => Bytes.Equivalence(self, that)

/** Orders keys by their bytes: the last tie-break wherever publishers are ranked. */
export const compare = (self: PublicKey, that: PublicKey): -1 | 0 | 1 => Bytes.Order(self, that)

/** A key in its base64 spelling, kept as text: how manifest.json names a publisher. */
export const Base64Text = Schema.String.check(
  Schema.makeFilter(
    (text: string) => Option.exists(parse(text), (key) => toBase64(key) === text) || "a public key in base64"
  )
)
