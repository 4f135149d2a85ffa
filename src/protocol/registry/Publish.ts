/**
 * Makes a release known, in steps: release record → package record → catalogue → claim on the name.
 *
 * A release is immutable: other content under a version that is out already is refused before anything
 * is written. Every step is idempotent, and the log remembers the date of a publication that has begun,
 * so that one that was cut off, wherever, is finished by running it again, with the same bytes in every
 * record. The package itself must be seeded before this is called.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { KeyPair } from "../core/KeyPair.ts"
import type { PackageName } from "../core/PackageName.ts"
import type { PublicKey } from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"
import * as KeyString from "../dht/KeyString.ts"
import type * as Record from "../dht/Record.ts"
import * as Lookup from "./Lookup.ts"
import * as OwnReleases from "./OwnReleases.ts"
import * as Package from "./Package.ts"
import * as PublicationLog from "./PublicationLog.ts"
import * as PublisherRecords from "./PublisherRecords.ts"
import * as Rehearsal from "./Rehearsal.ts"
import { RegistryError, TooManyVersions, VersionExists, toRegistryError } from "./RegistryError.ts"
import * as Release from "./Release.ts"
import * as ReleaseLookup from "./ReleaseLookup.ts"
import * as Revision from "./Revision.ts"

/** What is known already of a version that is to be published. */
export interface Earlier {
  /** Its release, as its own record or the package's record says. */
  readonly release: Release.Release | undefined
  readonly record: Record.Record | undefined
  /** Whether the package has the version, though its content may not be known any more. */
  readonly isListed: boolean
}

/** One of the records of a publication as it would be written. */
export interface PlannedRecord extends Rehearsal.Planned {
  readonly kind: "release" | "package" | "announce" | "nameIndex"
  readonly keyString: string
}

export interface Publication {
  readonly release: Release.Release
  /** Release, package, catalogue and name index, as the network holds them now. */
  readonly records: readonly [Record.Record, Record.Record, Record.Record, Record.Record]
  /** The fewest nodes that said that they hold one of the publisher's own records. */
  readonly acks: number
  /** Steps that an earlier run had done before it was cut off. */
  readonly resumed: ReadonlyArray<PublicationLog.Step>
  /** Whether the release was out before, so that it was only put again. */
  readonly wasOut: boolean
}

export interface Options {
  /** Told of each step as it begins. */
  readonly onStep?: ((step: PublicationLog.Step) => Effect.Effect<void>) | undefined
  /** From {@link earlierOf}, where that was asked a moment ago. */
  readonly earlier?: Earlier | undefined
  /**
   * Who lists the package in the publisher's catalogue, for those who publish many packages and write it
   * once for several of them; by default the publication itself.
   */
  readonly announce?: Announcing | undefined
}

/** Lists a package, whose record stands, in the publisher's catalogue; `now` is the date of what is signed for it. */
export type Announcing = (
  pkg: Package.Package,
  now: number
) => Effect.Effect<PublisherRecords.WrittenAnnounce, RegistryError>

const exists = ({ n, v }: Release.Release) => fail(new VersionExists({ package: n, version: v }))

const fail = (reason: RegistryError["reason"]) => Effect.fail(new RegistryError({ reason }))

/**
 * Asks the network and the own memory what is known of a version, its release and its package at once.
 * Fails with `Equivocation` where it was signed with two contents, and with `TooManyVersions` where it
 * is new and the package is full.
 */
export const earlierOf = Effect.fn("Publish.earlierOf")(function* (
  publisher: PublicKey,
  name: PackageName,
  version: Version
) {
  const keyString = KeyString.packageOf(name)
  const [looked, { local, remote }] = yield* Effect.all(
    [ReleaseLookup.look({ publisher, name, version }), Lookup.both(publisher, keyString)],
    { concurrency: "unbounded" }
  )
  const records = new Set([remote, local].filter((record) => record !== undefined))
  const packages = yield* Effect.forEach(records, Lookup.open(Package.codec, keyString))
  const inlined = packages
    .filter(({ value }) => value.l.v === version)
    .map(({ record, value }) => ({ record, release: value.l }))
  const found = Option.getOrUndefined(yield* ReleaseLookup.settle(looked, inlined))
  const listings = yield* Effect.forEach(packages, ({ value }) => Package.flagsOf(value, version))
  const isListed = listings.some(Option.isSome)
  if (!isListed && packages.some(({ value }) => value.c >= Package.VERSIONS_MAX)) {
    return yield* fail(new TooManyVersions({ package: name, max: Package.VERSIONS_MAX }))
  }
  const inPackage = inlined[0] === undefined ? undefined : Release.withName(name, inlined[0].release)
  return { release: found?.value ?? inPackage, record: found?.record, isListed } satisfies Earlier
})

/**
 * Fails with `VersionExists` where other bytes than those of `release` are out under its version, and
 * where some are of which nobody knows any more what they were: they could be others.
 */
export const refuseOther = Effect.fnUntraced(function* (
  publisher: PublicKey,
  { isListed, release: earlier }: Earlier,
  release: Release.Release
) {
  const isRefused = earlier === undefined ? isListed : !Release.sameContent(earlier, release)
  if (!isRefused) return
  if (earlier !== undefined) yield* abandon(publisher, release)
  return yield* exists(release)
})

/** Forgets that the publication of a release has begun, since other content is out under its version. */
const abandon = Effect.fnUntraced(function* (publisher: PublicKey, release: Release.Release) {
  const log = yield* PublicationLog.current
  const noted = yield* log.find(publisher, release.n, release.v).pipe(Effect.mapError(toRegistryError))
  if (Option.isNone(noted) || !Release.sameContent(noted.value.release, release)) return
  yield* log.finish(publisher, release.n, release.v).pipe(Effect.mapError(toRegistryError))
})

/** The publication's draft: the one that was noted where this goes on with it, so that its date is kept. */
export const begin = Effect.fn("Publish.begin")(function* (publisher: PublicKey, release: Release.Release) {
  const log = yield* PublicationLog.current
  const now = yield* Clock.currentTimeMillis
  const noted = yield* log.find(publisher, release.n, release.v).pipe(Effect.mapError(toRegistryError))
  const goesOn =
    Option.isSome(noted) &&
    Release.sameContent(noted.value.release, release) &&
    !PublisherRecords.isDue(noted.value.startedAt, now)
  return goesOn ? noted.value : ({ publisher, release, startedAt: now, done: [] } satisfies PublicationLog.Draft)
})

/** Does the steps of a publication one after the other, and notes each when it is done. */
export const stepper = Effect.fnUntraced(function* (draft: PublicationLog.Draft, onStep: Options["onStep"]) {
  const log = yield* PublicationLog.current
  let latest = draft
  const note = (next: PublicationLog.Draft) =>
    Effect.suspend(() => {
      latest = next
      return log.note(next).pipe(Effect.mapError(toRegistryError))
    })
  return Effect.fnUntraced(function* <A, E, R>(step: PublicationLog.Step, work: Effect.Effect<A, E, R>) {
    if (onStep !== undefined) yield* onStep(step)
    const result = yield* work
    yield* note(PublicationLog.withStep(latest, step))
    return result
  })
})

/**
 * Another machine with this key may have put the same version in the same moment, each finding nothing of the
 * other. Whoever sees that stops before the package and the name speak of it.
 */
const refuseRival = Effect.fnUntraced(function* (publisher: PublicKey, release: Release.Release) {
  const { statements } = yield* ReleaseLookup.look({ publisher, name: release.n, version: release.v })
  if (statements.some((statement) => !Release.sameContent(statement.release, release))) return yield* exists(release)
})

/** Not enough nodes took the record, but some did: it is out. */
const isHalfPut = ({ reason }: RegistryError): boolean =>
  reason._tag === "DhtError" && reason.reason._tag === "TooFewAcks" && reason.reason.acks > 0

/**
 * The record of the release, in the network. Where another machine put one at the same moment, theirs will do
 * if it says the same; ours is not remembered then, nor where theirs says something else.
 */
const putRelease = Effect.fnUntraced(function* (record: Record.Record, release: Release.Release) {
  const { n: name, v: version } = release
  return yield* PublisherRecords.putRelease(record).pipe(
    Effect.tapError((error) => (isHalfPut(error) ? Lookup.remember(record) : Effect.void)),
    Effect.tap(() => refuseRival(record.publicKey, release)),
    Effect.tap(() => Lookup.remember(record)),
    Effect.map((acks) => ({ record, acks })),
    Effect.catchIf(Revision.isLostRace, (lost) =>
      Effect.gen(function* () {
        const { pair, statements } = yield* ReleaseLookup.look({ publisher: record.publicKey, name, version })
        const theirs = statements.find((statement) => statement.record === pair.remote)
        if (theirs === undefined) return yield* lost
        yield* Lookup.remember(theirs.record)
        if (!Release.sameContent(theirs.release, release)) return yield* exists(release)
        return { record: theirs.record, acks: undefined }
      })
    )
  )
})

const changedFor = Effect.fnUntraced(function* (current: Package.Package, release: Release.Release, now: number) {
  if (Option.isNone(yield* Package.flagsOf(current, release.v))) {
    return Option.some(yield* Package.add(current, release, now))
  }
  // Another machine may have yanked what was inlined when the release was added.
  const inlined = yield* Package.inlining(current, release, now)
  if (Option.isSome(inlined)) return inlined
  return PublisherRecords.isDue(current.t, now) ? Option.some(yield* Package.renew(current, now)) : Option.none()
})

/** The package with the release, and with what it has lost; signed anew where it has all already but was signed long ago. */
const withRelease = (publisher: PublicKey, release: Release.Release, now: number) => ({
  create: Effect.gen(function* () {
    const first = yield* Package.add(undefined, release, now)
    return Option.getOrElse(yield* OwnReleases.relist(publisher, first.pkg, Option.none(), now), () => first)
  }),
  change: Effect.fnUntraced(function* (current: Package.Package) {
    return yield* OwnReleases.relist(publisher, current, yield* changedFor(current, release, now), now)
  })
})

/**
 * Publishes a release whose bytes are seeded already. Fails with `VersionExists` where the version is
 * out with other content. Publishing the same thing again changes nothing, unless its package was signed
 * longer ago than {@link PublisherRecords.RENEW_AFTER}: then package and catalogue are signed anew.
 */
export const publish = Effect.fn("Publish.publish")(function* (
  keyPair: KeyPair,
  given: Release.Release,
  options?: Options
) {
  const { publicKey } = keyPair
  const earlier = options?.earlier ?? (yield* earlierOf(publicKey, given.n, given.v))
  yield* refuseOther(publicKey, earlier, given)
  const begun = yield* begin(publicKey, given)
  const release =
    earlier.release === undefined
      ? begun.release
      : earlier.record === undefined
        ? { ...given, t: earlier.release.t }
        : earlier.release
  const now = begun.startedAt
  const step = yield* stepper({ ...begun, release }, options?.onStep)
  if (!begun.done.includes("prepared")) yield* step("prepared", Effect.void)
  const first = yield* step(
    "release",
    putRelease(earlier.record ?? PublisherRecords.signRelease(keyPair, release), release)
  ).pipe(Effect.tapError(({ reason }) => (reason._tag === "VersionExists" ? abandon(publicKey, release) : Effect.void)))
  const pkg = yield* step(
    "package",
    PublisherRecords.writePackage(keyPair, release.n, withRelease(publicKey, release, now), { refresh: true })
  )
  const catalogue = yield* step(
    "announce",
    options?.announce?.(pkg.value, now) ??
      PublisherRecords.writeAnnounce(keyPair, pkg.value, { now, refresh: true, yields: true })
  )
  const claim = yield* step(
    "claim",
    PublisherRecords.writeClaim(keyPair, release.n, catalogue.newest, { now, yields: true })
  )
  const log = yield* PublicationLog.current
  yield* log.finish(publicKey, release.n, release.v).pipe(Effect.mapError(toRegistryError))
  return {
    release,
    records: [first.record, pkg.record, catalogue.record, claim],
    acks: Math.min(...[first, pkg, catalogue].flatMap(({ acks }) => (acks === undefined ? [] : [acks]))),
    resumed: begun.done,
    wasOut: earlier.isListed && earlier.record !== undefined
  } satisfies Publication
})

/** What publishing would write. Nothing is written anywhere; fails as publishing would. */
export const plan = Effect.fn("Publish.plan")(function* (keyPair: KeyPair, release: Release.Release) {
  const { plan, result } = yield* Rehearsal.run(publish(keyPair, release))
  return describe(keyPair.publicKey, result, plan)
})

/** A rehearsed publication, record by record. */
export const describe = (
  publisher: PublicKey,
  { records, release: { n, v } }: Publication,
  plan: (record: Record.Record) => Rehearsal.Planned
): ReadonlyArray<PlannedRecord> => {
  const [release, pkg, announce, nameIndex] = records
  return [
    { kind: "release", keyString: KeyString.release(n, v), ...plan(release) },
    { kind: "package", keyString: KeyString.packageOf(n), ...plan(pkg) },
    { kind: "announce", keyString: KeyString.announce(publisher), ...plan(announce) },
    { kind: "nameIndex", keyString: KeyString.nameIndex(n), ...plan(nameIndex) }
  ]
}
