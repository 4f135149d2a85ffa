/**
 * What stands in a bundle before its contents, and what of it is proven: records by their keys, claims
 * by their publishers, pages by the records that lead to them. Whoever made the bundle is not believed
 * in anything; what nobody signed, or what has no business there, is refused with all the rest.
 */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Bencode from "../core/Bencode.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"
import * as TreePage from "../dht/TreePage.ts"
import type * as NameClaim from "../registry/NameClaim.ts"
import * as NameIndexMemory from "../registry/NameIndexMemory.ts"
import * as Package from "../registry/Package.ts"
import * as Release from "../registry/Release.ts"
import type { Statement } from "../registry/ReleaseLookup.ts"
import { type BundleError, MalformedBundle, toBundleError, UnprovenBundle } from "./BundleError.ts"
import { BUNDLE_REVOCATIONS_MAX, byPlace, type Listed } from "./BundleFormat.ts"

/** As it was read: each list in the order that the format asks for, and nothing verified but that. */
export interface Stated {
  readonly location: string
  readonly wishes: ReadonlyArray<string>
  readonly listed: ReadonlyArray<Listed>
  readonly claims: ReadonlyMap<PackageName, ReadonlyArray<NameClaim.NameClaim>>
  /** Envelopes, and where each stands in the file. */
  readonly records: ReadonlyArray<{ readonly bytes: Uint8Array; readonly offset: number }>
  readonly pages: ReadonlyArray<Uint8Array>
}

/** A release that a publisher signed. */
export interface ProvenRelease extends Listed {
  readonly release: Release.Release
  /** All that the bundle has of the publisher's word about this version; at least one. */
  readonly statements: ReadonlyArray<Statement>
}

export interface ProvenPackage {
  readonly record: Record.Record
  readonly value: Package.Package
}

export interface Proven {
  readonly wishes: ReadonlyArray<string>
  readonly releases: ReadonlyArray<ProvenRelease>
  readonly packages: ReadonlyArray<ProvenPackage>
  readonly releaseRecords: ReadonlyArray<Record.Record>
  readonly revocations: ReadonlyArray<Record.Record>
  readonly claims: ReadonlyMap<PackageName, NameClaim.VerifiedClaims>
  readonly pages: ReadonlyArray<Uint8Array>
}

/** What a record in a place has to be. */
type Expected =
  | { readonly _tag: "Package"; readonly name: PackageName }
  | { readonly _tag: "Release"; readonly listed: Listed }
  | { readonly _tag: "Revocation" }

const placeOf = (publicKey: Uint8Array, salt: Uint8Array): string => `${Hex.encode(publicKey)} ${Hex.encode(salt)}`

/** By whom and for which place an envelope says that it is, its signature unseen; `undefined` where it is no envelope. */
const claimedOf = (bytes: Uint8Array): { readonly by: Uint8Array; readonly place: string } | undefined => {
  const envelope = Option.getOrUndefined(Result.getSuccess(Bencode.decode(bytes)))
  if (typeof envelope !== "object" || envelope instanceof Uint8Array || !("k" in envelope && "salt" in envelope)) {
    return undefined
  }
  const { k, salt } = envelope
  return k instanceof Uint8Array && salt instanceof Uint8Array ? { by: k, place: placeOf(k, salt) } : undefined
}

const REVOCATION_SALT = KeyString.saltOf(KeyString.REVOCATION)

/** The only places of which there may be records. */
const expectedOf = ({ claims, listed }: Pick<Stated, "claims" | "listed">): ReadonlyMap<string, Expected> => {
  const places = new Map<string, Expected>()
  const revocation: Expected = { _tag: "Revocation" }
  for (const each of listed) {
    const { name, publisher, version } = each
    places.set(placeOf(publisher, KeyString.saltOf(KeyString.packageOf(name))), { _tag: "Package", name })
    places.set(placeOf(publisher, KeyString.saltOf(KeyString.release(name, version))), {
      _tag: "Release",
      listed: each
    })
    places.set(placeOf(publisher, REVOCATION_SALT), revocation)
  }
  for (const ofName of claims.values()) {
    for (const { k } of ofName) places.set(placeOf(k, REVOCATION_SALT), revocation)
  }
  return places
}

const labelOf = ({ name, version }: Listed): string => `${name}@${version}`

/** Whose release it is, among what else the bundle says of it. */
const keyOf = ({ name, publisher, version }: Listed): string => `${PublicKey.toHex(publisher)} ${name}@${version}`

const unproven = (location: string, problem: string): BundleError =>
  toBundleError(new UnprovenBundle({ location, problem }))

interface Sorted {
  readonly packages: Array<ProvenPackage>
  readonly releases: Array<{ readonly record: Record.Record; readonly value: Release.Release }>
  readonly revocations: Array<Record.Record>
}

/** A verified record among those of its kind, or why it is none of them. */
const sort = (record: Record.Record, expected: Expected, into: Sorted): string | undefined => {
  switch (expected._tag) {
    case "Revocation": {
      into.revocations.push(record)
      const isCrowd = into.revocations.length > BUNDLE_REVOCATIONS_MAX
      return isCrowd ? `it has more than ${BUNDLE_REVOCATIONS_MAX} revocations` : undefined
    }
    case "Package": {
      const pkg = Package.decode(record.value)
      if (Result.isFailure(pkg)) return `the record of the package ${expected.name} makes no sense: ${pkg.failure}`
      if (pkg.success.n !== expected.name) return `the record of the package ${expected.name} speaks of another one`
      into.packages.push({ record, value: pkg.success })
      return undefined
    }
    case "Release": {
      const label = labelOf(expected.listed)
      const release = Release.decode(record.value)
      if (Result.isFailure(release)) return `the record of the release ${label} makes no sense: ${release.failure}`
      const { n, v } = release.success
      if (n !== expected.listed.name || v !== expected.listed.version) {
        return `the record of the release ${label} speaks of another one`
      }
      if (record.seq !== Release.RELEASE_SEQ) return `the record of the release ${label} was written a second time`
      into.releases.push({ record, value: release.success })
      return undefined
    }
  }
}

/** The release of each that is listed, with everything that was signed about it. */
const releasesOf = (
  { listed, location }: Stated,
  { packages, releases }: Sorted
): Result.Result<ReadonlyArray<ProvenRelease>, BundleError> => {
  const statements = new Map<string, Array<Statement & { readonly full: Release.Release }>>()
  const add = (name: PackageName, record: Record.Record, inlined: Release.Inlined) => {
    const publisher = record.publicKey
    const key = keyOf({ publisher, name, version: inlined.v })
    const full = Release.withName(name, inlined)
    statements.set(key, [...(statements.get(key) ?? []), { record, release: inlined, full }])
  }
  for (const { record, value } of releases) add(value.n, record, value)
  for (const { record, value } of packages) add(value.n, record, value.l)
  const proven: Array<ProvenRelease> = []
  for (const each of listed) {
    const said = statements.get(keyOf(each)) ?? []
    // Of statements with the same content the one with piece hashes says the most.
    const full = (said.find((one) => one.full.p !== undefined) ?? said[0])?.full
    if (full === undefined) {
      return Result.fail(unproven(location, `nothing in it is signed about ${labelOf(each)}`))
    }
    proven.push({ ...each, release: full, statements: said.map(({ record, release }) => ({ record, release })) })
  }
  return Result.succeed(proven)
}

/** Why the pages are not those of the packages' trees; pages may be lacking, but none may be there for nothing. */
const pagesProblem = (packages: ReadonlyArray<ProvenPackage>, pages: ReadonlyArray<Uint8Array>): string | undefined => {
  const byTarget = new Map(pages.map((page) => [Hex.encode(Record.immutableTargetOf(page)), page]))
  const reached = new Set<string>()
  const open = packages.flatMap(({ value }) => {
    const root = Package.rootOf(value)
    return root === undefined ? [] : [TreePage.rootRef(root)]
  })
  for (let ref = open.pop(); ref !== undefined; ref = open.pop()) {
    const target = Hex.encode(ref.target)
    const bytes = byTarget.get(target)
    if (bytes === undefined || reached.has(target)) continue
    const page = TreePage.decode(bytes)
    if (Result.isFailure(page)) return `the page ${target} makes no sense: ${page.failure}`
    const problem = TreePage.misfit(page.success, ref)
    if (problem !== undefined) return `the page ${target} is not where it belongs: ${problem}`
    reached.add(target)
    if (page.success.height > 0) open.push(...TreePage.children(page.success, ref))
  }
  return reached.size === byTarget.size ? undefined : "it has pages that no package of it leads to"
}

const verifyClaims = Effect.fnUntraced(function* ({ claims, listed, location }: Stated) {
  const names = new Set(listed.map(({ name }) => name))
  const verified = new Map<PackageName, NameClaim.VerifiedClaims>()
  for (const [name, ofName] of claims) {
    if (!names.has(name)) return yield* unproven(location, `it has claims on ${name} and no release of it`)
    const valid = yield* NameIndexMemory.verifyAll(name, ofName)
    if (valid.size !== ofName.length)
      return yield* unproven(location, `a claim on ${name} is not signed by its publisher`)
    verified.set(name, valid)
  }
  return verified
})

/** Whether its publisher signed two different releases of it. */
export const isEquivocal = ({ statements }: ProvenRelease): boolean =>
  statements.some(({ release }) => !Release.sameContent(release, statements[0]!.release))

/** Records of one place: the two that prove that a publisher signed two releases of one version. */
const RECORDS_OF_A_PLACE = 2

/** Records between two turns of others. */
const VERIFIED_AT_A_TIME = 50

/** Verifies every signature and what belongs to what. Two releases of one version are left to be judged: see `statements`. */
export const verify = Effect.fn("BundleProofs.verify")(function* (stated: Stated) {
  const { location, pages } = stated
  const expected = expectedOf(stated)
  const sorted: Sorted = { packages: [], releases: [], revocations: [] }
  const counts = new Map<string, number>()
  let last: Record.Record | undefined
  for (const [at, { bytes, offset }] of stated.records.entries()) {
    if (at % VERIFIED_AT_A_TIME === 0) yield* Effect.yieldNow
    const claimed = claimedOf(bytes)
    const place = claimed === undefined ? undefined : expected.get(claimed.place)
    if (claimed !== undefined) {
      // Signatures take far longer to verify than anything else here: only those that could belong in it are.
      const by = Base64.encode(claimed.by)
      if (place === undefined)
        return yield* unproven(location, `it has a record by ${by} that belongs to nothing in it`)
      const count = (counts.get(claimed.place) ?? 0) + 1
      counts.set(claimed.place, count)
      if (count > RECORDS_OF_A_PLACE) return yield* unproven(location, `it has too many records by ${by} in one place`)
    }
    const record = yield* Record.fromBytes(bytes, `no. ${at + 1} in ${location}`).pipe(Effect.mapError(toBundleError))
    if (last !== undefined && byPlace(last, record) >= 0) {
      return yield* toBundleError(new MalformedBundle({ location, offset, problem: "its records are not in order" }))
    }
    last = record
    const problem = place === undefined ? "it has a record of no place" : sort(record, place, sorted)
    if (problem !== undefined) return yield* unproven(location, problem)
  }
  const releases = yield* Effect.fromResult(releasesOf(stated, sorted))
  const isTwice = [...counts.values()].some((count) => count > 1)
  // Only a publisher who signs two releases of one version comes to two records in one place honestly.
  const problem =
    isTwice && !releases.some(isEquivocal) ? "it has two records in one place" : pagesProblem(sorted.packages, pages)
  if (problem !== undefined) return yield* unproven(location, problem)
  return {
    wishes: stated.wishes,
    releases,
    packages: sorted.packages,
    releaseRecords: sorted.releases.map(({ record }) => record),
    revocations: sorted.revocations,
    claims: yield* verifyClaims(stated),
    pages
  } satisfies Proven
})
