/**
 * Writes a bundle: the same packages, records and claims always come out as the same bytes. Contents
 * are hashed as they are copied, so that what was damaged in the store does not get into a bundle.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import { Hasher } from "../core/Hasher.ts"
import * as Infohash from "../core/Infohash.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as Record from "../dht/Record.ts"
import * as NameClaim from "../registry/NameClaim.ts"
import { type BundleError, BundleTooLarge, toBundleError } from "./BundleError.ts"
import * as Format from "./BundleFormat.ts"
import { StorageFailed } from "./Content.ts"
import { PackageStore, type StoredRelease } from "./PackageStore.ts"

/** How much of a tarball is read at a time, in bytes. */
const CHUNK_BYTES = 1024 * 1024

/** What goes into a bundle, in any order. */
export interface Material {
  /** Specs that it is made for, as `PackageSpec.format` spells them. */
  readonly wishes: ReadonlyArray<string>
  /** Stored here. */
  readonly releases: ReadonlyArray<StoredRelease>
  readonly claims: ReadonlyMap<PackageName, NameClaim.ClaimSet>
  readonly records: ReadonlyArray<Record.Record>
  readonly pages: ReadonlyArray<Uint8Array>
}

/** Takes the bytes of a bundle, one after the other. */
export type Sink = (bytes: Uint8Array) => Effect.Effect<void, StorageFailed>

const listedOf = ({ publisher, release }: StoredRelease): Format.Listed => ({
  publisher,
  name: release.n,
  version: release.v
})

interface Section {
  readonly kind: Format.Kind
  readonly payload: Uint8Array
}

const inOrder = <A>(items: Iterable<A>, order: (self: A, that: A) => number): ReadonlyArray<A> =>
  [...items].toSorted(order).filter((item, at, all) => at === 0 || order(all[at - 1]!, item) !== 0)

const byText = (self: string, that: string): number => (self < that ? -1 : self > that ? 1 : 0)

/** What stands before the contents. */
const proofsOf = (material: Material, releases: ReadonlyArray<StoredRelease>): ReadonlyArray<Section> => [
  ...releases.map((stored): Section => ({ kind: "listed", payload: Format.encodeListed(listedOf(stored)) })),
  ...[...material.claims]
    .filter(([, claims]) => claims.size > 0)
    .toSorted(([self], [that]) => byText(self, that))
    .map(([n, claims]): Section => ({
      kind: "claims",
      payload: Format.encodeClaims({ c: NameClaim.toSorted(claims), n })
    })),
  ...inOrder(material.records, Format.byPlace).map((record): Section => ({
    kind: "record",
    payload: Record.toBytes(record)
  })),
  ...inOrder(
    material.pages.map((page) => ({ target: Record.immutableTargetOf(page), page })),
    (self, that) => Bytes.Order(self.target, that.target)
  ).map(({ page }): Section => ({ kind: "page", payload: page }))
]

const tooLarge = (problem: string): BundleError => toBundleError(new BundleTooLarge({ problem }))

const count = (things: number, what: string, most: number): string | undefined =>
  things > most ? `it has ${things} ${what}, over ${most}` : undefined

const sizeProblem = (proofs: ReadonlyArray<Section>): string | undefined => {
  const size = proofs.reduce((sum, { payload }) => sum + Format.HEAD_BYTES + payload.length, 0)
  return count(size, "bytes of records and claims", Format.PROOFS_MAX_BYTES)
}

const countProblem = ({ claims, releases, wishes }: Material): string | undefined => {
  const crowd = Math.max(0, ...[...claims.values()].map(({ size }) => size))
  return (
    count(releases.length, "packages", Format.RELEASES_MAX) ??
    count(wishes.length, "specs", Format.WISHES_MAX) ??
    count(crowd, "claims on one name", Format.BUNDLE_CLAIMS_MAX)
  )
}

/** Writes every section and, behind them, the checksum. Fails with `BundleTooLarge` before anything is written. */
export const write = Effect.fn("BundleWrite.write")(function* (material: Material, sink: Sink) {
  const hasher = yield* Hasher
  const store = yield* PackageStore
  const all = hasher.start("sha256")
  let length = 0
  const put = (bytes: Uint8Array) =>
    Effect.suspend(() => {
      all.update(bytes)
      length += bytes.length
      return sink(bytes).pipe(Effect.mapError(toBundleError))
    })
  const section = ({ kind, payload }: Section) =>
    Effect.andThen(put(Format.encodeHead(kind, payload.length)), put(payload))

  const copy = Effect.fnUntraced(function* (stored: StoredRelease) {
    const { release, torrent } = stored
    const content = yield* store.open(stored).pipe(Effect.mapError(toBundleError))
    yield* section({ kind: "info", payload: torrent.info })
    for (const [kind, file, signed] of [
      ["manifest", torrent.manifest, release.m],
      ["tarball", torrent.tarball, release.h]
    ] as const) {
      const hash = hasher.start("sha256")
      yield* put(Format.encodeHead(kind, file.length))
      for (let at = 0; at < file.length; at += CHUNK_BYTES) {
        const chunk = yield* content
          .read(file.offset + at, Math.min(CHUNK_BYTES, file.length - at))
          .pipe(Effect.mapError(toBundleError))
        hash.update(chunk)
        yield* put(chunk)
      }
      if (Hex.encode(hash.digest()) !== Hex.encode(signed)) {
        const location = `the stored ${kind} of ${release.n}@${release.v} (${Infohash.toHex(release.ih)})`
        const problem = "it was damaged, and is not what its publisher signed"
        return yield* toBundleError(new StorageFailed({ location, operation: "read", problem }))
      }
    }
  }, Effect.scoped)

  const releases = inOrder(material.releases, (self, that) => Format.byListed(listedOf(self), listedOf(that)))
  if (releases.length === 0) return yield* tooLarge("there is no package to put into it")
  const tooMany = countProblem({ ...material, releases })
  if (tooMany !== undefined) return yield* tooLarge(tooMany)
  const proofs = proofsOf(material, releases)
  const problem = sizeProblem(proofs)
  if (problem !== undefined) return yield* tooLarge(problem)
  const header = Format.encodeHeader({ f: Format.FORMAT, w: inOrder(material.wishes, byText) })

  yield* put(Format.MAGIC)
  yield* section({ kind: "header", payload: header })
  yield* Effect.forEach(proofs, section, { discard: true })
  yield* Effect.forEach(releases, copy, { discard: true })
  yield* put(Format.encodeHead("end", Format.DIGEST_BYTES))
  const digest = all.digest()
  yield* sink(digest).pipe(Effect.mapError(toBundleError))
  return { length: length + digest.length, digest }
})
