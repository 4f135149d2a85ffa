/**
 * What users were told, remembered outside of their machines: so that a scenario can say, whenever one of
 * them accepts something, whether it may be accepted after all that the same disk has seen before.
 */
import * as Effect from "effect/Effect"
import * as PublicKey from "../../core/PublicKey.ts"
import type { WarningCode } from "../../registry/Evidence.ts"
import type { Resolution } from "../../registry/Resolve.ts"
import type { Law } from "../simulation/Scenario.ts"
import type { Machine } from "../simulation/World.ts"
import { Unexpected } from "./Expectations.ts"

/** Number of the package record that a resolution went by; 0 where it had none. */
export const packageSeq = ({ evidence, publisher }: Resolution): number =>
  Math.max(
    0,
    ...evidence.looks
      .filter(({ kind, publicKey }) => kind === "package" && PublicKey.equals(publicKey, publisher))
      .map(({ seq }) => seq ?? 0)
  )

export const isWarned = ({ evidence }: Resolution, code: WarningCode): boolean =>
  evidence.warnings.some((warning) => warning.code === code)

/** A disk of a machine: another one after each loss. */
export const diskOf = ({ diskName }: Machine): string => diskName

export class Witness {
  #objection: string | undefined
  readonly #counts = new Map<string, number>()

  /** Something was accepted that may not be. The first objection stays. */
  object(problem: string): void {
    this.#objection ??= problem
  }

  /** Counts what is to be in the report. */
  count(what: string, by = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by)
  }

  /** Broken from the first objection on. */
  law(title: string): Law {
    return { title, broken: () => this.#objection }
  }

  /** With a zero for each of `names` that never happened. */
  figures(names: ReadonlyArray<string>): { readonly [name: string]: number } {
    return Object.fromEntries([...names.map((name) => [name, this.#counts.get(name) ?? 0] as const), ...this.#counts])
  }

  /**
   * Work of which the outcome is judged by what was known when it began: `before` is asked then, `judge` with its
   * answer and the outcome when it is done.
   */
  judged<A, E, R, B>(
    work: Effect.Effect<A, E, R>,
    before: () => B,
    judge: (outcome: A, before: B) => void
  ): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const known = before()
      return Effect.tap(work, (outcome) => Effect.sync(() => judge(outcome, known)))
    })
  }
}

/** A goal that is not reached yet, in words for the trace. */
export const notYet = (problem: string): Effect.Effect<never, Unexpected> => Effect.fail(new Unexpected({ problem }))
