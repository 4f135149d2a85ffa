/**
 * From a name and a version range to one verified release.
 *
 * By name: the pin, else name index → claims that hold → policy → revocations → package record → highest
 * version in range that is not yanked → release. What does not wait for each other is asked at the same
 * time, and the newest release is inlined in the package's record: so it takes two look-ups one after
 * another, one where the publisher is known, and one more for any other version.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import * as Version from "../core/Version.ts"
import * as Candidates from "./Candidates.ts"
import { Evidence } from "./Evidence.ts"
import * as Freshness from "./Freshness.ts"
import { Inquiry } from "./Inquiry.ts"
import type { NameClaim } from "./NameClaim.ts"
import * as NotAsked from "./NotAsked.ts"
import * as Policy from "./Policy.ts"
import { PublisherTrust } from "./PublisherTrust.ts"
import { NameNotFound, PublisherChanged, RegistryError } from "./RegistryError.ts"
import type * as Release from "./Release.ts"
import * as ResolvePackage from "./ResolvePackage.ts"
import * as ResolveByPolicy from "./ResolveByPolicy.ts"
import * as ResolvePinned from "./ResolvePinned.ts"
import * as ResolvePublisher from "./ResolvePublisher.ts"

export { releaseOf } from "./ReleaseLookup.ts"

export interface Request {
  readonly name: PackageName
  readonly range: Version.Wanted
}

export interface Options {
  /** How to choose between publishers. A pinned name stays with its publisher unless the policy refuses it. Default `firstSeen`. */
  readonly policy?: Policy.Policy | undefined
  /** The publisher to take it from: neither the name index nor the policy is asked. */
  readonly publisher?: PublicKey.PublicKey | undefined
  /** Default: a warning after `Freshness.FRESHNESS_LIMIT`. */
  readonly freshness?: Freshness.Freshness | undefined
}

export interface Resolution {
  readonly publisher: PublicKey.PublicKey
  readonly release: Release.Release
  /** `Package.Flag`s of the version. */
  readonly flags: number
  /** Why it came out so. */
  readonly evidence: Evidence
}

const fail = (reason: RegistryError["reason"]) => Effect.fail(new RegistryError({ reason }))

const route = Effect.fnUntraced(function* (inquiry: Inquiry, wish: ResolvePackage.Wish, options: Options) {
  const trust = yield* PublisherTrust
  const pin = Option.getOrUndefined(yield* trust.pinOf(wish.name))
  const { policy = Policy.firstSeen, publisher } = options
  if (publisher !== undefined) {
    if (pin !== undefined && !PublicKey.equals(pin.publisher, publisher)) {
      const asked = PublicKey.toBase64(publisher)
      const pinned = PublicKey.toBase64(pin.publisher)
      const problem = `it is asked for from ${asked}`
      return yield* fail(new PublisherChanged({ package: wish.name, pinned, offered: [asked], problem }))
    }
    return yield* ResolvePublisher.given(inquiry, wish, publisher)
  }
  return pin === undefined
    ? yield* ResolveByPolicy.byPolicy(inquiry, wish, policy)
    : yield* ResolvePinned.pinned(inquiry, wish, pin, policy)
})

const resolve = Effect.fnUntraced(function* (request: Request, isExact: boolean, options: Options) {
  const inquiry = new Inquiry()
  const wish: ResolvePackage.Wish = { ...request, isExact, freshness: options.freshness ?? Freshness.standard }
  const { found, flags, release, versions } = yield* Effect.flatMap(route(inquiry, wish, options), (found) =>
    Effect.map(ResolvePackage.choose(inquiry, wish, found), (chosen) => ({ found, ...chosen }))
  ).pipe(NotAsked.explain)
  const { lookups, looks, warnings } = inquiry
  return {
    publisher: found.looked.publisher,
    release,
    flags,
    evidence: new Evidence({ lookups, looks, warnings, considered: { publishers: found.publishers, versions } })
  } satisfies Resolution as Resolution
})

/** To note where it was called from, as `Effect.fn` does, would take a sixth of the time of a resolution from memory. */
const WITHOUT_STACK = { captureStackTrace: false }

/**
 * The release to take for a name and a range or tag. Fails with `NameNotFound`, `NoAcceptablePublisher`,
 * `PublisherChanged`, `PublisherRevoked`, `PackageNotFound`, `VersionNotFound`, `Equivocation`, `StaleRecord`,
 * `InvalidRecord`, or with why the network or a store could not be used.
 */
export const resolveByName = (request: Request, options: Options = {}) =>
  Effect.withSpan(resolve(request, false, options), "Resolve.resolveByName", WITHOUT_STACK)

/** The newest release; of a package that has only pre-releases, the newest of those. */
export const resolveLatest = (name: PackageName, options?: Options) => resolveByName({ name, range: "latest" }, options)

/** The highest version in the range that is not yanked. */
export const resolveSemver = (name: PackageName, range: Version.Range, options?: Options) =>
  resolveByName({ name, range }, options)

/** That version and no other, also when it is yanked or no longer listed: the evidence then has a warning. */
export const resolveExact = (name: PackageName, version: Version.Version, options: Options = {}) =>
  Effect.withSpan(resolve({ name, range: Version.only(version) }, true, options), "Resolve.resolveExact", WITHOUT_STACK)

export interface PublisherOfName {
  readonly claim: NameClaim
  /** When this host first saw the publisher under the name, Unix ms; `undefined` where it has seen too many to note. */
  readonly observedAt: number | undefined
  readonly isPinned: boolean
  readonly isTrusted: boolean
  /** Distinct seeders, where the policy counts them. */
  readonly seeders: number | undefined
  /** Why the policy does not take it; `undefined` where it would. */
  readonly refusal: string | undefined
}

/** Everybody with a valid claim on the name, best first by `policy`, then those whom it refuses. Fails with `NameNotFound` when there is nobody. */
export const publishersOf = Effect.fn("Resolve.publishersOf")(function* (
  name: PackageName,
  policy: Policy.Policy = Policy.firstSeen
) {
  const trust = yield* PublisherTrust
  const pin = Option.getOrUndefined(yield* trust.pinOf(name))
  const trusted = yield* trust.trusted
  const index = yield* Candidates.readIndex(name)
  const { judgement, observed, size } = yield* Candidates.judge(new Inquiry(), name, index, policy)
  if (size === 0) return yield* fail(new NameNotFound({ package: name })).pipe(NotAsked.explain)
  const all = [
    ...judgement.ranked.map((candidate) => ({ candidate, reason: undefined })),
    ...judgement.refused.map(({ candidate, reason }) => ({ candidate, reason }))
  ]
  return all.flatMap(({ candidate: { claim: stated, seeders }, reason }): ReadonlyArray<PublisherOfName> => {
    const key = PublicKey.toHex(stated.k)
    const claim = index.snapshot.claims.get(key)
    if (claim === undefined) return []
    const observedAt = observed.get(key)
    const isPinned = pin !== undefined && PublicKey.equals(pin.publisher, stated.k)
    return [{ claim, observedAt, isPinned, isTrusted: trusted.has(key), seeders, refusal: reason }]
  })
})
