/**
 * A BitTorrent v1 infohash (BEP 3): the SHA-1 of a torrent's bencoded info dictionary. It finds
 * peers; integrity rests on SHA-256 of what they send.
 */
import * as Bytes from "effect/Bytes"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

export const INFOHASH_BYTES = 20

/** 20 bytes. */
export const Infohash = Schema.Uint8Array.check(
  Schema.makeFilter((bytes: Uint8Array) => bytes.length === INFOHASH_BYTES || "an infohash of 20 bytes")
).pipe(Schema.brand("Infohash"))

export type Infohash = typeof Infohash.Type

/** `None` unless there are exactly 20 bytes, which are not copied. */
export const fromBytes = (bytes: Uint8Array): Option.Option<Infohash> =>
  bytes.length === INFOHASH_BYTES ? Option.some(Infohash.make(bytes)) : Option.none()

/** Reads 40 hex digits of either case. */
export const fromHex = (text: string): Option.Option<Infohash> =>
  /^[0-9a-fA-F]{40}$/.test(text) ? Option.flatMap(Option.getSuccess(Hex.decode(text)), fromBytes) : Option.none()

/** 40 lower-case hex digits: our map key. */
export const toHex = (infohash: Infohash): string => Hex.encode(infohash)

export const equals = (self: Infohash, that: Infohash): boolean => Bytes.Equivalence(self, that)
