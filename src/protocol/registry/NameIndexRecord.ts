/**
 * The value of a name's shared record: `{c, k, r?}`. `c` holds claims in the order of their
 * publishers' keys, as many as fit; `r` is the root of the tree of the further ones (key: the
 * publisher's 32 bytes, value: the rest of the claim); `k` counts all.
 *
 * What is written is a function of the claim set alone, so that all who know the same claims write
 * the same bytes. What is read may be anybody's: it is taken claim by claim.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Bencode from "../core/Bencode.ts"
import { SHA1_BYTES } from "../core/Digest.ts"
import * as PublicKey from "../core/PublicKey.ts"
import * as Shape from "../core/Shape.ts"
import { VALUE_MAX_BYTES, type Target } from "../dht/Record.ts"
import * as Tree from "../dht/Tree.ts"
import * as NameClaim from "./NameClaim.ts"

/** Publishers a name may have. */
export const CLAIMS_MAX = 10_000

/** What `r` takes in the record: `1:r20:` and a target. */
const ROOT_BYTES = 6 + SHA1_BYTES

const encodeRecord = Shape.encoder(
  Shape.dictionary({ c: Shape.list(Shape.raw), k: Shape.integer(), r: Shape.optional(Shape.bytes(SHA1_BYTES)) })
)
/** What honest writers write, read at once. */
const decodeSound = Shape.decoder(
  Shape.dictionary({
    c: Shape.list(NameClaim.shape),
    k: Shape.integer(),
    r: Shape.optional(Shape.bytes(SHA1_BYTES))
  })
)
const encodeRest = Shape.encoder(NameClaim.restShape)
const decodeRest = Shape.decoder(NameClaim.restShape)

export interface Made {
  readonly value: Uint8Array
  /** Pages of the further claims; none where all claims fit into the record. */
  readonly pages: ReadonlyArray<Uint8Array>
}

/** How many claims stand in the record: all where they fit, else as many as leave room for the root. */
const inlineCount = (sorted: ReadonlyArray<NameClaim.NameClaim>): number => {
  let size = encodeRecord({ c: [], k: sorted.length }).length
  let besideRoot = 0
  for (const claim of sorted) {
    size += NameClaim.encode(claim).length
    if (size > VALUE_MAX_BYTES) return besideRoot
    if (size + ROOT_BYTES <= VALUE_MAX_BYTES) besideRoot += 1
  }
  return sorted.length
}

const toEntry = ({ fs, k, lv, s, t }: NameClaim.NameClaim): Tree.Entry => ({
  key: k,
  value: encodeRest({ fs, lv, s, t })
})

/** The record's value and the pages that it needs. More than {@link CLAIMS_MAX} claims are a caller's bug and throw. */
export const make = (claims: NameClaim.ClaimSet): Made => {
  if (claims.size > CLAIMS_MAX) throw new RangeError(`a name has up to ${CLAIMS_MAX} claims, not ${claims.size}`)
  const sorted = NameClaim.toSorted(claims)
  const inline = inlineCount(sorted)
  const head = { c: sorted.slice(0, inline).map(NameClaim.encode), k: sorted.length }
  if (inline === sorted.length) return { value: encodeRecord(head), pages: [] }
  const { pages, root } = Tree.build(sorted.slice(inline).map(toEntry))
  return { value: encodeRecord({ ...head, r: root }), pages }
}

interface Listing {
  readonly claims: ReadonlyArray<NameClaim.NameClaim>
  readonly root: Target | undefined
}

const isDictionary = (value: Bencode.Value | undefined): value is Bencode.Dictionary =>
  typeof value === "object" && !Array.isArray(value) && !(value instanceof Uint8Array)

const toArray = (claim: Result.Result<NameClaim.NameClaim, string>): ReadonlyArray<NameClaim.NameClaim> =>
  Result.isSuccess(claim) ? [claim.success] : []

/** What stands in the record itself. One claim that makes no sense, whoever put it there, does not take the others with it. */
export const parse = (value: Uint8Array): Listing => {
  const sound = decodeSound(value)
  return Result.isSuccess(sound)
    ? { claims: sound.success.c, root: sound.success.r as Target | undefined }
    : parseTolerantly(value)
}

const parseTolerantly = (value: Uint8Array): Listing => {
  const decoded = Result.getOrUndefined(Bencode.decode(value))
  if (!isDictionary(decoded)) return { claims: [], root: undefined }
  const { c: items, r: root } = decoded
  const encoded: ReadonlyArray<Uint8Array> = Array.isArray(items) ? items.map(Bencode.encode) : []
  return {
    claims: encoded.flatMap((item) => toArray(NameClaim.decode(item))),
    root: root instanceof Uint8Array && root.length === SHA1_BYTES ? (root as Target) : undefined
  }
}

const fromEntry = ({ key, value }: Tree.Entry): ReadonlyArray<NameClaim.NameClaim> => {
  const publisher = PublicKey.fromBytes(key)
  if (Option.isNone(publisher)) return []
  return toArray(Result.map(decodeRest(value), (rest) => ({ ...rest, k: publisher.value })))
}

/** All claims of a record, as far as they can be had. Nothing is verified yet. */
export interface Contents {
  readonly claims: ReadonlyArray<NameClaim.NameClaim>
  /** Pages of its tree that are gone or no such pages. */
  readonly missing: ReadonlyArray<Target>
  /** Page reads one after another. */
  readonly depth: number
}

export const noContents: Contents = { claims: [], missing: [], depth: 0 }

/** Claims between two turns of others: reading 10,000 takes tens of milliseconds. */
const READ_AT_A_TIME = 500

/** Reads the record and its tree, up to {@link CLAIMS_MAX} further claims. */
export const contents = (value: Uint8Array) => {
  const { claims, root } = parse(value)
  return root === undefined ? Effect.succeed<Contents>({ ...noContents, claims }) : withTree(claims, root)
}

const withTree = Effect.fnUntraced(function* (inline: ReadonlyArray<NameClaim.NameClaim>, root: Target) {
  const { depth, entries, missing } = yield* Tree.collect(root, { limit: CLAIMS_MAX })
  const claims = [...inline]
  for (let at = 0; at < entries.length; at += READ_AT_A_TIME) {
    for (const entry of entries.slice(at, at + READ_AT_A_TIME)) claims.push(...fromEntry(entry))
    yield* Effect.yieldNow
  }
  return { claims, missing, depth } satisfies Contents
})
