/**
 * From a name and a version range to one verified release.
 *
 * By name: name index → claims that hold → policy → package record → highest version in range that
 * is not yanked → release. The newest version is inlined in the package record, so it takes two
 * look-ups; any other takes a third. With a publisher given the name index is not asked.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import * as Version from "../core/Version.ts"
import * as KeyString from "../dht/KeyString.ts"
import type { Record } from "../dht/Record.ts"
import * as Lookup from "./Lookup.ts"
import type { NameClaim } from "./NameClaim.ts"
import * as NameIndex from "./NameIndex.ts"
import { Observations } from "./Observations.ts"
import * as Package from "./Package.ts"
import * as Policy from "./Policy.ts"
import { Equivocation, NameNotFound, PackageNotFound, RegistryError, VersionNotFound } from "./RegistryError.ts"
import * as Release from "./Release.ts"

export interface Request {
  readonly name: PackageName
  readonly range: Version.Range
}

export interface Resolution {
  readonly publisher: PublicKey.PublicKey
  readonly release: Release.Release
  /** {@link Package.Flag}s of the version. */
  readonly flags: number
  /** Every record that the answer rests on, in the order in which they were read. */
  readonly records: ReadonlyArray<Record>
}

export interface PublisherOfName {
  readonly claim: NameClaim
  /** When this host first saw the publisher under the name, Unix ms. */
  readonly observedAt: number
}

const fail = (reason: RegistryError["reason"]) => Effect.fail(new RegistryError({ reason }))

const readCandidates = Effect.fnUntraced(function* (name: PackageName, policy: Policy.Policy) {
  const index = yield* NameIndex.read(name)
  if (index.claims.size === 0) return yield* fail(new NameNotFound({ package: name }))
  const claims = [...index.claims.values()]
  const observations = yield* Observations
  const before = yield* observations.of(name)
  const now = yield* Clock.currentTimeMillis
  const unseen = claims.filter((claim) => !before.has(PublicKey.toHex(claim.k)))
  const after =
    unseen.length === 0
      ? before
      : yield* observations.note(
          name,
          unseen.map((claim) => claim.k),
          now
        )
  const ranked = policy.rank(claims.map((claim) => ({ claim, observedAt: before.get(PublicKey.toHex(claim.k)) })))
  return { ranked, observed: after, records: Option.toArray(index.record) }
})

/** Everybody with a valid claim on the name, best first by `policy`. Fails with `NameNotFound` when there is nobody. */
export const publishersOf = Effect.fn("Resolve.publishersOf")(function* (
  name: PackageName,
  policy: Policy.Policy = Policy.firstSeen
) {
  const { ranked, observed } = yield* readCandidates(name, policy)
  return ranked.map(({ claim }): PublisherOfName => ({ claim, observedAt: observed.get(PublicKey.toHex(claim.k))! }))
})

/** Finds the publisher by `policy`, then the release as {@link byPublisher} does. */
export const byName = Effect.fn("Resolve.byName")(function* (
  request: Request,
  policy: Policy.Policy = Policy.firstSeen
) {
  const { ranked, records } = yield* readCandidates(request.name, policy)
  const [best, ...others] = ranked
  if (best === undefined) return yield* fail(new NameNotFound({ package: request.name }))
  const resolution = yield* fromPublisher(
    request,
    best.claim.k,
    others.map(({ claim }) => PublicKey.toBase64(claim.k))
  )
  return { ...resolution, records: [...records, ...resolution.records] } satisfies Resolution
})

/** The highest version in range that the given publisher has. */
export const byPublisher = Effect.fn("Resolve.byPublisher")((request: Request, publisher: PublicKey.PublicKey) =>
  fromPublisher(request, publisher, [])
)

const fromPublisher = Effect.fnUntraced(function* (
  { name, range }: Request,
  publisher: PublicKey.PublicKey,
  others: ReadonlyArray<string>
) {
  const keyString = KeyString.packageOf(name)
  const found = yield* Lookup.find(publisher, keyString, Package.codec)
  if (Option.isNone(found) || found.value.value.n !== name) {
    return yield* fail(new PackageNotFound({ package: name, publisher: PublicKey.toBase64(publisher), others }))
  }
  const { record, value: pkg } = found.value
  const version = choose(pkg, range)
  if (version === undefined) {
    const available = Package.selectable(pkg)
    return yield* fail(
      new VersionNotFound({ package: name, range, publisher: PublicKey.toBase64(publisher), available })
    )
  }
  const flags = pkg.vs.find(([listed]) => listed === version)?.[1] ?? 0
  if (pkg.l.v === version) {
    const release = Release.withName(name, pkg.l)
    return { publisher, release, flags, records: [record] } satisfies Resolution
  }
  const exact = yield* releaseOf(publisher, name, version)
  if (Option.isNone(exact)) {
    return yield* fail(
      new VersionNotFound({ package: name, range: version, publisher: PublicKey.toBase64(publisher), available: [] })
    )
  }
  return { publisher, release: exact.value.value, flags, records: [record, exact.value.record] } satisfies Resolution
})

/**
 * The highest selectable version in range. A range that is one exact version is taken at its word:
 * it may be yanked, or too old to be listed.
 */
const choose = (pkg: Package.Package, range: Version.Range): Version.Version | undefined => {
  const listed = Version.maxSatisfying(Package.selectable(pkg), range)
  return Option.getOrUndefined(Option.orElse(listed, () => Version.parse(range)))
}

/**
 * A publisher's release record. `Equivocation` when it speaks of another name or version than its
 * key, or was written more than once: a release is immutable.
 */
export const releaseOf = Effect.fnUntraced(function* (
  publisher: PublicKey.PublicKey,
  name: PackageName,
  version: Version.Version
) {
  const found = yield* Lookup.find(publisher, KeyString.release(name, version), Release.codec)
  if (Option.isNone(found)) return found
  const { record, value } = found.value
  if (value.n !== name || value.v !== version || record.seq !== Release.RELEASE_SEQ) {
    return yield* fail(new Equivocation({ package: name, version, publisher: PublicKey.toBase64(publisher) }))
  }
  return found
})
