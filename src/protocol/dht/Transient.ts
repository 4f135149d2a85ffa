/**
 * Which failures of the DHT may pass by themselves, and how often a read is tried again for them.
 * UDP loses packets, and a node that has just started knows nobody yet.
 */
import type * as Effect from "effect/Effect"
import * as Retry from "../core/Retry.ts"
import type { DhtError } from "./DhtError.ts"

/** Nobody answered, or not in a way that could be used. Everything else stays as it is, however often it is asked. */
const READ_REASONS: ReadonlySet<DhtError["reason"]["_tag"]> = new Set(["NoNodes", "InvalidReply", "TooFewAnswers"])

/** Tries of one read: a machine without a network says so after some seconds. */
export const READ_TRIES = 3

/** Pauses between reads: about as long as a query waits for its answer, so a short outage is over. */
export const READ_PAUSES: Retry.Pauses = { base: "500 millis", factor: 2, maxPause: "4 seconds" }

/** Whether a read that failed so may succeed when it is made again. */
export const isTransient = (error: DhtError): boolean => READ_REASONS.has(error.reason._tag)

const RETRIES: Retry.Options<DhtError> = { ...READ_PAUSES, isTransient, maxTries: READ_TRIES }

/** Makes a read again while it fails for a reason that may pass: within the overall deadline, {@link READ_TRIES} times at most. */
export const retryRead = <A, R>(read: Effect.Effect<A, DhtError, R>): Effect.Effect<A, DhtError, R> =>
  Retry.transient(read, RETRIES)
