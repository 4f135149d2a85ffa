/**
 * Takes a published version back, as far as that is possible: a release is immutable and stays where it
 * is, but its publisher can say of it that nobody should be given it by range (yanked), or that it
 * should be used no more (deprecated). Both can be undone.
 *
 * The flags stand in the package's record. Where the newest version changes by them, the catalogue and
 * the claim on the name follow.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { KeyPair } from "../core/KeyPair.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"
import type { Record } from "../dht/Record.ts"
import * as Package from "./Package.ts"
import * as PublisherRecords from "./PublisherRecords.ts"
import { PackageNotFound, RegistryError, VersionNotFound } from "./RegistryError.ts"
import { releaseOf } from "./ReleaseLookup.ts"

export interface Options {
  /** Takes the flag away instead. */
  readonly undo?: boolean | undefined
}

export interface Retraction {
  readonly name: PackageName
  readonly version: Version
  /** {@link Package.Flag}s of the version from now on. */
  readonly flags: number
  /** The newest version that is not yanked, as the package's record inlines it. */
  readonly newest: Version
  /** Package, catalogue and name index, as the network holds them now. */
  readonly records: ReadonlyArray<Record>
}

const fail = (reason: RegistryError["reason"]) => Effect.fail(new RegistryError({ reason }))

/** Sets or takes away one flag of a version. Where it is so already nothing is written. */
const retract = Effect.fnUntraced(function* (
  keyPair: KeyPair,
  name: PackageName,
  version: Version,
  flag: number,
  undo: boolean
) {
  const now = yield* Clock.currentTimeMillis
  const publisher = PublicKey.toBase64(keyPair.publicKey)
  /** A release that is not to be had, for whatever reason, is not inlined: that must not keep a version from being yanked. */
  const atHand = (other: Version) =>
    releaseOf(keyPair.publicKey, name, other).pipe(
      Effect.map(Option.map(({ value }) => value)),
      Effect.orElseSucceed(() => Option.none())
    )
  const create = fail(new PackageNotFound({ package: name, publisher, others: [] }))
  const change = Effect.fnUntraced(function* (pkg: Package.Package) {
    const known = yield* Package.flagsOf(pkg, version)
    if (Option.isNone(known)) {
      return yield* fail(
        new VersionNotFound({
          package: name,
          range: version,
          publisher,
          // What is yanked can be meant, too: to take that back.
          available: pkg.vs.map(([listed]) => listed),
          unlisted: pkg.c - pkg.vs.length
        })
      )
    }
    const flags = undo ? known.value & ~flag : known.value | flag
    if (flags === known.value) return Option.none<Package.Draft>()
    return Option.some(yield* Package.setFlags(pkg, version, flags, now, atHand))
  })
  const options = { now, refresh: false, yields: false }
  const pkg = yield* PublisherRecords.writePackage(keyPair, name, { create, change }, options)
  const catalogue = yield* PublisherRecords.writeAnnounce(keyPair, pkg.value, options)
  const claim = yield* PublisherRecords.writeClaim(keyPair, name, catalogue.newest, options)
  return {
    name,
    version,
    flags: Option.getOrElse(yield* Package.flagsOf(pkg.value, version), () => 0),
    newest: pkg.value.l.v,
    records: [pkg.record, catalogue.record, claim]
  } satisfies Retraction
})

/** Nobody is given the version by range any more; by its exact number it is still to be had. Fails with `PackageNotFound` or `VersionNotFound`. */
export const yank = Effect.fn("Retract.yank")(
  (keyPair: KeyPair, name: PackageName, version: Version, options?: Options) =>
    retract(keyPair, name, version, Package.Flag.yanked, options?.undo ?? false)
)

/** Users of the version are told to use another. Fails with `PackageNotFound` or `VersionNotFound`. */
export const deprecate = Effect.fn("Retract.deprecate")(
  (keyPair: KeyPair, name: PackageName, version: Version, options?: Options) =>
    retract(keyPair, name, version, Package.Flag.deprecated, options?.undo ?? false)
)
