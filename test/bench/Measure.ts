/** Timing side by side: two ways of doing one thing take turns in one run, and their medians are compared. */
import { performance } from "node:perf_hooks"

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export const round = (value: number, digits = 2): number => Number(value.toFixed(digits))

/** Milliseconds that one call takes. */
export const time = async (work: () => unknown): Promise<number> => {
  const started = performance.now()
  await work()
  return performance.now() - started
}

export interface Compared {
  /** Medians in ms. */
  readonly ms: number
  readonly baselineMs: number
  /** How many times as long as the baseline. */
  readonly ratio: number
}

/** Runs both in turn, A B A B …, after one round that is not counted. `repeat` makes short work long enough to time. */
export const compare = async (
  subject: (round: number) => unknown,
  baseline: (round: number) => unknown,
  options: { readonly rounds: number; readonly repeat?: number }
): Promise<Compared> => {
  const repeat = options.repeat ?? 1
  const many = (work: (round: number) => unknown, round: number) => async () => {
    for (let i = 0; i < repeat; i++) await work(round * repeat + i)
  }
  const taken: Array<number> = []
  const baselineTaken: Array<number> = []
  for (let round = 0; round <= options.rounds; round++) {
    const a = await time(many(subject, round))
    const b = await time(many(baseline, round))
    if (round === 0) continue
    taken.push(a / repeat)
    baselineTaken.push(b / repeat)
  }
  const [ms, baselineMs] = [median(taken), median(baselineTaken)]
  return { ms: round(ms, 4), baselineMs: round(baselineMs, 4), ratio: round(ms / baselineMs) }
}
