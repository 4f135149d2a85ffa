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
import { RecordStore } from "../dht/RecordStore.ts"
import * as Lookup from "./Lookup.ts"
import * as NameClaim from "./NameClaim.ts"
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
  readonly claim: NameClaim.NameClaim
  /** When this host first saw the publisher under the name, Unix ms. */
  readonly observedAt: number
}

const fail = (reason: RegistryError["reason"]) => Effect.fail(new RegistryError({ reason }))

const readCandidates = Effect.fnUntraced(function* (name: PackageName, policy: Policy.Policy) {
  const index = yield* NameIndex.read(name)
  const now = yield* Clock.currentTimeMillis
  const claims = NameClaim.believable(index.claims, now)
  if (claims.length === 0) return yield* fail(new NameNotFound({ package: name }))
  const observations = yield* Observations
  const before = yield* observations.of(name)
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
  const owner = PublicKey.toBase64(publisher)
  const found = yield* Lookup.find(publisher, keyString, Package.codec)
  if (Option.isNone(found) || found.value.value.n !== name) {
    return yield* fail(new PackageNotFound({ package: name, publisher: owner, others }))
  }
  const { record, value: pkg } = found.value
  const notFound = Effect.suspend(() =>
    fail(
      new VersionNotFound({
        package: name,
        range,
        publisher: owner,
        available: Package.selectable(pkg),
        unlisted: pkg.c - pkg.vs.length
      })
    )
  )
  const version = choose(pkg, range)
  if (version === undefined) return yield* notFound
  const flags = pkg.vs.find(([listed]) => listed === version)?.[1]
  if (pkg.l.v === version) {
    const release = Release.withName(name, pkg.l)
    yield* refuseEquivocation(publisher, release)
    return { publisher, release, flags: flags ?? 0, records: [record] } satisfies Resolution
  }
  const exact =
    flags === undefined && pkg.c === pkg.vs.length ? Option.none() : yield* releaseOf(publisher, name, version)
  if (Option.isNone(exact)) return yield* notFound
  const records = [record, exact.value.record]
  return { publisher, release: exact.value.value, flags: flags ?? 0, records } satisfies Resolution
})

/**
 * The highest selectable version in range. A range that is one exact version is taken at its word:
 * it may be yanked, or too old to be listed.
 */
const choose = (pkg: Package.Package, range: Version.Range): Version.Version | undefined => {
  const listed = Version.maxSatisfying(Package.selectable(pkg), range)
  return Option.getOrUndefined(Option.orElse(listed, () => Version.parse(range)))
}

const equivocation = (publisher: PublicKey.PublicKey, name: PackageName, version: Version.Version) =>
  fail(new Equivocation({ package: name, version, publisher: PublicKey.toBase64(publisher) }))

/** Fails where this host has seen another release of that version, signed by the same publisher. */
const refuseEquivocation = Effect.fnUntraced(function* (publisher: PublicKey.PublicKey, release: Release.Release) {
  const store = yield* RecordStore
  const keyString = KeyString.release(release.n, release.v)
  const seen = yield* store
    .find(publisher, KeyString.saltOf(keyString))
    .pipe(Effect.mapError((reason) => new RegistryError({ reason })))
  if (Option.isNone(seen)) return
  const { value } = yield* Lookup.open(Release.codec, keyString)(seen.value)
  if (!Release.sameContent(value, release)) return yield* equivocation(publisher, release.n, release.v)
})

/**
 * A publisher's release record. `Equivocation` when it speaks of another name or version than its
 * key, was written more than once, or differs from the one that this host remembers: a release is
 * immutable. What was remembered first stays remembered.
 */
export const releaseOf = Effect.fnUntraced(function* (
  publisher: PublicKey.PublicKey,
  name: PackageName,
  version: Version.Version
) {
  const keyString = KeyString.release(name, version)
  const { local, remote } = yield* Lookup.both(publisher, keyString)
  const record = local ?? remote
  if (record === undefined) return Option.none<Lookup.Found<Release.Release>>()
  const open = Lookup.open(Release.codec, keyString)
  const found = yield* open(record)
  const other = remote === undefined || remote === record ? found : yield* open(remote)
  const isOne = Release.sameContent(found.value, other.value) && other.record.seq === Release.RELEASE_SEQ
  if (!isOne || found.value.n !== name || found.value.v !== version)
    return yield* equivocation(publisher, name, version)
  if (local === undefined) yield* Lookup.remember(record)
  return Option.some(found)
})
