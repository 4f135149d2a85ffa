/**
 * One immutable release: what a publisher says about `name@version`, in a record of its own.
 *
 * It binds the hashes of manifest.json and of the tarball, both lengths and the infohash; with at
 * most 16 pieces it carries the piece hashes too, so that the torrent can be rebuilt from the
 * record alone. The package record inlines the newest one without its name.
 */
import * as Bytes from "effect/Bytes"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as Bencode from "../core/Bencode.ts"
import * as Infohash from "../core/Infohash.ts"
import { PackageName } from "../core/PackageName.ts"
import * as PeerAddress from "../core/PeerAddress.ts"
import { Version } from "../core/Version.ts"

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

const Hash = Bencode.bytesOfLength(HASH_BYTES)

const lengthUpTo = (maximum: number) => Bencode.Integer.check(Schema.isBetween({ minimum: 1, maximum }))

const inUnits = (unit: number, max: number) =>
  Schema.Uint8Array.check(
    Schema.makeFilter(
      (bytes: Uint8Array) =>
        (bytes.length > 0 && bytes.length % unit === 0 && bytes.length <= unit * max) ||
        `1 to ${max} times ${unit} bytes`
    )
  )

const split = (bytes: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from({ length: bytes.length / PeerAddress.COMPACT_BYTES }, (_, i) =>
    bytes.subarray(i * PeerAddress.COMPACT_BYTES, (i + 1) * PeerAddress.COMPACT_BYTES)
  )

/** Compact peers (BEP 23) ↔ addresses. Port 0 is refused: what cannot be dialled would be a second spelling of nothing. */
const Hints = inUnits(PeerAddress.COMPACT_BYTES, HINTS_MAX).pipe(
  Schema.check(
    Schema.makeFilter(
      (bytes: Uint8Array) =>
        split(bytes).every((compact) => Option.isSome(PeerAddress.fromCompact(compact))) || "addresses with a port"
    )
  ),
  Schema.decodeTo(Schema.Array(PeerAddress.PeerAddress), {
    decode: SchemaGetter.transform((bytes: Uint8Array) =>
      split(bytes).flatMap((compact) => Option.toArray(PeerAddress.fromCompact(compact)))
    ),
    encode: SchemaGetter.transform((peers: ReadonlyArray<PeerAddress.PeerAddress>) =>
      Uint8Array.from(peers.flatMap((peer) => [...PeerAddress.toCompact(peer)]))
    )
  })
)

/** The fields of a release without its name, as both records carry them. */
export const Fields = {
  v: Bencode.Utf8.pipe(Schema.decodeTo(Version)),
  /** SHA-256 of manifest.json. */
  m: Hash,
  /** SHA-256 of the tarball. */
  h: Hash,
  ih: Infohash.Infohash,
  /** Bytes: manifest.json, tarball. */
  s: Schema.Tuple([lengthUpTo(MANIFEST_MAX_BYTES), lengthUpTo(TARBALL_MAX_BYTES)]),
  p: Schema.optionalKey(inUnits(PIECE_HASH_BYTES, PIECES_MAX)),
  x: Schema.optionalKey(Hints),
  /** When it was published, Unix milliseconds, by the publisher's clock. */
  t: Bencode.Integer
}

export const Inlined = Schema.Struct(Fields)
export type Inlined = typeof Inlined.Type

export const Release = Schema.Struct({ n: Bencode.Utf8.pipe(Schema.decodeTo(PackageName)), ...Fields })

/** Field names are those of the wire (`docs/spec/records.md`); hashes are bytes, `t` is in ms. */
export type Release = typeof Release.Type

/** Bytes of a record's value ↔ release. */
export const codec = Bencode.fromBytes(Release)

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
