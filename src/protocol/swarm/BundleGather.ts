/**
 * What a machine without a network needs in order to resolve and verify packages that are stored here:
 * the records of their publishers, the claims on their names, the lists of their versions, and what is
 * known of revoked keys. What is remembered will do; what is not is asked for.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import { Dht } from "../dht/Dht.ts"
import * as KeyString from "../dht/KeyString.ts"
import { PageStore } from "../dht/PageStore.ts"
import * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import * as Tree from "../dht/Tree.ts"
import { Inquiry } from "../registry/Inquiry.ts"
import * as Lookup from "../registry/Lookup.ts"
import type * as NameClaim from "../registry/NameClaim.ts"
import * as NameIndex from "../registry/NameIndex.ts"
import * as NameIndexMemory from "../registry/NameIndexMemory.ts"
import * as Package from "../registry/Package.ts"
import * as PackageLookup from "../registry/PackageLookup.ts"
import { refusalOf } from "../registry/PublisherTrust.ts"
import { PackageNotFound, RegistryError, toRegistryError } from "../registry/RegistryError.ts"
import * as ReleaseLookup from "../registry/ReleaseLookup.ts"
import * as Revocation from "../trust/Revocation.ts"
import { toBundleError } from "./BundleError.ts"
import { BUNDLE_CLAIMS_MAX, BUNDLE_REVOCATIONS_MAX } from "./BundleFormat.ts"
import type { Material } from "./BundleWrite.ts"
import type { StoredRelease } from "./PackageStore.ts"

/** Names, records or pages asked for at a time. */
const CONCURRENCY = 16

export interface Options {
  /** Whether the network is asked for what is remembered, too: where nobody has asked it a moment ago. */
  readonly isRefreshing: boolean
}

/** One publisher's package. */
interface Subject {
  readonly publisher: PublicKey.PublicKey
  readonly name: PackageName
}

const keyOf = ({ name, publisher }: Subject): string => `${PublicKey.toHex(publisher)} ${name}`

const distinct = <A>(items: Iterable<A>, key: (item: A) => string): ReadonlyArray<A> => [
  ...new Map([...items].map((item) => [key(item), item])).values()
]

/** The package's record; none where neither the network nor this host has it. */
const packageOf = Effect.fnUntraced(function* ({ name, publisher }: Subject, { isRefreshing }: Options) {
  const keyString = KeyString.packageOf(name)
  const known = yield* Lookup.recall(publisher, KeyString.saltOf(keyString))
  if (known !== undefined && !isRefreshing) return yield* Lookup.open(Package.codec, keyString)(known)
  return yield* PackageLookup.adopt(new Inquiry(), yield* PackageLookup.look(publisher, name))
})

/** The release's own record; none where that is not to be had and the package's inlines it, which is as good. */
const releaseRecordOf = Effect.fnUntraced(function* (
  { publisher, release: { n: name, v: version } }: StoredRelease,
  packages: ReadonlyMap<string, Lookup.Found<Package.Package>>
) {
  const subject = { publisher, name, version }
  const [known] = yield* ReleaseLookup.recall(subject)
  const found = known ?? Option.getOrUndefined(yield* ReleaseLookup.releaseOf(publisher, name, version))
  const inlined = packages.get(keyOf(subject))?.value.l
  yield* ReleaseLookup.requireOne(subject, [
    ...(found === undefined ? [] : [{ record: found.record, release: found.value }]),
    ...(inlined?.v === version ? [{ record: packages.get(keyOf(subject))!.record, release: inlined }] : [])
  ])
  if (found !== undefined) return [found.record]
  if (inlined?.v === version) return []
  return yield* new RegistryError({
    reason: new PackageNotFound({
      package: `${name}@${version}`,
      publisher: PublicKey.toBase64(publisher),
      others: []
    })
  })
})

/** Those of the publishers that are bundled, then the ones that say they were first. */
const chosenOf = (claims: NameClaim.VerifiedClaims, publishers: ReadonlySet<string>): NameClaim.ClaimSet => {
  const isBundled = ([key]: readonly [string, NameClaim.NameClaim]) => publishers.has(key)
  const ranked = [...claims].toSorted(
    (self, that) =>
      Number(isBundled(that)) - Number(isBundled(self)) || self[1].fs - that[1].fs || Bytes.Order(self[1].k, that[1].k)
  )
  return new Map(ranked.slice(0, BUNDLE_CLAIMS_MAX))
}

const claimsOf = Effect.fnUntraced(function* (
  name: PackageName,
  publishers: ReadonlySet<string>,
  { isRefreshing }: Options
) {
  const remembered = yield* NameIndexMemory.recall(yield* NameIndexMemory.placeOf(name))
  const isKnown = [...publishers].every((key) => remembered.claims.has(key))
  const claims = isKnown && !isRefreshing ? remembered.claims : (yield* NameIndex.read(name)).claims
  return [name, chosenOf(claims, publishers)] as const
})

/** What the key signed to revoke itself, as far as it is known here. */
const revocationRecordOf = Effect.fnUntraced(function* (publicKey: PublicKey.PublicKey) {
  const records = yield* RecordStore
  const found = yield* records.find(publicKey, Revocation.SALT).pipe(Effect.mapError(toRegistryError))
  return Option.toArray(found)
})

/** Fails with `PublisherRevoked`: nobody would take what a revoked key signed. */
const refuseRevoked = Effect.fnUntraced(function* ({ name, publisher }: Subject, { isRefreshing }: Options) {
  const revoked = isRefreshing ? (yield* Revocation.find(publisher)).revoked : yield* Revocation.recall(publisher)
  if (Option.isSome(revoked)) return yield* refusalOf(name, revoked.value)
})

/** The pages of a package's list of versions that are to be had. */
const pagesOf = Effect.fnUntraced(function* ({ value }: Lookup.Found<Package.Package>) {
  const root = Package.rootOf(value)
  if (root === undefined) return []
  const dht = yield* Dht
  const store = yield* PageStore
  const { targets } = yield* Tree.reachable(root, { limit: Package.VERSIONS_MAX }).pipe(
    Effect.mapError(toRegistryError)
  )
  const pages = yield* Effect.forEach(
    targets,
    Effect.fnUntraced(function* (target: Record.Target) {
      const held = yield* Effect.mapError(store.find(target), toRegistryError)
      const page = Option.isSome(held) ? held : yield* Effect.mapError(dht.getImmutable(target), toRegistryError)
      return Option.toArray(page).filter((bytes) => Bytes.Equivalence(Record.immutableTargetOf(bytes), target))
    }),
    { concurrency: CONCURRENCY }
  )
  return pages.flat()
})

/**
 * Everything that goes with the releases into a bundle. Fails with `PublisherRevoked`, `Equivocation`, with
 * `PackageNotFound` where nothing signed is to be had of a release, or with why the network or a store
 * could not be used.
 */
export const gather = Effect.fn("BundleGather.gather")(function* (
  wishes: ReadonlyArray<string>,
  releases: ReadonlyArray<StoredRelease>,
  options: Options
) {
  const concurrently = { concurrency: CONCURRENCY }
  const subjects = distinct(
    releases.map(({ publisher, release }): Subject => ({ publisher, name: release.n })),
    keyOf
  )
  const byPublisher = distinct(subjects, ({ publisher }) => PublicKey.toHex(publisher))
  yield* Effect.forEach(byPublisher, (subject) => refuseRevoked(subject, options), concurrently)
  const found = yield* Effect.forEach(subjects, (subject) => packageOf(subject, options), concurrently)
  const packages = new Map(
    found.flatMap((each, at) => (each === undefined ? [] : [[keyOf(subjects[at]!), each] as const]))
  )
  const own = yield* Effect.forEach(releases, (release) => releaseRecordOf(release, packages), concurrently)
  const pages = yield* Effect.forEach(packages.values(), pagesOf, concurrently)

  const names = new Map<PackageName, Set<string>>()
  for (const { name, publisher } of subjects) {
    names.set(name, (names.get(name) ?? new Set()).add(PublicKey.toHex(publisher)))
  }
  const claims = new Map(
    yield* Effect.forEach(names, ([name, publishers]) => claimsOf(name, publishers, options), concurrently)
  )
  const claimants = distinct(
    [...claims.values()].flatMap((set) => [...set.values()].map(({ k }) => k)),
    PublicKey.toHex
  )
  const revocations = yield* Effect.forEach(claimants, revocationRecordOf, concurrently)
  return {
    wishes,
    releases,
    claims,
    pages: pages.flat(),
    records: [
      ...[...packages.values()].map(({ record }) => record),
      ...own.flat(),
      ...revocations.flat().slice(0, BUNDLE_REVOCATIONS_MAX)
    ]
  } satisfies Material
}, Effect.mapError(toBundleError))
