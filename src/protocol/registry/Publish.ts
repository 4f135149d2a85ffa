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
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"
import { Dht } from "../dht/Dht.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import * as Lookup from "./Lookup.ts"
import * as NameClaim from "./NameClaim.ts"
import * as NameIndex from "./NameIndex.ts"
import * as Package from "./Package.ts"
import { RegistryError, VersionExists } from "./RegistryError.ts"
import * as Release from "./Release.ts"

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

/** The newest of what network and this host know; `networkSeq` is what a compare-and-swap must name. */
const newest = Effect.fnUntraced(function* <A>(
  publicKey: PublicKey.PublicKey,
  keyString: string,
  codec: Schema.Codec<A, Uint8Array>
) {
  const store = yield* RecordStore
  const kept = yield* store.find(publicKey, KeyString.saltOf(keyString))
  const local = Option.isSome(kept) ? yield* Lookup.open(codec, keyString)(kept.value) : undefined
  const remote = Option.getOrUndefined(yield* Lookup.find(publicKey, keyString, codec))
  const found =
    local === undefined || remote === undefined
      ? (local ?? remote)
      : Record.newer(local.record, remote.record) === local.record
        ? local
        : remote
  return { found, networkSeq: remote?.record.seq }
})

const put = Effect.fnUntraced(function* (record: Record.Record, options?: { readonly cas: number }) {
  const dht = yield* Dht
  const store = yield* RecordStore
  yield* dht.put(record, options).pipe(Effect.mapError((reason) => new RegistryError({ reason })))
  yield* store.remember(record)
  return record
})

/** The release of that version that this publisher signed earlier, wherever it is still known. */
export const existing = Effect.fnUntraced(function* (
  publicKey: PublicKey.PublicKey,
  name: PackageName,
  version: Version
) {
  const { found } = yield* newest(publicKey, KeyString.release(name, version), Release.codec)
  return Option.fromUndefinedOr(found)
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
  const signed = yield* putRelease(keyPair, release)
  const { pkg, record: packageRecord } = yield* putPackage(keyPair, signed.value)
  const indexRecord = yield* claimName(keyPair, pkg)
  return { release: signed.value, records: [signed.record, packageRecord, indexRecord] } satisfies Publication
})

const putRelease = Effect.fnUntraced(function* (keyPair: KeyPair, release: Release.Release) {
  const earlier = yield* existing(keyPair.publicKey, release.n, release.v)
  yield* refuseOther(earlier, release)
  if (Option.isSome(earlier)) {
    yield* put(earlier.value.record)
    return earlier.value
  }
  const salt = KeyString.saltOf(KeyString.release(release.n, release.v))
  const record = Record.sign(keyPair, { salt, seq: Release.RELEASE_SEQ, value: releaseBytes(release) })
  yield* put(record)
  return { record, value: release }
})

const putPackage = Effect.fnUntraced(function* (keyPair: KeyPair, release: Release.Release) {
  const keyString = KeyString.packageOf(release.n)
  const { found, networkSeq } = yield* newest(keyPair.publicKey, keyString, Package.codec)
  const cas = networkSeq === undefined ? undefined : { cas: networkSeq }
  if (found !== undefined && found.value.vs.some(([version]) => version === release.v)) {
    yield* put(found.record, cas)
    return { pkg: found.value, record: found.record }
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
      timestamp: now
    })
  })
})
