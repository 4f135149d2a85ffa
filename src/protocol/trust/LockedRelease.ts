/**
 * The release of a package whose publisher, version and bytes are settled already, by a lock file: its
 * release record, where it is remembered, else one look-up that ends with the first node that gives it;
 * where that is not to be had, the package's record that is remembered will do. A revocation that this
 * host remembers is honoured; the network is not asked for new ones, since what is locked are bytes, not
 * whoever may sign next.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Infohash from "../core/Infohash.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"
import * as KeyString from "../dht/KeyString.ts"
import type { Choice } from "../registry/DependencyGraph.ts"
import * as Lookup from "../registry/Lookup.ts"
import * as NotAsked from "../registry/NotAsked.ts"
import * as Package from "../registry/Package.ts"
import { refusalOf } from "../registry/PublisherTrust.ts"
import { PackageNotFound, RegistryError } from "../registry/RegistryError.ts"
import * as Release from "../registry/Release.ts"
import * as ReleaseLookup from "../registry/ReleaseLookup.ts"
import * as Revocation from "./Revocation.ts"

/** The release as the package record that is remembered inlines it: the same key signed it, so it is as good. */
const inlined = Effect.fnUntraced(function* (publisher: PublicKey.PublicKey, name: PackageName, version: Version) {
  const record = yield* Lookup.recall(publisher, KeyString.saltOf(KeyString.packageOf(name)))
  const found = record === undefined ? undefined : Result.getOrUndefined(Package.decode(record.value))
  if (record === undefined || found === undefined || found.n !== name || found.l.v !== version) return undefined
  yield* ReleaseLookup.requireOne({ publisher, name, version }, [{ record, release: found.l }])
  return Release.withName(name, found.l)
})

/** The release record that says what is locked, from wherever it comes first. Only where it says something else all are heard. */
const agreeing = Effect.fnUntraced(function* (subject: ReleaseLookup.Subject, infohash: Infohash.Infohash) {
  const isLocked = ({ release }: ReleaseLookup.Statement) => Infohash.equals(release.ih, infohash)
  const [known] = yield* ReleaseLookup.recall(subject)
  if (known !== undefined && isLocked(known)) {
    yield* ReleaseLookup.requireOne(subject, [known])
    return Option.some(known)
  }
  const first = yield* ReleaseLookup.look(subject, { enough: 1 })
  return yield* ReleaseLookup.settle(first.statements.every(isLocked) ? first : yield* ReleaseLookup.look(subject))
})

/** With an `infohash` no other release is meant. Fails with `PublisherRevoked`, with `PackageNotFound` (offline `NotHeld`) when the record is not to be had, or with `Equivocation`. */
export const find = Effect.fn("LockedRelease.find")(function* (
  publisher: PublicKey.PublicKey,
  name: PackageName,
  version: Version,
  infohash?: Infohash.Infohash
) {
  const revoked = Option.getOrUndefined(yield* Revocation.recall(publisher))
  if (revoked !== undefined) return yield* refusalOf(name, revoked)
  const subject = { publisher, name, version }
  const looked =
    infohash === undefined ? ReleaseLookup.releaseOf(publisher, name, version) : agreeing(subject, infohash)
  const found = Option.getOrUndefined(yield* looked)
  const release = found === undefined ? yield* inlined(publisher, name, version) : found.value
  if (release !== undefined) return { publisher, release } satisfies Choice
  return yield* new RegistryError({
    reason: new PackageNotFound({ package: `${name}@${version}`, publisher: PublicKey.toBase64(publisher), others: [] })
  })
}, NotAsked.explain)
