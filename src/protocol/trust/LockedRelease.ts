/**
 * The release of a package whose publisher, version and bytes are settled already, by a lock file:
 * one look-up, that of its release record. A revocation that this host remembers is honoured; the
 * network is not asked for new ones, since what is locked are bytes, not whoever may sign next.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"
import type { Choice } from "../registry/DependencyGraph.ts"
import { refusalOf } from "../registry/PublisherTrust.ts"
import { PackageNotFound, RegistryError } from "../registry/RegistryError.ts"
import { releaseOf } from "../registry/Resolve.ts"
import * as Revocation from "./Revocation.ts"

/** Fails with `PublisherRevoked`, with `PackageNotFound` when the record is not to be had, or with `Equivocation`. */
export const find = Effect.fn("LockedRelease.find")(function* (
  publisher: PublicKey.PublicKey,
  name: PackageName,
  version: Version
) {
  const revoked = Option.getOrUndefined(yield* Revocation.recall(publisher))
  if (revoked !== undefined) return yield* refusalOf(name, revoked)
  const found = Option.getOrUndefined(yield* releaseOf(publisher, name, version))
  if (found !== undefined) return { publisher, release: found.value } satisfies Choice
  return yield* new RegistryError({
    reason: new PackageNotFound({ package: `${name}@${version}`, publisher: PublicKey.toBase64(publisher), others: [] })
  })
})
