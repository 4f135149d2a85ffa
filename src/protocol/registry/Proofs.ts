/**
 * Proofs of equivocation: two records of one key that name different bytes for one version. Either
 * alone is valid; together they show to anybody, without trusting who shows them, that the publisher
 * cannot be believed about that version. A version with a proof is refused for good.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as StorageHint from "../core/StorageHint.ts"
import { ExitCode } from "../core/Errors.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"
import type { Record } from "../dht/Record.ts"

/** The first record is the one that this host saw first. Each is a release's or a package's with that release inlined. */
export interface Proof {
  readonly publisher: PublicKey.PublicKey
  readonly name: PackageName
  readonly version: Version
  readonly records: readonly [Record, Record]
  /** When this host found out, Unix ms. */
  readonly foundAt: number
}

export class ProofsError extends Schema.TaggedError<ProofsError>()("ProofsError", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  get hint() {
    return StorageHint.of(this.problem, "Check that the directory exists, belongs to you and has free space.")
  }
  override get message() {
    return `Stored proofs in ${this.location} cannot be used: ${this.problem}`
  }
}

export class Proofs extends Context.Service<
  Proofs,
  {
    /** Keeps a proof. The first one of a version stays. */
    readonly keep: (proof: Proof) => Effect.Effect<void, ProofsError>
    readonly find: (
      publisher: PublicKey.PublicKey,
      name: PackageName,
      version: Version
    ) => Effect.Effect<Option.Option<Proof>, ProofsError>
    /** In the order in which they were found. */
    readonly all: Effect.Effect<ReadonlyArray<Proof>, ProofsError>
  }
>()("@libreseed/protocol/registry/Proofs") {
  static readonly layerMemory: Layer.Layer<Proofs> = Layer.sync(Proofs, () => {
    const proofs = new Map<string, Proof>()
    const key = (publisher: PublicKey.PublicKey, name: PackageName, version: Version) =>
      `${PublicKey.toHex(publisher)} ${name}@${version}`
    return Proofs.of({
      keep: (proof) =>
        Effect.sync(() => {
          const at = key(proof.publisher, proof.name, proof.version)
          if (!proofs.has(at)) proofs.set(at, proof)
        }),
      find: (publisher, name, version) =>
        Effect.sync(() => Option.fromUndefinedOr(proofs.get(key(publisher, name, version)))),
      all: Effect.sync(() => [...proofs.values()])
    })
  })
}
