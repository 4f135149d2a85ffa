/**
 * What every failure of this library has in common: a code, a sentence that says what happened
 * to what, a hint that says what to do next, and the exit code of a command that ends with it.
 *
 * Failures are grouped by domain: `DhtError`, `SwarmError`, … are the outer errors that a service
 * declares, and each carries the one `reason` that applies. Reasons are tagged schema errors.
 */
import * as Predicate from "effect/Predicate"

/** Exit codes of `ls-cli`; documented in `docs/spec/errors.md`. 128 + signal number follows POSIX shells. */
export const ExitCode = {
  ok: 0,
  /** A defect in this program. */
  internal: 1,
  /** The command line, a name, a range or a file given by the user cannot be used as it is. */
  usage: 2,
  /** Nobody publishes the name, or no version fits the range. */
  notFound: 3,
  /** Something was found and refused: a bad signature, hash, archive or publisher. */
  untrusted: 4,
  /** The DHT or the swarm could not be reached, or did not answer in time. */
  network: 5,
  /** The disk failed, is full, or refuses access. */
  storage: 6,
  interrupted: 130
} as const

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/** One way to fail, explained to a person. `message` names the thing that it happened to. */
export interface Explained {
  readonly _tag: string
  readonly message: string
  readonly hint: string
  readonly exitCode: ExitCode
}

const isExplained = (u: unknown): u is Explained =>
  Predicate.hasProperty(u, "hint") && Predicate.hasProperty(u, "exitCode") && Predicate.hasProperty(u, "message")

/** The innermost explained reason of an error, following `reason` links; `undefined` for foreign errors. */
export const explain = (error: unknown): Explained | undefined => {
  let found: Explained | undefined
  let current: unknown = error
  for (let depth = 0; depth < 8 && Predicate.isObject(current); depth++) {
    if (isExplained(current)) found = current
    current = Predicate.hasProperty(current, "reason") ? current.reason : undefined
  }
  return found
}
