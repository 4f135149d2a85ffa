/**
 * The sections of a bundle as they are read: which may come next, how long each may be, and that what
 * is of one kind stands in its order. What they say is for `BundleProofs` to judge.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import * as Utf8 from "../core/Utf8.ts"
import * as Record from "../dht/Record.ts"
import type { NameClaim } from "../registry/NameClaim.ts"
import { type BundleError, MalformedBundle, NewerBundle, NotABundle, toBundleError } from "./BundleError.ts"
import * as Format from "./BundleFormat.ts"
import type { Stated } from "./BundleProofs.ts"
import type { Source } from "./BundleSource.ts"

const malformed = ({ location }: Source, offset: number, problem: string): BundleError =>
  toBundleError(new MalformedBundle({ location, offset, problem }))

const nameOf = (kind: Format.Kind): string => (kind === "listed" ? "list" : kind)

/** The head of the next section. What is too long is refused before anything is read for it. */
const readHead = Effect.fnUntraced(function* (source: Source) {
  const offset = source.offset()
  const { kind, length } = Format.decodeHead(yield* source.take(Format.HEAD_BYTES))
  if (kind === undefined) return yield* malformed(source, offset, "there is no such kind of section")
  if (kind !== "manifest" && kind !== "tarball" && length > Format.PAYLOAD_LIMITS[kind]) {
    const most = Format.PAYLOAD_LIMITS[kind]
    return yield* malformed(source, offset, `a section "${nameOf(kind)}" of ${length} bytes, over ${most}`)
  }
  return { kind, length, offset }
})

type Head = Effect.Success<ReturnType<typeof readHead>>

const requireKind = (source: Source, head: Head, kind: Format.Kind) =>
  head.kind === kind
    ? Effect.void
    : Effect.fail(malformed(source, head.offset, `a section "${nameOf(head.kind)}" where "${nameOf(kind)}" belongs`))

/** The length of the next section, which must be of this kind and, where it is settled, of this length. */
export const expect = Effect.fnUntraced(function* (source: Source, kind: Format.Kind, length?: number) {
  const head = yield* readHead(source)
  yield* requireKind(source, head, kind)
  const settled = length ?? (kind === "end" ? Format.DIGEST_BYTES : undefined)
  if (settled !== undefined && head.length !== settled) {
    return yield* malformed(source, head.offset, `a section "${nameOf(kind)}" of ${head.length} bytes, not ${settled}`)
  }
  return head.length
})

const readHeader = Effect.fnUntraced(function* (source: Source) {
  const { location } = source
  const notABundle = () => toBundleError(new NotABundle({ location }))
  const magic = yield* source
    .take(Format.MAGIC.length)
    .pipe(Effect.mapError((error) => (error.reason._tag === "BundleCut" ? notABundle() : error)))
  if (!Bytes.Equivalence(magic, Format.MAGIC)) return yield* notABundle()
  const at = source.offset()
  const bytes = yield* source.take(yield* expect(source, "header"))
  const format = Number(Format.FORMAT_FIELD.exec(Utf8.decode(bytes) ?? "")?.[1] ?? Format.FORMAT)
  if (format > Format.FORMAT) return yield* toBundleError(new NewerBundle({ location, format }))
  const header = Format.decodeHeader(bytes)
  return Result.isSuccess(header) ? header.success : yield* malformed(source, at, `its header: ${header.failure}`)
})

/** Collects what stands before the contents, section by section. */
class Collected {
  readonly listed: Array<Format.Listed> = []
  readonly claims = new Map<PackageName, ReadonlyArray<NameClaim>>()
  readonly records: Array<Stated["records"][number]> = []
  readonly pages: Array<Uint8Array> = []
  #lastName = ""
  #lastTarget: Uint8Array | undefined

  /** Takes a payload in; gives what is wrong with it. */
  add(kind: Format.Kind, bytes: Uint8Array, offset: number): string | undefined {
    switch (kind) {
      case "listed":
        return this.#addListed(bytes)
      case "claims":
        return this.#addClaims(bytes)
      case "record":
        this.records.push({ bytes, offset })
        return undefined
      case "page":
        return this.#addPage(bytes)
      default:
        return `a section "${nameOf(kind)}" that does not belong here`
    }
  }

  #addListed(bytes: Uint8Array): string | undefined {
    const listed = Format.decodeListed(bytes)
    if (Result.isFailure(listed)) return listed.failure
    const { k: publisher, n: name, v: version } = listed.success
    const release: Format.Listed = { publisher, name, version }
    const last = this.listed.at(-1)
    if (last !== undefined && Format.byListed(last, release) >= 0) return "its releases are not in order"
    if (this.listed.length >= Format.RELEASES_MAX) return `it has more than ${Format.RELEASES_MAX} releases`
    this.listed.push(release)
    return undefined
  }

  #addClaims(bytes: Uint8Array): string | undefined {
    const claims = Format.decodeClaims(bytes)
    if (Result.isFailure(claims)) return claims.failure
    const { c, n } = claims.success
    if (n <= this.#lastName) return "its names are not in order"
    if (c.length === 0) return `it has no claim on ${n}, and says so`
    if (!Format.isAscending(c, (self, that) => PublicKey.compare(self.k, that.k))) {
      return `its claims on ${n} are not in order`
    }
    this.#lastName = n
    this.claims.set(n, c)
    return undefined
  }

  #addPage(bytes: Uint8Array): string | undefined {
    const target = Record.immutableTargetOf(bytes)
    if (this.#lastTarget !== undefined && Bytes.Order(this.#lastTarget, target) >= 0)
      return "its pages are not in order"
    this.#lastTarget = target
    this.pages.push(bytes)
    return undefined
  }
}

/** Before the contents, in this order. */
const PROOF_KINDS: ReadonlyArray<Format.Kind | undefined> = ["listed", "claims", "record", "page"]

/** All that stands before the contents. */
export const readProofs = Effect.fnUntraced(function* (source: Source) {
  const { w: wishes } = yield* readHeader(source)
  const collected = new Collected()
  let stage = 0
  let size = 0
  while (true) {
    const byte = yield* source.peek
    const order = byte === undefined ? -1 : PROOF_KINDS.indexOf(Format.kindOfByte(byte))
    if (order < 0) break
    const { kind, length, offset } = yield* readHead(source)
    if (order < stage) return yield* malformed(source, offset, `a section "${nameOf(kind)}" out of order`)
    stage = order
    size += Format.HEAD_BYTES + length
    if (size > Format.PROOFS_MAX_BYTES) {
      return yield* malformed(source, offset, `more than ${Format.PROOFS_MAX_BYTES} bytes before its contents`)
    }
    const problem = collected.add(kind, yield* source.take(length), offset)
    if (problem !== undefined) return yield* malformed(source, offset, problem)
  }
  const { claims, listed, pages, records } = collected
  if (listed.length === 0) return yield* malformed(source, source.offset(), "it lists no release")
  return { location: source.location, wishes, listed, claims, records, pages } satisfies Stated
})
