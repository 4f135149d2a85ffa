/**
 * What the timeline draws: the latest entries one by one, as columns of numbers, and all messages before
 * them counted by lane and stretch of time. Both together are every message once, so that they can be added.
 */
import type { Report } from "../Simulation.ts"
import { type Cast, castOf, NOBODY } from "./Cast.ts"
import { fewer, select, type Selection } from "./Lines.ts"
import type { PlanItem } from "./Plan.ts"
import { rowsOf } from "./Plan.ts"
import { json, visible } from "./Text.ts"
import type { Kind } from "../Trace.ts"

/** Entries that are drawn one by one. */
export const MARKS_MAX = 150_000

/** Bytes of them; fewer are drawn one by one where they take more. */
export const MARKS_BYTES_MAX = 2_200_000

/** Stretches of time by which the others are counted. */
export const BUCKETS = 600

/** Rows for faults and for steps. */
const PLAN_ROWS_MAX = 8

/** Things of the plan that are drawn. */
export const PLAN_DRAWN_MAX = 200

/** In the order of their numbers in the columns. */
export const KINDS: ReadonlyArray<Kind> = ["sent", "lost", "twice", "did", "disk", "fault", "heal", "broke", "note"]

/** Whole ms, whatever a report says. */
const wholeMs = (ms: number): number => (Number.isFinite(ms) ? Math.max(0, Math.round(ms)) : 0)

/** How long the run was, in virtual ms: at least 1, and at least as long as its trace. */
export const lengthOf = ({ finding, trace, virtualMs }: Report): number =>
  Math.max(1, wholeMs(virtualMs), wholeMs(trace.at(-1)?.atMs ?? 0), wholeMs(finding?.atMs ?? 0))

const stepsUp = (numbers: ReadonlyArray<number>): ReadonlyArray<number> =>
  numbers.map((number, index) => number - (numbers[index - 1] ?? 0))

/** The entries as columns: time (as steps), kind, sender, receiver, and for messages that arrive the time they take. */
const marksOf = ({ lines, trace }: Report, selection: Selection, cast: Cast) => {
  const first = lines - trace.length + 1
  const times: Array<number> = []
  const from: Array<number> = []
  const to: Array<number> = []
  const delays: Array<number> = []
  // Where numbers of lines jump: [place in the columns, number of the line].
  const jumps: Array<number> = []
  let kinds = ""
  let expected = NOBODY
  selection.forEach((index, place) => {
    const entry = trace[index]
    if (entry === undefined) return
    if (index !== expected) jumps.push(place, first + index)
    expected = index + 1
    times.push(wholeMs(entry.atMs))
    kinds += KINDS.indexOf(entry.kind)
    from.push(cast.of(entry.from))
    to.push(cast.of(entry.to))
    if (entry.kind === "sent" || entry.kind === "twice") delays.push(wholeMs(entry.delayMs ?? 0))
  })
  return { times: stepsUp(times), kinds, from, to, delays, jumps }
}

/** Messages that are not among the selected, by lane: sent, received, lost. */
const countsOf = ({ trace }: Report, selection: Selection, cast: Cast, length: number) => {
  const zeros = () => Array.from({ length: BUCKETS }, () => 0)
  const sent = Array.from({ length: cast.lanes }, zeros)
  const received = Array.from({ length: cast.lanes }, zeros)
  const lost = Array.from({ length: cast.lanes }, zeros)
  const add = (counts: ReadonlyArray<Array<number>>, participant: number, bucket: number) => {
    const lane = participant === NOBODY ? undefined : counts[cast.laneOf(participant)]
    if (lane !== undefined) lane[bucket] = (lane[bucket] ?? 0) + 1
  }
  let next = 0
  trace.forEach(({ atMs, from, kind, to }, index) => {
    if (selection[next] === index) {
      next++
      return
    }
    if (to === undefined) return
    const bucket = Math.min(BUCKETS - 1, Math.floor((wholeMs(atMs) * BUCKETS) / length))
    add(sent, cast.of(from), bucket)
    if (kind === "lost") add(lost, cast.of(from), bucket)
    else add(received, cast.of(to), bucket)
  })
  const short = (counts: ReadonlyArray<ReadonlyArray<number>>) =>
    counts.map((lane) => (lane.some((value) => value > 0) ? lane : 0))
  return { stretches: BUCKETS, sent: short(sent), received: short(received), lost: short(lost) }
}

const marksThatFit = (report: Report, cast: Cast) => {
  for (let max = MARKS_MAX; ;) {
    const selection = select(report.trace, max)
    const text = json(marksOf(report, selection, cast))
    if (max === 0 || text.length <= MARKS_BYTES_MAX) return { selection, text }
    max = fewer(selection.length, text.length, MARKS_BYTES_MAX)
  }
}

const planRows = (plan: ReadonlyArray<PlanItem>, length: number) => {
  const drawn = plan.slice(0, PLAN_DRAWN_MAX)
  return (["fault", "step", "goal"] as const).map((kind) => {
    const items = drawn.filter((item) => item.kind === kind && item.beganMs !== undefined)
    const rows = rowsOf(items, length, PLAN_ROWS_MAX)
    return items.map(({ atMs, endedMs, id, outcome, title }, index) => ({
      id: visible(id, 20),
      title: visible(title, 120),
      from: wholeMs(atMs),
      to: wholeMs(endedMs ?? length),
      outcome: outcome === undefined ? undefined : visible(outcome, 200),
      row: rows[index] ?? 0
    }))
  })
}

export interface Scene {
  /** For the script, as JSON. */
  readonly json: string
  /** Entries that are drawn one by one. */
  readonly selection: Selection
}

export const sceneOf = (report: Report, plan: ReadonlyArray<PlanItem>): Scene => {
  const length = lengthOf(report)
  const cast = castOf(report.trace, new Set(report.planned.map(({ id }) => id)))
  const { selection, text } = marksThatFit(report, cast)
  const { finding } = report
  const rest = json({
    length,
    hosts: cast.hosts,
    nodes: stepsUp(cast.nodes),
    hostile: stepsUp(cast.hostile),
    nodeRows: cast.nodeRows,
    hostileRows: cast.hostileRows,
    plan: planRows(plan, length),
    finding: finding === undefined ? undefined : { at: wholeMs(finding.atMs), text: visible(finding.text, 200) },
    counts: selection.length < report.trace.length ? countsOf(report, selection, cast, length) : undefined
  })
  return { json: `${rest.slice(0, -1)},"marks":${text}}`, selection }
}
