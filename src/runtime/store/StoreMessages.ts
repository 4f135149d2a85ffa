/** What is said between an install and the thread that works on its store. */
import type { Fetched } from "../../protocol/swarm/FetchRelease.ts"
import type { StoredRelease } from "../../protocol/swarm/PackageStore.ts"
import type { UnpackedIndex } from "./UnpackedIndex.ts"
import type { Places } from "./WriteRelease.ts"

/** What the thread is started with. */
export interface Setup {
  /** Absolute path of the home directory. */
  readonly home: string
}

export type Task =
  /** See `UnpackedReleases.ensure`. */
  | { readonly kind: "unpack"; readonly fetched: Fetched }
  /** See `WriteRelease.write`. */
  | { readonly kind: "write"; readonly stored: StoredRelease; readonly bytes: Uint8Array; readonly places: Places }

/** `undefined` asks it to end: what it unpacks is left as an interruption leaves it. */
export type Order = { readonly id: number; readonly task: Task } | undefined

/** What came of a task; nothing where it failed. */
export interface Outcome {
  /** Whether the thread has ended in the midst of it, and may have left a lock that looks held. */
  readonly isCutOff?: boolean | undefined
  /** The index of what lies unpacked now. */
  readonly unpacked?: UnpackedIndex | undefined
  /** Whether what was written is in its place. */
  readonly isInPlace?: boolean | undefined
}

export interface Reply extends Outcome {
  readonly id: number
}
