/**
 * Brings a bundle into the stores of this host. The bundle is read twice: once whole, to know that every
 * byte of it is proven and nothing is known against it, and once to keep it. So a bundle that is refused
 * has left nothing, but what it showed about keys that are not to be believed.
 *
 * The network is not asked. What was imported is as good as what the network gave: names are resolved,
 * pinned and observed when they are used, and not because somebody put them into a file.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { Hasher } from "../core/Hasher.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import * as DhtOffline from "../dht/DhtOffline.ts"
import { PageStore } from "../dht/PageStore.ts"
import type * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import { Inquiry } from "../registry/Inquiry.ts"
import * as Lookup from "../registry/Lookup.ts"
import type * as NameClaim from "../registry/NameClaim.ts"
import * as NameIndexMemory from "../registry/NameIndexMemory.ts"
import * as PackageLookup from "../registry/PackageLookup.ts"
import { refusalOf } from "../registry/PublisherTrust.ts"
import { Equivocation, toRegistryError } from "../registry/RegistryError.ts"
import * as Release from "../registry/Release.ts"
import * as ReleaseLookup from "../registry/ReleaseLookup.ts"
import * as Revocation from "../trust/Revocation.ts"
import { type BundleError, toBundleError } from "./BundleError.ts"
import type * as BundleFormat from "./BundleFormat.ts"
import { isEquivocal, type Proven, type ProvenPackage } from "./BundleProofs.ts"
import * as BundleRead from "./BundleRead.ts"
import type { BundleBytes } from "./BundleSource.ts"
import { verifyContent } from "./FetchRelease.ts"
import { PackageStore, type StoredRelease } from "./PackageStore.ts"

/** Records, pages or names remembered at a time. */
const CONCURRENCY = 8

export interface ImportedRelease extends BundleFormat.Listed {
  /** Whether its content was not in the store before. */
  readonly isNew: boolean
}

export interface Imported {
  readonly contents: BundleRead.Contents
  readonly releases: ReadonlyArray<ImportedRelease>
}

const equivocation = ({ name, publisher, version }: BundleFormat.Listed) =>
  toRegistryError(new Equivocation({ package: name, version, publisher: PublicKey.toBase64(publisher) }))

/** What a bundle shows against itself, without any store. */
export const judgeAlone = ({ releases, revocations }: Proven): Effect.Effect<void, BundleError> => {
  const equivocal = releases.find(isEquivocal)
  if (equivocal !== undefined) return Effect.fail(toBundleError(equivocation(equivocal)))
  for (const record of revocations) {
    const listed = releases.find(({ publisher }) => PublicKey.equals(publisher, record.publicKey))
    const revoked = Option.getOrUndefined(Revocation.fromRecord(record))
    if (listed !== undefined && revoked !== undefined) {
      return Effect.fail(toBundleError(refusalOf(listed.name, revoked)))
    }
  }
  return Effect.void
}

/** Remembers who revoked their key, and refuses what is signed by one of them. */
const judgeKeys = Effect.fnUntraced(function* ({ releases, revocations }: Proven) {
  const store = yield* RecordStore
  for (const record of revocations) yield* Effect.mapError(store.remember(record), toRegistryError)
  const byPublisher = new Map(releases.map((release) => [PublicKey.toHex(release.publisher), release]))
  for (const { name, publisher } of byPublisher.values()) {
    const revoked = yield* Revocation.recall(publisher)
    if (Option.isSome(revoked)) return yield* refusalOf(name, revoked.value)
  }
})

const keyOf = (publisher: PublicKey.PublicKey, name: PackageName): string => `${PublicKey.toHex(publisher)} ${name}`

const lookAt = ({ record, value }: ProvenPackage) => PackageLookup.look(record.publicKey, value.n, record)

/** Holds every version against what is known of it here; a contradiction is kept as a proof. */
const judgeReleases = Effect.fnUntraced(function* ({ packages, releases }: Proven) {
  const store = yield* PackageStore
  const known = new Map<string, PackageLookup.Looked>()
  for (const each of packages) known.set(keyOf(each.record.publicKey, each.value.n), yield* lookAt(each))
  for (const { name, publisher, release, statements, version } of releases) {
    const subject = { publisher, name, version }
    const looked = known.get(keyOf(publisher, name))
    yield* ReleaseLookup.requireOne(subject, [
      ...(yield* ReleaseLookup.recall(subject)),
      ...(looked === undefined ? [] : PackageLookup.statementsOf(looked, version)),
      ...statements
    ])
    const stored = Option.getOrUndefined(yield* store.find(publisher, name, version))
    if (stored !== undefined && !Release.sameContent(stored.release, release)) return yield* equivocation(subject)
  }
})

const judge = (proven: Proven) =>
  Effect.andThen(judgeKeys(proven), judgeReleases(proven)).pipe(Effect.mapError(toBundleError))

/** Whether the release lies in the store as its publisher signed it. */
const isIntact = Effect.fnUntraced(function* ({ publisher, release }: StoredRelease) {
  const store = yield* PackageStore
  const stored = Option.getOrUndefined(yield* store.find(publisher, release.n, release.v))
  if (stored === undefined) return false
  const verified = Effect.flatMap(store.open(stored), (content) => verifyContent(content, stored))
  return Option.isSome(yield* Effect.option(Effect.scoped(verified)))
})

/** Stages what is not in the store, and commits it once it is verified; tells of each which it was. */
const keeping = Effect.fnUntraced(function* (onRelease: (isNew: boolean) => void) {
  const store = yield* PackageStore
  const context = yield* Effect.context<PackageStore | Hasher>()
  const take = Effect.fnUntraced(function* (stored: StoredRelease) {
    const { torrent } = stored
    yield* store.reserve(torrent.infohash)
    const isKept = yield* isIntact(stored)
    onRelease(!isKept)
    if (isKept) return undefined
    // Whatever an earlier try left is of no use: all of it comes again.
    yield* store.discard(torrent)
    yield* Effect.addFinalizer((exit) => (Exit.isFailure(exit) ? Effect.ignore(store.discard(torrent)) : Effect.void))
    // Closed before the commit moves what is staged.
    const staging = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(staging, exit))
    const content = yield* Scope.provide(store.stage(torrent), staging)
    return {
      write: (offset, bytes) => Effect.mapError(content.write(offset, bytes), toBundleError),
      done: Effect.andThen(Scope.close(staging, Exit.void), Effect.mapError(store.commit(stored), toBundleError))
    } satisfies BundleRead.Taker
  })
  return (stored: StoredRelease) =>
    take(stored).pipe(
      Effect.mapError(toBundleError),
      Effect.updateContext((scope: Context.Context<Scope.Scope>) => Context.merge(context, scope))
    )
})

const keepClaims = Effect.fnUntraced(function* ([name, claims]: readonly [PackageName, NameClaim.VerifiedClaims]) {
  const place = yield* NameIndexMemory.placeOf(name)
  const memory = yield* NameIndexMemory.recall(place)
  yield* NameIndexMemory.remember(place, memory, { claims, networkSeq: 0 })
})

/** The first release record of a version that this host saw stays. */
const keepRelease = Effect.fnUntraced(function* (record: Record.Record) {
  const known = yield* Lookup.recall(record.publicKey, record.salt)
  if (known === undefined) yield* Lookup.remember(record)
})

/** What leads to the contents; behind them, so that nothing leads to what is not there. */
const keepProofs = Effect.fnUntraced(function* ({ claims, packages, pages, releaseRecords }: Proven) {
  const store = yield* PageStore
  const concurrently = { concurrency: CONCURRENCY, discard: true }
  if (pages.length > 0) yield* Effect.mapError(store.keep(pages), toRegistryError)
  yield* Effect.forEach(releaseRecords, keepRelease, concurrently)
  yield* Effect.forEach(
    packages,
    (each) => Effect.flatMap(lookAt(each), (looked) => PackageLookup.adopt(new Inquiry(), looked)),
    concurrently
  )
  yield* Effect.forEach(claims, keepClaims, concurrently)
}, Effect.mapError(toBundleError))

/**
 * Verifies the whole bundle, then keeps it: contents first, then what leads to them. `location` names it
 * in errors. Importing it again changes nothing. A revocation that it has, or a proof that it comes to,
 * is kept even where the bundle is refused for it: `PublisherRevoked`, `Equivocation`.
 */
export const importFrom = Effect.fn("BundleImport.importFrom")(function* (bytes: BundleBytes, location: string) {
  yield* BundleRead.read(bytes, location, BundleRead.pass, judge)
  const news: Array<boolean> = []
  const take = yield* keeping((isNew) => news.push(isNew))
  const contents = yield* BundleRead.read(bytes, location, take, judge)
  yield* keepProofs(contents)
  const releases = contents.releases.map(({ name, publisher, version }, at): ImportedRelease => ({
    name,
    publisher,
    version,
    isNew: news[at] ?? false
  }))
  return { contents, releases } satisfies Imported as Imported
}, Effect.provide(DhtOffline.layer))

/** Verifies the whole bundle and tells what is in it; no store is asked or changed. */
export const inspect = (bytes: BundleBytes, location: string) =>
  BundleRead.read(bytes, location, BundleRead.pass, judgeAlone)
