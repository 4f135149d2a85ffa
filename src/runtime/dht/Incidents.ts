/**
 * What happens at a guarded socket, counted by reason; and where what others throw ends, since nothing of it
 * may escape a socket's handler.
 */
import type * as KrpcGuard from "./KrpcGuard.ts"
import type { Ignored } from "./KrpcReply.ts"
import type { Admission } from "./KrpcSenders.ts"

/** What the counters count: why a datagram was dropped, answered or changed, and what else went wrong. */
export type Reason =
  | KrpcGuard.DropReason
  | KrpcGuard.AnswerReason
  | Ignored
  | Exclude<Admission, "admitted">
  | "own-query"
  | "own-timeout"
  | "own-too-many"
  | "accepted-query"
  | "accepted-reply"
  | "served-query"
  | "reply-shortened"
  | "reply-withheld"
  | "port-zero"
  | "utp-refused"
  | "unsolicited-reply"
  | "second-identity"
  | "library-threw"
  | "handler-threw"
  | "send-failed"
  | "socket-error"

/** Whose code threw: the library's listeners, or the callbacks of our own that the socket was given. */
export type Thrower = "library-threw" | "handler-threw"

export class Incidents {
  readonly #counters = new Map<Reason, number>()
  readonly #onDefect: ((defect: unknown) => void) | undefined

  constructor(onDefect: ((defect: unknown) => void) | undefined) {
    this.#onDefect = onDefect
  }

  /** How often each thing has happened so far; a copy. */
  counters(): ReadonlyMap<Reason, number> {
    return new Map(this.#counters)
  }

  count(reason: Reason): void {
    this.#counters.set(reason, (this.#counters.get(reason) ?? 0) + 1)
  }

  defect(thrower: Thrower, defect: unknown): void {
    this.count(thrower)
    try {
      this.#onDefect?.(defect)
    } catch {
      // A handler for defects that is itself defective must not end the process either; the count stands.
    }
  }

  /** Runs it, and gives `otherwise` where it throws. */
  guarded<A>(thrower: Thrower, work: () => A, otherwise: A): A {
    try {
      return work()
    } catch (defect) {
      this.defect(thrower, defect)
      return otherwise
    }
  }
}
