/**
 * A bundle as bytes: packages with all that is needed to resolve and verify them, in one file.
 *
 * It begins with {@link MAGIC}, and goes on in sections: one byte of kind, four of length (big-endian),
 * that many of payload. The kinds stand in one order, and what is of one kind in ascending order, so
 * that the same content has one spelling (`docs/spec/bundle.md`).
 */
import * as Bytes from "effect/Bytes"
import * as Result from "effect/Result"
import type * as PackageName from "../core/PackageName.ts"
import * as PackageSpec from "../core/PackageSpec.ts"
import type * as PublicKey from "../core/PublicKey.ts"
import * as Shape from "../core/Shape.ts"
import * as Utf8 from "../core/Utf8.ts"
import type * as Version from "../core/Version.ts"
import type * as Record from "../dht/Record.ts"
import * as TreePage from "../dht/TreePage.ts"
import { PACKAGES_MAX } from "../registry/DependencyGraph.ts"
import * as NameClaim from "../registry/NameClaim.ts"
import { INFO_MAX_BYTES } from "./Torrent.ts"

/** What every bundle begins with, whatever its format. */
export const MAGIC = Utf8.encode("libreseed-bundle\n")

/** The only format so far. */
export const FORMAT = 1

/** Releases of one bundle: those of the largest tree that can be resolved. */
export const RELEASES_MAX = PACKAGES_MAX

/** Specs that a bundle says it was made for. */
export const WISHES_MAX = 1_000

/** Claims of one name; a name may have ten thousand, nearly all of them by nobody in particular. */
export const BUNDLE_CLAIMS_MAX = 1_000

/** Records by which keys revoked themselves: they are remembered by whoever imports them. */
export const BUNDLE_REVOCATIONS_MAX = 1_000

/** Bytes of all sections before the contents: they are held in memory. 10,000 packages with two records and ten claims each have 45 MB. */
export const PROOFS_MAX_BYTES = 64 * 1024 * 1024

/** A kind and a length. */
export const HEAD_BYTES = 5

/** SHA-256. */
export const DIGEST_BYTES = 32

export type Kind =
  /** What it is, and what for. */
  | "header"
  /** One release that is in it. */
  | "listed"
  /** The claims on one name. */
  | "claims"
  /** A record in its envelope. */
  | "record"
  /** A page of a tree of versions. */
  | "page"
  /** A release's info dictionary, */
  | "info"
  /** its manifest.json, */
  | "manifest"
  /** and its tarball. */
  | "tarball"
  /** SHA-256 of all that stands before. */
  | "end"

/** In the order in which they stand; the three of a release together, release by release. */
const LETTERS: ReadonlyArray<readonly [Kind, string]> = [
  ["header", "h"],
  ["listed", "l"],
  ["claims", "c"],
  ["record", "r"],
  ["page", "p"],
  ["info", "i"],
  ["manifest", "m"],
  ["tarball", "t"],
  ["end", "e"]
]

const byteOf = new Map(LETTERS.map(([kind, letter]) => [kind, letter.charCodeAt(0)]))
const kindOf = new Map(LETTERS.map(([kind, letter]) => [letter.charCodeAt(0), kind]))

/** The kind that a letter stands for. */
export const kindOfByte = (byte: number): Kind | undefined => kindOf.get(byte)

export interface Head {
  /** `undefined` for a letter that is none. */
  readonly kind: Kind | undefined
  /** Bytes of the payload. */
  readonly length: number
}

export const encodeHead = (kind: Kind, length: number): Uint8Array => {
  const head = new Uint8Array(HEAD_BYTES)
  head[0] = byteOf.get(kind)!
  new DataView(head.buffer).setUint32(1, length)
  return head
}

export const decodeHead = (bytes: Uint8Array): Head => ({
  kind: kindOfByte(bytes[0]!),
  length: new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES).getUint32(1)
})

const byText = (self: string, that: string): number => (self < that ? -1 : self > that ? 1 : 0)

/** Whether each item stands behind the one before it, so that none is there twice. */
export const isAscending = <A>(items: ReadonlyArray<A>, order: (self: A, that: A) => number): boolean =>
  items.every((item, at) => at === 0 || order(items[at - 1]!, item) < 0)

const isSpec = (text: string): text is string => {
  const spec = PackageSpec.parse(text)
  return Result.isSuccess(spec) && PackageSpec.format(spec.success) === text
}

const header = Shape.where(
  Shape.dictionary({
    /** {@link FORMAT}. */
    f: Shape.integer(FORMAT, FORMAT),
    /** What it was made for, for people: whoever made the bundle says so, and nobody else. */
    w: Shape.list(Shape.textThat(isSpec, "a package with a range"), WISHES_MAX)
  }),
  ({ w }) => (isAscending(w, byText) ? undefined : "has wishes that are not in ascending order")
)
export const encodeHeader = Shape.encoder(header)
export const decodeHeader = Shape.decoder(header)

/** The format alone, of a header that a later version may have made. */
export const FORMAT_FIELD = /^d1:fi([1-9]\d{0,8})e/

const listed = Shape.dictionary({ k: Shape.publicKey, n: Shape.packageName, v: Shape.version })

/** One release, by whose and which it is. */
export interface Listed {
  readonly publisher: PublicKey.PublicKey
  readonly name: PackageName.PackageName
  readonly version: Version.Version
}

const encodeListedFields = Shape.encoder(listed)
export const decodeListed = Shape.decoder(listed)
export const encodeListed = ({ name, publisher, version }: Listed): Uint8Array =>
  encodeListedFields({ k: publisher, n: name, v: version })

const claims = Shape.dictionary({
  /** In ascending order of their publishers' keys. */
  c: Shape.list(NameClaim.shape, BUNDLE_CLAIMS_MAX),
  n: Shape.packageName
})
export const encodeClaims = Shape.encoder(claims)
export const decodeClaims = Shape.decoder(claims)

/** Bytes of a payload before the contents, by kind; those of contents are signed. */
export const PAYLOAD_LIMITS: { readonly [kind in Exclude<Kind, "manifest" | "tarball">]: number } = {
  /** A spec has 730 bytes at most. */
  header: 768 * 1024,
  /** A name has 214 bytes at most and a version 256. */
  listed: 1_024,
  /** A claim with the longest version has 420 bytes. */
  claims: 512 * 1024,
  /** An envelope has 1,000 bytes of value at most, and 200 beside it. */
  record: 1_400,
  page: TreePage.PAGE_MAX_BYTES,
  info: INFO_MAX_BYTES,
  end: DIGEST_BYTES
}

/** By name, version and publisher; names and versions are ASCII. */
export const byListed = (self: Listed, that: Listed): number =>
  byText(self.name, that.name) || byText(self.version, that.version) || Bytes.Order(self.publisher, that.publisher)

/** By where they stand, and two of one place by what they are. */
export const byPlace = (self: Record.Item, that: Record.Item): number =>
  Bytes.Order(self.publicKey, that.publicKey) ||
  Bytes.Order(self.salt, that.salt) ||
  self.seq - that.seq ||
  Bytes.Order(self.value, that.value)
