/** The shape of libreseed.lock.json. What it means, and what in it makes no sense, is told in `LockFile` and `LockConsistency`. */
import * as Schema from "effect/Schema"
import { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import { Version } from "../core/Version.ts"

export const LOCK_VERSION = 1

const Texts = Schema.Record(Schema.String, Schema.String)
const Names = Schema.Record(PackageName, Schema.String)

export const LockedPackage = Schema.Struct({
  name: PackageName,
  version: Version,
  /** Base64. */
  publisher: PublicKey.Base64Text,
  /** Hex. */
  infohash: Schema.String.check(Schema.isPattern(/^[0-9a-f]{40}$/)),
  /** Subresource integrity of the tarball, as npm writes it. */
  integrity: Schema.String.check(Schema.isPattern(/^sha512-[A-Za-z0-9+/]{86}==$/)),
  /** Hex: what its manifest calls the unpacked files. Always written; told anew where an older lock has none. */
  contentHash: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))),
  /** What it sees, by name: keys of `packages`. */
  dependencies: Names,
  /** Which of `dependencies` it can do without. */
  optionalDependencies: Schema.optionalKey(Schema.Array(PackageName)),
  optional: Schema.optionalKey(Schema.Literal(true)),
  os: Schema.optionalKey(Schema.Array(Schema.String)),
  cpu: Schema.optionalKey(Schema.Array(Schema.String))
})

export type LockedPackage = typeof LockedPackage.Type

export const LockFile = Schema.Struct({
  lockfileVersion: Schema.Literal(LOCK_VERSION),
  /** What was asked for, as package.json has it. */
  wishes: Schema.Struct({
    dependencies: Schema.optionalKey(Texts),
    optionalDependencies: Schema.optionalKey(Texts),
    peerDependencies: Schema.optionalKey(Texts),
    /** Those of `peerDependencies` that are optional. */
    peerDependenciesMeta: Schema.optionalKey(
      Schema.Record(Schema.String, Schema.Struct({ optional: Schema.Literal(true) }))
    )
  }),
  /** What the project sees, by name: keys of `packages`. */
  project: Names,
  packages: Schema.Record(Schema.String, LockedPackage),
  /** Which version answered which range: `name@range` to `name@version`. */
  answers: Texts
})

export type LockFile = typeof LockFile.Type
