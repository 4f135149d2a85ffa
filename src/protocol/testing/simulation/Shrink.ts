/**
 * Makes a failure small: leaves out faults, steps and nodes for as long as the same thing is found, so that
 * what is left is what it takes. Delta debugging (Zeller and Hildebrandt, 2002): large parts first, then each by
 * itself. Every try is a run of its own, and the seed stays the same.
 */
import type { Options, Report } from "./Simulation.ts"

/** Runs that one failure is worth. */
const RUNS_MAX = 200

export interface Limits {
  /** Runs at most, the first one included; 200 unless told. */
  readonly runs?: number | undefined
  /** Told after each run. */
  readonly onRun?: ((runs: number) => void) | undefined
}

export interface Shrunk {
  /** Of the smallest run that still fails; of the only run where nothing fails. */
  readonly report: Report
  /** Everything that is left out in it. */
  readonly without: ReadonlySet<string>
  readonly runs: number
  /** Whether nothing more can be left out by itself; false where the runs were used up before. */
  readonly isMinimal: boolean
}

/** What is wrong, as far as two runs can be said to fail in the same way: the kind, and which law, goal or step it is. */
const subjectOf = ({ finding }: Report): string | undefined => {
  if (finding === undefined) return undefined
  const { kind, text } = finding
  return kind === "law" || kind === "goal" || kind === "step" ? `${kind} ${text.split(": ")[0]}` : kind
}

class Search {
  runs = 0
  smallest: Report
  without: ReadonlySet<string>
  readonly #subject: string | undefined
  readonly #options: Options
  readonly #run: (options: Options) => Report
  readonly #limits: Limits
  readonly #tried = new Set<string>()

  constructor(run: (options: Options) => Report, options: Options, limits: Limits) {
    this.#run = run
    this.#options = options
    this.#limits = limits
    this.without = options.without ?? new Set()
    this.smallest = this.#play(this.without, options.nodes)
    this.#subject = subjectOf(this.smallest)
  }

  get hasFailed(): boolean {
    return this.#subject !== undefined
  }

  get isOver(): boolean {
    return this.runs >= (this.#limits.runs ?? RUNS_MAX)
  }

  get nodes(): number {
    return this.smallest.nodes
  }

  /** What is still in the plan. */
  get left(): ReadonlyArray<string> {
    return this.smallest.planned.map(({ id }) => id)
  }

  /** Takes a smaller run if it fails in the same way. */
  try(leftOut: ReadonlyArray<string>, nodes: number): boolean {
    const without = new Set([...this.without, ...leftOut])
    const key = `${nodes} ${[...without].toSorted().join(",")}`
    if (this.isOver || this.#tried.has(key)) return false
    this.#tried.add(key)
    const report = this.#play(without, nodes)
    if (subjectOf(report) !== this.#subject) return false
    this.smallest = report
    this.without = without
    return true
  }

  #play(without: ReadonlySet<string>, nodes: number | undefined): Report {
    this.runs++
    const report = this.#run({ ...this.#options, without, nodes })
    this.#limits.onRun?.(this.runs)
    return report
  }
}

const partsOf = (ids: ReadonlyArray<string>, size: number): ReadonlyArray<ReadonlyArray<string>> =>
  Array.from({ length: Math.ceil(ids.length / size) }, (_, part) => ids.slice(part * size, (part + 1) * size))

/** Leaves out parts of the plan, from all of it down to one at a time, until none can be missed. */
const leaveOut = (search: Search): void => {
  const failedAtMs = search.smallest.finding?.atMs ?? 0
  const later = search.smallest.planned.filter(({ atMs }) => atMs > failedAtMs)
  search.try(
    later.map(({ id }) => id),
    search.nodes
  )
  for (let partSize = search.left.length; partSize >= 1 && !search.isOver;) {
    // The last ones first: what comes late is what most failures do not need.
    const parts = partsOf(search.left, partSize).toReversed()
    const isSmaller = parts.filter((part) => search.try(part, search.nodes)).length > 0
    if (partSize === 1 && !isSmaller) return
    partSize = Math.min(Math.max(1, Math.floor(partSize / 2)), search.left.length)
  }
}

/** Halves the network while it fails, then looks between the last size that fails and the first that does not. */
const useFewerNodes = (search: Search): void => {
  let tooFew = 0
  while (search.nodes - tooFew > 1 && !search.isOver) {
    const nodes = Math.floor((search.nodes + tooFew) / 2)
    if (!search.try([], nodes)) tooFew = nodes
  }
}

const sizeOf = (search: Search): string => `${search.left.length} ${search.nodes}`

/**
 * The smallest run that fails in the same way (the same law, goal or step, or the same kind of finding elsewhere) as this one does. `run` is
 * to give the same report for the same options.
 */
export const shrink = (run: (options: Options) => Report, options: Options, limits: Limits = {}): Shrunk => {
  const search = new Search(run, options, limits)
  if (search.hasFailed) {
    for (let before = ""; before !== sizeOf(search) && !search.isOver;) {
      before = sizeOf(search)
      leaveOut(search)
      useFewerNodes(search)
    }
  }
  return { report: search.smallest, without: search.without, runs: search.runs, isMinimal: !search.isOver }
}
