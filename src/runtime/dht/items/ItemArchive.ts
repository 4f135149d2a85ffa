/**
 * Where items that a node holds outlive its process: a port that `ItemStore` writes behind itself, in
 * batches. What is read back is as untrusted as what comes over the wire.
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ExitCode } from "../../../protocol/core/Errors.ts"
import type { StoredItem } from "./StoredItem.ts"

/** An item with what the store knows of it. */
export interface Archived {
  /** 40 hex digits. */
  readonly target: string
  readonly item: StoredItem
  /** Unix ms of its last put. */
  readonly putAt: number
  /** `host:port` to which it is charged. */
  readonly sender: string
}

/** What has happened to a store since it was last asked. */
export interface Changes {
  /** New, renewed or put again. */
  readonly kept: ReadonlyArray<Archived>
  /** Targets of those that are there no more. */
  readonly gone: ReadonlyArray<string>
}

/** The file could not be read or written. The node goes on with what it has in memory. */
export class ArchiveUnavailable extends Schema.TaggedError<ArchiveUnavailable>()("ArchiveUnavailable", {
  action: Schema.Literals(["read", "written"]),
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  readonly hint =
    "The node works without it, and forgets others' records when it ends. Check the disk that holds its home."
  override get message() {
    return `The records that this node holds for others could not be ${this.action}: ${this.problem}`
  }
}

export interface ItemArchive {
  /**
   * Hands on every row that was put after `since` (Unix ms) or whose target (40 hex digits) is `pinned`, longest ago
   * first; rows that are no item are passed over. Gives how many those were. Other work gets its turn in between.
   */
  readonly load: (
    since: number,
    take: (archived: Archived) => void,
    pinned?: Iterable<string>
  ) => Effect.Effect<number, ArchiveUnavailable>
  /** All of it or nothing. */
  readonly write: (changes: Changes) => Effect.Effect<void, ArchiveUnavailable>
}
