/**
 * The drawing of who holds which record over time: a row for each target, shaded by the number of
 * holders, in another tint for each newer seq. A record that nobody holds any more is a red line; holders that are
 * behind the newest seq are an orange edge; a newest seq that falls is a red mark.
 */
import type { Report } from "../Simulation.ts"
import { timeOf } from "../Trace.ts"
import { type Cell, holdingsMapOf, type HoldingsMap, type Row } from "./Holdings.ts"
import type { PlanItem } from "./Plan.ts"
import { lengthOf } from "./Scene.ts"
import { count, countOf, html, json, percent, visible } from "./Text.ts"
import { axis, bands, findingLine } from "./Timeline.ts"

/** Height of a row, and of what is filled of it, in CSS px. */
export const ROW_PX = 18
const CELL_PX = 14

/** The fewest holders of each shade. */
export const SHADES: ReadonlyArray<number> = [1, 2, 4, 8, 16, 32]

/** Tints that newer and newer seqs go through. */
const TINTS = 3

/** The shade of a number of holders, from 1; 0 for none. */
export const shadeOf = (holders: number): number => SHADES.filter((least) => holders >= least).length

interface Piece {
  readonly from: number
  to: number
  readonly look: string
  readonly edge: string
}

/** Cells that look alike, side by side, are one piece. */
const piecesOf = ({ cells }: Row): ReadonlyArray<Piece> => {
  const pieces: Array<Piece> = []
  let wasHeld = false
  let newest: number | undefined
  let tint = 0
  cells.forEach((cell, at) => {
    let isFallen = false
    if (cell.newest !== undefined && cell.newest !== newest) {
      if (newest !== undefined) {
        tint = (tint + 1) % TINTS
        isFallen = cell.newest < newest
      }
      newest = cell.newest
    }
    wasHeld ||= cell.holders > 0
    const look = lookOf(cell, tint, wasHeld)
    const edge = isFallen ? "fallen" : cell.behind > 0 ? "behind" : ""
    const last = pieces.at(-1)
    if (last !== undefined && last.look === look && last.edge === edge && !isFallen) last.to = at
    else pieces.push({ from: at, to: at, look, edge })
  })
  return pieces.filter(({ look }) => look !== "")
}

const lookOf = ({ holders, newest }: Cell, tint: number, wasHeld: boolean): string => {
  if (holders === 0) return wasHeld ? "gone" : ""
  return `h${shadeOf(holders)} ${newest === undefined ? "still" : `q${tint}`}`
}

const rowSvg = (row: Row, place: number, map: HoldingsMap, length: number): string => {
  const y = place * ROW_PX + (ROW_PX - CELL_PX) / 2
  return piecesOf(row)
    .map(({ edge, from, look, to }) => {
      const startMs = map.times[from] ?? 0
      const x = percent(startMs, length)
      const width = percent((map.times[to + 1] ?? length) - startMs, length)
      const box = (kind: string, y: number, height: number) =>
        `<rect class="${kind}" x="${x}" width="${width}" y="${y}" height="${height}"/>`
      if (look === "gone") return box(look, y + CELL_PX / 2 - 1, 2)
      const under = edge === "behind" ? box("behind", y + CELL_PX - 3, 3) : ""
      const mark = edge === "fallen" ? `<rect class="fallen" x="${x}" width="3" y="${y}" height="${CELL_PX}"/>` : ""
      return box(look, y, CELL_PX) + under + mark
    })
    .join("")
}

const seqText = (newest: number | undefined): string => (newest === undefined ? "" : `seq ${newest}`)

/** The last seq that was the newest, and extremes since somebody held it first. */
const summaryOf = ({ cells }: Row) => {
  const first = cells.findIndex(({ holders }) => holders > 0)
  const since = cells.slice(Math.max(0, first)).map(({ holders }) => holders)
  let most = 0
  let fewest = since[0] ?? 0
  for (const holders of since) {
    most = Math.max(most, holders)
    fewest = Math.min(fewest, holders)
  }
  const newest = cells.findLast(({ newest }) => newest !== undefined)?.newest
  return { newest, last: cells.at(-1)?.holders ?? 0, most, fewest }
}

const tableOf = ({ rows }: HoldingsMap): string => {
  const lines = rows.map((row) => {
    const { fewest, last, most, newest } = summaryOf(row)
    const cells = [newest === undefined ? "immutable" : String(newest), count(last), count(fewest), count(most)]
    return `<tr><th scope="row"><code>${html(row.target, 64)}</code></th>${[...cells, count(row.changes)].map((text) => `<td>${text}</td>`).join("")}</tr>`
  })
  return `<details><summary>The same as a table</summary><div class="scroll" tabindex="0" role="region" aria-label="Holders as a table"><table>
<thead><tr><th scope="col">Target</th><th scope="col">Newest seq</th><th scope="col">Holders at the end</th><th scope="col">Fewest since first held</th><th scope="col">Most</th><th scope="col">Looks with a change</th></tr></thead>
<tbody>${lines.join("\n")}</tbody></table></div></details>`
}

const swatch = (kind: string, text: string, box = 'width="12" height="12"'): string =>
  `<span class="key"><svg class="swatch" aria-hidden="true"><rect class="${kind}" ${box}/></svg>${text === "" ? "" : ` ${text}`}</span>`

const legend = (): string => {
  const shades = SHADES.map((least, index) => {
    const next = SHADES[index + 1]
    return swatch(
      `h${index + 1} q0`,
      next === undefined ? `${least}+` : next - 1 === least ? `${least}` : `${least}–${next - 1}`
    )
  })
  return `<span class="keys">Holders: ${shades.join(" ")}</span>
<span class="keys">Tint changes with the newest seq: ${swatch("h4 q0", "")}${swatch("h4 q1", "")}${swatch("h4 q2", "")} ${swatch("h4 still", "immutable")}</span>
<span class="keys">${swatch("behind", "some holders are behind", 'y="8" width="12" height="3"')} ${swatch("fallen", "the newest seq fell", 'x="4" width="3" height="12"')} ${swatch("gone", "nobody holds it any more", 'y="5" width="12" height="2"')}</span>`
}

/** The script's part of the map, as JSON. */
const scriptJson = (map: HoldingsMap, length: number): string =>
  json({
    length,
    rowPx: ROW_PX,
    times: map.times,
    names: map.names,
    isCut: map.isCut,
    rows: map.rows.map(({ cells, target }, place) => ({
      target: visible(target, 64),
      holders: cells.map(({ holders }) => holders),
      newest: cells.map(({ newest }) => newest ?? -1),
      behind: cells.some(({ behind }) => behind > 0) ? cells.map(({ behind }) => behind) : 0,
      spans: map.spans[place]
    }))
  })

export const render = (report: Report, plan: ReadonlyArray<PlanItem>): string => {
  if (report.holdings.length === 0) {
    return '<p class="note">Nobody looked at who holds what: that takes a run that keeps all of its trace.</p>'
  }
  const map = holdingsMapOf(report.holdings)
  if (map.rows.length === 0)
    return `<p class="note">At none of ${countOf(map.times.length, "look")} did a node hold anything.</p>`
  const length = lengthOf(report)
  const height = map.rows.length * ROW_PX
  const labels = map.rows.map(({ target }) => `<li><code>${html(target, 64)}</code></li>`)
  const ends = map.rows.map((row) => {
    const { last, newest } = summaryOf(row)
    return `<li${last === 0 ? ' class="none"' : ""}><b>${count(last)}</b> ${seqText(newest)}</li>`
  })
  const left =
    map.left === 0
      ? ""
      : ` ${countOf(map.left, "target")} with no more changes ${map.left === 1 ? "is" : "are"} left out.`
  const label = `${countOf(map.rows.length, "target")} by ${countOf(map.times.length, "look")}, from ${timeOf(map.times[0] ?? 0)} to ${timeOf(map.times.at(-1) ?? 0)}; those that changed most come first.${left}`
  return `<figure class="holdings">
<div class="map">
<ol class="targets" aria-hidden="true">${labels.join("")}</ol>
<div id="map" tabindex="0" role="img" aria-label="${label} Arrow keys go from cell to cell."><svg class="plot" width="100%" height="${height}">${bands(report, plan)}${map.rows.map((row, place) => rowSvg(row, place, map, length)).join("\n")}
${findingLine(report)}<rect id="cell" width="0" height="${ROW_PX}"/></svg>${axis(length)}</div>
<ol class="ends" aria-hidden="true">${ends.join("")}</ol>
</div>
<p id="holders" class="readout" role="status" hidden></p>
<figcaption>${label} At the right: holders at the end.<br>${legend()}</figcaption>
${tableOf(map)}
</figure>
<script type="application/json" id="holdings-data">${scriptJson(map, length)}</script>`
}
