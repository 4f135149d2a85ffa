/**
 * Makes a release known: release record → package record → claim on the name.
 *
 * Every step is idempotent, so that a publication that was cut off is finished by running it again.
 * A release is immutable: other content under a version that is out already is refused before
 * anything is written. The bytes must be seeded before this is called.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { KeyPair } from "../core/KeyPair.ts"
import * as PublicKey from "../core/PublicKey.ts"
import { Dht } from "../dht/Dht.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"
import * as Lookup from "./Lookup.ts"
import * as NameClaim from "./NameClaim.ts"
import * as NameIndex from "./NameIndex.ts"
import * as Package from "./Package.ts"
import { RegistryError, TooManyVersions, VersionExists } from "./RegistryError.ts"
import * as Release from "./Release.ts"
import { releaseOf } from "./Resolve.ts"

export interface Publication {
  readonly release: Release.Release
  /** Release, package and name index, as the network holds them now. */
  readonly records: ReadonlyArray<Record.Record>
}

const encodeRelease = Schema.encodeSync(Release.codec)

/** Leaves out what a reader can do without, hints first, until the record fits. */
const releaseBytes = (release: Release.Release): Uint8Array => {
  const bytes = encodeRelease(release)
  if (bytes.length <= Record.VALUE_MAX_BYTES) return bytes
  const { x: _x, ...withoutHints } = release
  const smaller = encodeRelease(withoutHints)
  if (smaller.length <= Record.VALUE_MAX_BYTES) return smaller
  const { p: _p, ...withoutPieces } = withoutHints
  return encodeRelease(withoutPieces)
}

const put = Effect.fnUntraced(function* (record: Record.Record, options?: { readonly cas: number }) {
  const dht = yield* Dht
  yield* dht.put(record, options).pipe(Effect.mapError((reason) => new RegistryError({ reason })))
  yield* Lookup.remember(record)
})

/** Fails with `VersionExists` where `earlier` speaks of other bytes than `release`. */
export const refuseOther = (
  earlier: Option.Option<Lookup.Found<Release.Release>>,
  release: Release.Release
): Effect.Effect<void, RegistryError> =>
  Option.isNone(earlier) || Release.sameContent(earlier.value.value, release)
    ? Effect.void
    : Effect.fail(new RegistryError({ reason: new VersionExists({ package: release.n, version: release.v }) }))

/** Publishes a release whose bytes are seeded already. Fails with `VersionExists` where the version is out with other content. */
export const publish = Effect.fn("Publish.publish")(function* (keyPair: KeyPair, release: Release.Release) {
  const { isNew, signed } = yield* putRelease(keyPair, release)
  const { pkg, record: packageRecord } = yield* putPackage(keyPair, signed.value, isNew)
  const indexRecord = yield* claimName(keyPair, pkg)
  return { release: signed.value, records: [signed.record, packageRecord, indexRecord] } satisfies Publication
})

const putRelease = Effect.fnUntraced(function* (keyPair: KeyPair, release: Release.Release) {
  const earlier = yield* releaseOf(keyPair.publicKey, release.n, release.v)
  yield* refuseOther(earlier, release)
  if (Option.isSome(earlier)) {
    yield* put(earlier.value.record)
    return { signed: earlier.value, isNew: false }
  }
  const salt = KeyString.saltOf(KeyString.release(release.n, release.v))
  const record = Record.sign(keyPair, { salt, seq: Release.RELEASE_SEQ, value: releaseBytes(release) })
  yield* put(record)
  return { signed: { record, value: release }, isNew: true }
})

const putPackage = Effect.fnUntraced(function* (keyPair: KeyPair, release: Release.Release, isNew: boolean) {
  const keyString = KeyString.packageOf(release.n)
  const pair = yield* Lookup.both(keyPair.publicKey, keyString)
  const newest = Lookup.newest(pair)
  const found = newest === undefined ? undefined : yield* Lookup.open(Package.codec, keyString)(newest)
  const cas = pair.remote === undefined ? undefined : { cas: pair.remote.seq }
  if (
    found !== undefined &&
    (Package.lists(found.value, release.v) || (!isNew && Package.isTooOld(found.value, release.v)))
  ) {
    yield* put(found.record, cas)
    return { pkg: found.value, record: found.record }
  }
  if (found !== undefined && found.value.c >= Package.VERSIONS_MAX) {
    const reason = new TooManyVersions({ package: release.n, max: Package.VERSIONS_MAX })
    return yield* new RegistryError({ reason })
  }
  const pkg = Package.add(found?.value, release, yield* Clock.currentTimeMillis)
  const record = Record.sign(keyPair, {
    salt: KeyString.saltOf(keyString),
    seq: (found?.record.seq ?? 0) + 1,
    value: Package.toBytes(pkg)
  })
  yield* put(record, cas)
  return { pkg, record }
})

/** The claim keeps the date of the publisher's first one, where that is still known. */
const claimName = Effect.fnUntraced(function* (keyPair: KeyPair, pkg: Package.Package) {
  const now = yield* Clock.currentTimeMillis
  return yield* NameIndex.join(pkg.n, (known) => {
    const own = known.get(PublicKey.toHex(keyPair.publicKey))
    if (own !== undefined && own.lv === pkg.l.v) return own
    return NameClaim.sign(keyPair, pkg.n, {
      latestVersion: pkg.l.v,
      firstSeen: Math.min(own?.fs ?? pkg.t, now),
      // Newer than the claim it replaces, even where the clock was set back in between.
      timestamp: Math.max(now, (own?.t ?? 0) + 1)
    })
  })
})
