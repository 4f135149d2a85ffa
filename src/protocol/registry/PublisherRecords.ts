/**
 * The four records that make a package known, each brought to where it should be: the release, the
 * package, the publisher's catalogue and its claim on the name. Every one of these steps can be done
 * again without harm, and each of them writes nothing that the network has already.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { KeyPair } from "../core/KeyPair.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"
import type { Dht } from "../dht/Dht.ts"
import * as KeyString from "../dht/KeyString.ts"
import type { PageStore } from "../dht/PageStore.ts"
import * as Quorum from "../dht/Quorum.ts"
import * as Record from "../dht/Record.ts"
import type { RecordStore } from "../dht/RecordStore.ts"
import * as Announce from "./Announce.ts"
import * as Lookup from "./Lookup.ts"
import * as NameClaim from "./NameClaim.ts"
import * as NameIndex from "./NameIndex.ts"
import * as OwnPackage from "./OwnPackage.ts"
import * as Package from "./Package.ts"
import { type RegistryError, NameIndexBlocked, toRegistryError } from "./RegistryError.ts"
import * as Release from "./Release.ts"
import * as Revision from "./Revision.ts"

/** A package and a catalogue that were signed longer ago than this are signed anew when they are published again. */
export const RENEW_AFTER = Duration.days(30)

/** Whether what was signed at `t` (ms) is due to be signed anew. */
export const isDue = (t: number, now: number): boolean => now - t > Duration.toMillis(RENEW_AFTER)

/** Leaves out what a reader can do without, hints first, until the record fits. */
const releaseBytes = (release: Release.Release): Uint8Array => {
  const bytes = Release.encode(release)
  if (bytes.length <= Record.VALUE_MAX_BYTES) return bytes
  const { x: _x, ...withoutHints } = release
  const smaller = Release.encode(withoutHints)
  if (smaller.length <= Record.VALUE_MAX_BYTES) return smaller
  const { p: _p, ...withoutPieces } = withoutHints
  return Release.encode(withoutPieces)
}

export const signRelease = (keyPair: KeyPair, release: Release.Release): Record.Record =>
  Record.sign(keyPair, {
    salt: KeyString.saltOf(KeyString.release(release.n, release.v)),
    seq: Release.RELEASE_SEQ,
    value: releaseBytes(release)
  })

/**
 * Puts a release's record. A node that has another one fails it with `StaleSeq`. It is not remembered here: a
 * record that lost to another machine's would contradict that one for good.
 */
export const putRelease = Effect.fnUntraced(function* (record: Record.Record) {
  const { acks } = yield* Quorum.put(record).pipe(Effect.mapError(toRegistryError))
  return acks
})

export interface Options {
  /** Whether a record that is as it should be is put again all the same, lest the network forget it. */
  readonly refresh: boolean
}

const toDraft = ({ pages, pkg, value }: Package.Draft): Revision.Draft<Package.Package> => ({
  content: pkg,
  value,
  pages
})

/** Of two catalogues under one number the network's has the say: others have seen it. */
const yielding = <A extends { readonly record: { readonly seq: number } }>(here: A, there: A): A =>
  here.record.seq === there.record.seq ? { ...here, record: { ...here.record, seq: here.record.seq - 1 } } : here

/** How a package is made and changed; a change of `None` leaves it as it is. */
export interface PackageEdit<R> {
  readonly create: Effect.Effect<Package.Draft, RegistryError, R>
  readonly change: (current: Package.Package) => Effect.Effect<Option.Option<Package.Draft>, RegistryError, R>
}

/** Brings the package's record to where `edit` has nothing left to change. */
export const writePackage = <R>(keyPair: KeyPair, name: PackageName, edit: PackageEdit<R>, { refresh }: Options) =>
  Revision.write<Package.Package, R | Dht | PageStore | RecordStore>(keyPair, {
    keyString: KeyString.packageOf(name),
    codec: Package.codec,
    rootOf: Package.rootOf,
    merge: (there, here) => Effect.map(Package.merge(there, here), toDraft),
    recall: OwnPackage.recall(keyPair.publicKey, name),
    keep: (record) => OwnPackage.keep(keyPair, name, record),
    create: Effect.map(edit.create, toDraft),
    change: (current) => Effect.map(edit.change(current), Option.map(toDraft)),
    refresh
  })

const toAnnounceDraft = ({ announce, pages, value }: Announce.Draft): Revision.Draft<Announce.Announce> => ({
  content: announce,
  value,
  pages
})

/** What the publisher's newest record of a package gives as its newest release. */
const newestOf = Effect.fnUntraced(function* (publisher: PublicKey.PublicKey, name: PackageName) {
  const found = yield* Lookup.find(publisher, KeyString.packageOf(name), Package.codec)
  return Option.getOrUndefined(Option.map(found, ({ value }) => value.l.v))
})

/** How what follows from a package's newest version is written. */
export interface Following extends Options {
  /** Unix ms; the date of what is signed. */
  readonly now: number
  /**
   * Whether the package is asked again where a newer version than its is found: another machine with this
   * key may have published meanwhile. Not so where a version was taken back.
   */
  readonly yields: boolean
}

export interface WrittenAnnounce extends Revision.Written<Announce.Announce> {
  /** The version that the catalogue gives as the package's newest. */
  readonly newest: Version
}

/** As {@link writeAnnounce}, for packages of different names at once. `newest` is by name. */
export const writeAnnounceOf = Effect.fnUntraced(function* (
  keyPair: KeyPair,
  packages: ReadonlyArray<Package.Package>,
  { now, refresh, yields }: Following
) {
  const { publicKey } = keyPair
  const newest = new Map(packages.map((pkg) => [pkg.n, pkg.l.v]))
  const written = yield* Revision.write(keyPair, {
    keyString: KeyString.announce(publicKey),
    codec: Announce.codec,
    rootOf: Announce.rootOf,
    merge: (there, here) => Effect.map(Announce.merge(there, yielding(here, there)), toAnnounceDraft),
    create: Effect.suspend(() => Effect.map(Announce.addAll(undefined, [...newest], now), toAnnounceDraft)),
    change: Effect.fnUntraced(function* (current: Announce.Announce) {
      const edits: Array<Announce.Entry> = []
      for (const [name, version] of newest) {
        const listed = Option.getOrUndefined(yield* Announce.versionOf(current, name))
        if (yields && listed !== undefined && Package.newestFirst(listed, version) < 0) {
          newest.set(name, (yield* newestOf(publicKey, name)) ?? version)
        }
        const latest = newest.get(name) ?? version
        if (listed !== latest) edits.push([name, latest])
      }
      if (edits.length === 0) {
        return refresh && isDue(current.t, now)
          ? Option.some(toAnnounceDraft(Announce.renew(current, now)))
          : Option.none()
      }
      return Option.some(toAnnounceDraft(yield* Announce.addAll(current, edits, now)))
    }),
    refresh
  })
  return { ...written, newest }
})

/** Lists the package's newest release in the publisher's catalogue. */
export const writeAnnounce = Effect.fnUntraced(function* (
  keyPair: KeyPair,
  pkg: Package.Package,
  following: Following
) {
  const { newest, ...written } = yield* writeAnnounceOf(keyPair, [pkg], following)
  return { ...written, newest: newest.get(pkg.n) ?? pkg.l.v } satisfies WrittenAnnounce
})

/** Times that a claim is signed for machines with one key that race each other. */
const CLAIM_TRIES = 3

/**
 * Claims the name with `newest` as the latest version. The claim keeps the date of the publisher's first
 * one, where that is still known. Claims are merged by their dates, which say nothing about the order of
 * versions: so where another machine with this key may have claimed meanwhile, the package is asked again.
 */
export const writeClaim = Effect.fnUntraced(function* (
  keyPair: KeyPair,
  name: PackageName,
  newest: Version,
  { now, yields }: Pick<Following, "now" | "yields">
) {
  const key = PublicKey.toHex(keyPair.publicKey)
  let claimed = newest
  let mayOverrule = !yields
  for (let tries = 1; ; tries++) {
    let asked = 0
    let isOverruled = false
    let isUndatable = false
    const record = yield* NameIndex.join(name, (known) => {
      asked++
      const own = known.get(key)
      isOverruled = !mayOverrule && own !== undefined && Package.newestFirst(own.lv, claimed) < 0
      if (own !== undefined && (isOverruled || own.lv === claimed)) return own
      // Newer than the claim it replaces, even where the clock was set back in between.
      const timestamp = Math.max(now, (own?.t ?? 0) + 1)
      isUndatable = own !== undefined && timestamp > Number.MAX_SAFE_INTEGER
      if (own !== undefined && isUndatable) return own
      return NameClaim.sign(keyPair, name, {
        latestVersion: claimed,
        firstSeen: Math.min(own?.fs ?? now, now),
        timestamp
      })
    })
    if (isUndatable) {
      const problem = "your last claim has the latest date there is, so none can follow it; it stays as it is"
      return yield* toRegistryError(new NameIndexBlocked({ package: name, problem }))
    }
    if (!yields || tries === CLAIM_TRIES || (asked === 1 && !isOverruled)) return record
    const latest = (yield* newestOf(keyPair.publicKey, name)) ?? claimed
    if (latest === claimed && !isOverruled) return record
    claimed = latest
    mayOverrule = true
  }
})
