/**
 * The whole run at a glance, as a drawing that needs no script: messages by time, what was done to the
 * network, steps, and the finding. The script puts a finer view below it and lets one choose a part of it.
 */
import type { Report } from "../Simulation.ts"
import { timeOf } from "../Trace.ts"
import { BUCKETS, lengthOf } from "./Scene.ts"
import type { PlanItem } from "./Plan.ts"
import { count, countOf, duration, percent } from "./Text.ts"

/** Columns of the overview. */
const COLUMNS = 400

/** Labels on an axis, at most. */
const TICKS = 8

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Steps of an axis, in ms. */
const TICK_STEPS: ReadonlyArray<number> = [
  1,
  2,
  5,
  10,
  20,
  50,
  100,
  200,
  500,
  ...[1, 2, 5, 10, 15, 30].map((step) => step * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((step) => step * MINUTE),
  ...[1, 2, 3, 6, 12].map((step) => step * HOUR),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 10_000, 100_000].map((step) => step * DAY)
]

const tickText = (ms: number, step: number): string => {
  if (step >= DAY) return `day ${ms / DAY}`
  return step >= SECOND ? timeOf(ms).slice(0, -4) : timeOf(ms)
}

/** Labels under a drawing that is as wide as the run is long. */
export const axis = (length: number): string => {
  const step = TICK_STEPS.find((step) => length / step <= TICKS) ?? length
  const ticks = Array.from({ length: Math.floor(length / step) + 1 }, (_, index) => index * step)
  const labels = ticks.map((ms, index) => {
    const isAtEnd = ms > length * 0.93
    const anchor = index === 0 ? "start" : isAtEnd ? "end" : "middle"
    return `<text x="${percent(ms, length)}" y="13" text-anchor="${anchor}"${index % 2 === 1 ? ' class="odd"' : index % 4 === 2 ? ' class="half"' : ""}>${tickText(ms, step)}</text>`
  })
  return `<svg class="axis" width="100%" height="18" aria-hidden="true">${labels.join("")}</svg>`
}

/** Shaded where there were faults, lines where steps began and where the finding was. */
export const bands = (report: Report, plan: ReadonlyArray<PlanItem>): string => {
  const length = lengthOf(report)
  const shapes = plan.flatMap(({ atMs, beganMs, endedMs, kind }) => {
    if (beganMs === undefined) return []
    const x = percent(atMs, length)
    if (kind !== "fault") return [`<line class="${kind}" x1="${x}" x2="${x}" y1="0" y2="100%"/>`]
    const width = percent((endedMs ?? length) - atMs, length)
    return [`<rect class="fault" x="${x}" width="${width}" y="0" height="100%"/>`]
  })
  return shapes.join("")
}

/** The line of the finding. */
export const findingLine = (report: Report): string => {
  if (report.finding === undefined) return ""
  const x = percent(report.finding.atMs, lengthOf(report))
  return `<line class="finding" x1="${x}" x2="${x}" y1="0" y2="100%"/>`
}

const columnsOf = (
  report: Report
): { readonly arrived: ReadonlyArray<number>; readonly lost: ReadonlyArray<number> } => {
  const length = lengthOf(report)
  const arrived = Array.from({ length: COLUMNS }, () => 0)
  const lost = Array.from({ length: COLUMNS }, () => 0)
  for (const { atMs, kind, to } of report.trace) {
    if (to === undefined) continue
    const column = Math.min(COLUMNS - 1, Math.max(0, Math.floor((atMs * COLUMNS) / length)))
    const counts = kind === "lost" ? lost : arrived
    counts[column] = (counts[column] ?? 0) + 1
  }
  return { arrived, lost }
}

/** Bars in a box of `COLUMNS` x 100. Heights are roots, so that the few are seen beside the many; a share is one of the height. */
const bars = (counts: ReadonlyArray<number>, most: number, shares?: ReadonlyArray<number>): string =>
  counts
    .map((value, column) => {
      const part = shares?.[column] ?? value
      if (value === 0 || part === 0) return ""
      const height = (Math.max(3, 96 * Math.sqrt(value / most)) * part) / value
      return `M${column} 100V${Number((100 - height).toFixed(1))}h1V100z`
    })
    .join("")

const overview = (report: Report, plan: ReadonlyArray<PlanItem>): string => {
  const length = lengthOf(report)
  const { arrived, lost } = columnsOf(report)
  const all = arrived.map((value, column) => value + (lost[column] ?? 0))
  const most = Math.max(1, ...all)
  const messages = all.reduce((sum, value) => sum + value, 0)
  const missing = lost.reduce((sum, value) => sum + value, 0)
  const label =
    `Messages by time from 0 to ${timeOf(length)}: ${countOf(messages, "message")}, of which ${count(missing)} lost; ` +
    `at most ${count(most)} in ${duration(length / COLUMNS)}.`
  return `<figure class="overview" id="overview">
<svg class="plot" width="100%" height="76" role="img" aria-label="${label}">${bands(report, plan)}
<svg viewBox="0 0 ${COLUMNS} 100" preserveAspectRatio="none" width="100%" height="100%"><path class="arrived" d="${bars(all, most)}"/><path class="lost" d="${bars(all, most, lost)}"/></svg>
${findingLine(report)}<rect id="window" x="0" width="100%" y="0" height="100%"/></svg>
${axis(length)}
<figcaption>${label} Heights grow with the square root; red is the share that was lost. <span class="key"><svg class="swatch" aria-hidden="true"><rect class="arrived" width="12" height="12"/></svg> sent</span>
<span class="key"><svg class="swatch" aria-hidden="true"><rect class="lost" width="12" height="12"/></svg> lost</span>
<span class="key"><svg class="swatch" aria-hidden="true"><rect class="fault" width="12" height="12"/></svg> a fault lasts</span>
<span class="key"><svg class="swatch" aria-hidden="true"><line class="step" x1="6" x2="6" y1="0" y2="12"/></svg> a step begins</span>
<span class="key"><svg class="swatch" aria-hidden="true"><line class="goal" x1="6" x2="6" y1="0" y2="12"/></svg> a goal is reached</span>
<span class="key"><svg class="swatch" aria-hidden="true"><line class="finding" x1="6" x2="6" y1="0" y2="12"/></svg> the finding</span></figcaption>
</figure>`
}

/** `drawn` is how many entries the finer view draws one by one. */
export const render = (report: Report, plan: ReadonlyArray<PlanItem>, drawn: number): string => {
  if (report.trace.length === 0) return '<p class="note">Nothing of the trace was kept: there is nothing to draw.</p>'
  const left = report.trace.length - drawn
  const note =
    left === 0
      ? ""
      : `<p class="note">${count(drawn)} of ${count(report.trace.length)} entries are drawn one by one: all that are no messages, and the latest messages. Messages before them are counted in stretches of ${duration(lengthOf(report) / BUCKETS)}.</p>`
  return `${overview(report, plan)}
<noscript><p class="note">The finer view, the filter and the details under the pointer need scripts; everything else on this page does not.</p></noscript>
<figure id="view" hidden>
<div class="bar" role="group" aria-label="Part of the run that is shown">
<button type="button" id="whole">Whole run</button>
${report.finding === undefined ? "" : '<button type="button" id="to-finding">Finding</button>'}
<button type="button" id="out" aria-label="Show more time">−</button>
<input type="range" id="zoom" min="0" max="1000" value="0" step="1" aria-label="Zoom">
<button type="button" id="in" aria-label="Show less time">+</button>
<button type="button" id="back" aria-label="Earlier">◀</button>
<button type="button" id="forth" aria-label="Later">▶</button>
<output id="span"></output>
</div>
<canvas id="canvas" tabindex="0" role="img" aria-label="Timeline of hosts and storage nodes. Arrow keys move, plus and minus zoom, Home shows the whole run. The same is in the trace as text."></canvas>
<figcaption>Hosts: bars up are messages sent, bars down received; lost ones are red and end in a cross. Squares are writes to disk, triangles things that befall a host.
Storage nodes: the darker, the more messages. Close up, each message is a line from its sender to its receiver. Drag over the overview to choose a part, drag here to move, Ctrl and wheel to zoom, click to find the line in the trace.</figcaption>
</figure>
${note}`
}
