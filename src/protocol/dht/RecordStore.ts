/**
 * The records that this host has seen and means to keep: per `(publicKey, salt)` the newest one.
 * A publisher finds its own last word here when the network forgot it, and a seeder re-puts what it
 * holds without owning any key.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as StorageHint from "../core/StorageHint.ts"
import { ExitCode } from "../core/Errors.ts"
import * as Latin1 from "../core/Latin1.ts"
import type { PublicKey } from "../core/PublicKey.ts"
import type { Salt } from "./KeyString.ts"
import * as Record from "./Record.ts"

export class RecordStoreError extends Schema.TaggedError<RecordStoreError>()("RecordStoreError", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  get hint() {
    return StorageHint.of(this.problem, "Check that the directory exists, belongs to you and has free space.")
  }
  override get message() {
    return `Stored records in ${this.location} cannot be used: ${this.problem}`
  }
}

export class RecordStore extends Context.Service<
  RecordStore,
  {
    /** Keeps the record unless a newer one of its `(publicKey, salt)` is kept already. */
    readonly remember: (record: Record.Record) => Effect.Effect<void, RecordStoreError>
    readonly find: (publicKey: PublicKey, salt: Salt) => Effect.Effect<Option.Option<Record.Record>, RecordStoreError>
    readonly all: Effect.Effect<ReadonlyArray<Record.Record>, RecordStoreError>
  }
>()("@libreseed/protocol/dht/RecordStore") {
  static readonly layerMemory: Layer.Layer<RecordStore> = Layer.sync(RecordStore, () => {
    const records = new Map<string, Record.Record>()
    // All public keys have one length, so no two pairs have one key; a hash would take longer than all the rest.
    const key = (publicKey: PublicKey, salt: Salt) => Latin1.fromBytes(publicKey) + Latin1.fromBytes(salt)
    return RecordStore.of({
      remember: (record) =>
        Effect.sync(() => {
          const at = key(record.publicKey, record.salt)
          const known = records.get(at)
          records.set(at, known === undefined ? record : Record.newer(known, record))
        }),
      find: (publicKey, salt) => Effect.sync(() => Option.fromUndefinedOr(records.get(key(publicKey, salt)))),
      all: Effect.sync(() => [...records.values()])
    })
  })
}
