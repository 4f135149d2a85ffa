/** How often each law is tried: `FC_RUNS` times (1,000 unless set), from the seed `FC_SEED` where it is set. */
const RUNS_DEFAULT = 1_000

const wholeNumber = (name: string): number | undefined => {
  const text = process.env[name]
  if (text === undefined || text === "") return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${name} must be a whole number, not "${text}"`)
  return value
}

const numRuns = Math.max(1, wholeNumber("FC_RUNS") ?? RUNS_DEFAULT)
const seed = wholeNumber("FC_SEED")

export interface Runs {
  readonly numRuns: number
  readonly seed?: number
}

/** For `fc.assert(property, runs)`. */
export const runs: Runs = seed === undefined ? { numRuns } : { numRuns, seed }

/** For laws whose single run is a whole scenario: at most `limit` of them by default, more when `FC_RUNS` asks for more than its default. */
export const runsUpTo = (limit: number): Runs => ({
  ...runs,
  numRuns: numRuns > RUNS_DEFAULT ? numRuns : Math.min(limit, numRuns)
})
