/**
 * Which entries of a trace a page holds, and the trace as text. A long trace does not fit: all that is no
 * message comes first, then the latest messages, as a finding is at the end. What is left out leaves a line that
 * says how much it was.
 */
import type { Report } from "../Simulation.ts"
import { type Entry, lineOf, timeOf } from "../Trace.ts"
import { bytesOf, countOf, html } from "./Text.ts"

/** Lines of the trace as text. */
export const LINES_MAX = 20_000

/** Bytes of the trace as text; a trace of long lines has fewer of them. */
export const LINES_BYTES_MAX = 2_600_000

/** Lines of a block: what is not on the screen is laid out block by block. */
const BLOCK_LINES = 200

/** Places of entries in `report.trace`, rising. */
export type Selection = ReadonlyArray<number>

const isMessage = (entry: Entry | undefined): boolean =>
  entry !== undefined && (entry.kind === "sent" || entry.kind === "lost" || entry.kind === "twice")

/**
 * At most `max` entries. What is selected for a smaller number is selected for a greater one too, and may be selected
 * out of that: `within`.
 */
export const select = (trace: ReadonlyArray<Entry>, max: number, within?: Selection): Selection => {
  const size = within?.length ?? trace.length
  const placeOf = (at: number): number => within?.[at] ?? at
  if (size <= max) return within ?? trace.map((_, index) => index)
  let others = 0
  for (let at = 0; at < size; at++) if (!isMessage(trace[placeOf(at)])) others++
  others = Math.min(others, Math.floor(max / 2))
  let messages = max - others
  const chosen: Array<number> = []
  for (let at = size - 1; at >= 0 && others + messages > 0; at--) {
    const index = placeOf(at)
    if (isMessage(trace[index]) ? messages-- > 0 : others-- > 0) chosen.push(index)
    messages = Math.max(0, messages)
    others = Math.max(0, others)
  }
  return chosen.toReversed()
}

export interface Lines {
  readonly html: string
  readonly shown: number
}

const shownOf = (entry: Entry): Entry => ({
  ...entry,
  // Texts of the trace are cut one by one, so that a long name hides no text.
  from: entry.from.slice(0, 80),
  to: entry.to?.slice(0, 80)
})

const lineHtml = (entry: Entry, number: number): string => {
  const time = timeOf(entry.atMs)
  const line = lineOf(shownOf(entry))
  return `<p class="${entry.kind}" data-n="${number}"><i>${time}</i>${html(line.slice(time.length))}</p>`
}

const gapHtml = (left: number): string =>
  left === 0 ? "" : `<p class="gap">${countOf(left, "line")} left out here</p>`

const block = (rows: ReadonlyArray<string>): string => `<div class="block">\n${rows.join("\n")}\n</div>`

const linesOf = ({ lines, trace }: Report, selection: Selection): string => {
  const first = lines - trace.length + 1
  const blocks: Array<string> = []
  let rows: Array<string> = []
  let next = 1
  for (const index of selection) {
    const entry = trace[index]
    if (entry === undefined) continue
    const number = first + index
    rows.push(gapHtml(number - next) + lineHtml(entry, number))
    next = number + 1
    if (rows.length < BLOCK_LINES) continue
    blocks.push(block(rows))
    rows = []
  }
  const rest = lines + 1 - next
  if (rest > 0) rows.push(gapHtml(rest))
  if (rows.length > 0) blocks.push(block(rows))
  return blocks.join("\n")
}

/** The next number to try where `max` things take `size` bytes and may take `limit`; a twentieth less than it seems, as sizes differ. */
export const fewer = (max: number, size: number, limit: number): number => Math.floor((max * 0.95 * limit) / size)

/** As much of the trace as fits, out of a selection. */
export const render = (report: Report, within: Selection): Lines => {
  for (let max = LINES_MAX; ;) {
    const selection = select(report.trace, max, within)
    const text = linesOf(report, selection)
    const size = bytesOf(text)
    if (max === 0 || size <= LINES_BYTES_MAX) return { html: text, shown: selection.length }
    max = fewer(selection.length, size, LINES_BYTES_MAX)
  }
}
