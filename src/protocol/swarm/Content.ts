/**
 * The bytes of a torrent's files, laid end to end, wherever they are kept: memory, one file, many.
 * A swarm reads what it seeds and writes what it downloads through this interface and knows nothing
 * of paths.
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as StorageHint from "../core/StorageHint.ts"
import { ExitCode } from "../core/Errors.ts"

/** Reading or writing stored bytes failed. `problem` is the system's word for it, such as ENOSPC. */
export class StorageFailed extends Schema.TaggedError<StorageFailed>()("StorageFailed", {
  location: Schema.String,
  operation: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  get hint() {
    return StorageHint.of(
      this.problem,
      "Check that the directory exists, belongs to you and that the disk is sound, then run the command again."
    )
  }
  override get message() {
    return `Could not ${this.operation} ${this.location}: ${this.problem}`
  }
}

export interface Content {
  /** Whether nothing was there when it was opened, so that it need not be looked what is left of an earlier try. */
  readonly isNew?: boolean | undefined
  /** Exactly `length` bytes from `offset`; bytes never written fail or come as they are on the disk. */
  readonly read: (offset: number, length: number) => Effect.Effect<Uint8Array, StorageFailed>
  readonly write: (offset: number, bytes: Uint8Array) => Effect.Effect<void, StorageFailed>
}
