/**
 * One immutable release: what a publisher says about `name@version`, in a record of its own.
 *
 * It binds the hashes of manifest.json and of the tarball, both lengths and the infohash; with at
 * most 16 pieces it carries the piece hashes too, so that the torrent can be rebuilt from the
 * record alone. The package record inlines the newest one without its name.
 */
import * as Bytes from "effect/Bytes"
import * as Option from "effect/Option"
import type { PackageName } from "../core/PackageName.ts"
import * as PeerAddress from "../core/PeerAddress.ts"
import * as Shape from "../core/Shape.ts"

export const HASH_BYTES = 32
/** A release is written once. */
export const RELEASE_SEQ = 1
/** Bytes of manifest.json: 100,000 files of sensible paths. */
export const MANIFEST_MAX_BYTES = 32 * 1024 * 1024
/** Bytes of a tarball. */
export const TARBALL_MAX_BYTES = 512 * 1024 * 1024
const PIECE_HASH_BYTES = 20
const PIECES_MAX = 16
export const HINTS_MAX = 4

const hash = Shape.bytes(HASH_BYTES)

const split = (bytes: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from({ length: bytes.length / PeerAddress.COMPACT_BYTES }, (_, i) =>
    bytes.subarray(i * PeerAddress.COMPACT_BYTES, (i + 1) * PeerAddress.COMPACT_BYTES)
  )

const isPeers = (value: unknown): value is ReadonlyArray<PeerAddress.PeerAddress> =>
  Array.isArray(value) && value.every((each) => each instanceof PeerAddress.PeerAddress)

/** Compact peers (BEP 23) ↔ addresses. Port 0 is refused: what cannot be dialled would be a second spelling of nothing. */
const hints = Shape.mapped(Shape.units(PeerAddress.COMPACT_BYTES, HINTS_MAX), {
  expected: "addresses with a port",
  is: isPeers,
  decode: (bytes) => Option.getOrUndefined(Option.all(split(bytes).map(PeerAddress.fromCompact))),
  encode: (peers) => Uint8Array.from(peers.flatMap((peer) => [...PeerAddress.toCompact(peer)]))
})

const fields = {
  v: Shape.version,
  /** SHA-256 of manifest.json. */
  m: hash,
  /** SHA-256 of the tarball. */
  h: hash,
  ih: Shape.infohash,
  /** Bytes: manifest.json, tarball. */
  s: Shape.tuple([Shape.integer(1, MANIFEST_MAX_BYTES), Shape.integer(1, TARBALL_MAX_BYTES)]),
  p: Shape.optional(Shape.units(PIECE_HASH_BYTES, PIECES_MAX)),
  x: Shape.optional(hints),
  /** When it was published, Unix milliseconds, by the publisher's clock. */
  t: Shape.integer()
}

/** A release without its name, as the package record inlines it. */
export const inlinedShape = Shape.dictionary(fields)
export type Inlined = Shape.Type<typeof inlinedShape>

export const shape = Shape.dictionary({ n: Shape.packageName, ...fields })

/** Field names are those of the wire (`docs/spec/records.md`); hashes are bytes, `t` is in ms. */
export type Release = Shape.Type<typeof shape>

/** For schemas over bencode values, such as `Bencode.fromBytes` takes. */
export const Release = Shape.valueCodec(shape)

/** Bytes of a record's value ↔ release. */
export const codec = Shape.codec(shape)

/** The release that `bytes` spell, or what is wrong with them. */
export const decode = Shape.decoder(shape)

/** Throws `RangeError` for a field out of its range. */
export const encode = Shape.encoder(shape)

export const inline = ({ n: _, ...fields }: Release): Inlined => fields

export const withName = (name: PackageName, fields: Inlined): Release => ({ n: name, ...fields })

/**
 * Whether two releases of one `(publisher, name, version)` speak of the same bytes. Where they do
 * not, the publisher equivocates: neither may be trusted. `t`, `x` and `p` may differ.
 */
export const sameContent = (self: Inlined, that: Inlined): boolean =>
  self.v === that.v &&
  Bytes.Equivalence(self.m, that.m) &&
  Bytes.Equivalence(self.h, that.h) &&
  Bytes.Equivalence(self.ih, that.ih)
