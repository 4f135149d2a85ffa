/**
 * One run of a simulation as one HTML page that needs nothing else: what was planned, what was found, a
 * timeline of hosts and storage nodes, who held which record over time, and the trace as text.
 *
 * The trace comes from a hostile network, so that all of it is escaped, and the page's policy lets nothing load and
 * no script run but its own, named by its hash. The same report gives the same bytes.
 */
import { sha256 } from "@noble/hashes/sha2.js"
import * as Base64 from "effect/encoding/Base64"
import type { Report } from "./Simulation.ts"
import { timeOf } from "./Trace.ts"
import { commandOf } from "./TraceText.ts"
import * as Lines from "./page/Lines.ts"
import * as HoldersMap from "./page/Map.ts"
import { DONE, type PlanItem, planOf } from "./page/Plan.ts"
import { sceneOf } from "./page/Scene.ts"
import { filter, holders, shared } from "./page/Script.ts"
import { style } from "./page/Style.ts"
import { count, countOf, duration, figure, html } from "./page/Text.ts"
import * as Timeline from "./page/Timeline.ts"
import { timeline } from "./page/View.ts"
import type { Finding } from "./World.ts"

/** No page is larger, in bytes. Its parts have limits of their own that add up to less. */
export const PAGE_BYTES_MAX = 8_000_000

/** Things of the plan in the table, and figures. */
const PLAN_MAX = 200
const FIGURES_MAX = 100

/** Characters of a finding, and of a command. */
const FINDING_MAX = 4_000
const COMMAND_MAX = 2_000

const WORDS: { readonly [K in Finding["kind"]]: string } = {
  law: "a law was broken",
  goal: "a goal was not reached in time",
  step: "a step that had to succeed did not",
  defect: "the code under test has a defect",
  deadlock: "everything waits for ever",
  livelock: "no time passes",
  overtime: "work goes on long after the plan has ended",
  leak: "fibers outlived their machines",
  plan: "what was to be left out is not in the plan",
  "real world": "something real was used"
}

/** What plays the same run again, unless the caller says. */
const commandFor = ({ nodes, scenario, seed }: Report): string => {
  const name = /^[\w.-]+$/.test(scenario) ? scenario : `'${scenario.replaceAll("'", "'\\''")}'`
  return commandOf({ program: "ls-cli sim", seed, scenario: name, nodes })
}

const verdict = ({ finding }: Report): string => {
  if (finding === undefined) {
    return '<div class="verdict"><strong>Passed</strong><p>Every law held at every step, every goal was reached, nothing was left running.</p></div>'
  }
  return `<div class="verdict failed"><strong>Failed at ${timeOf(finding.atMs)}: ${WORDS[finding.kind]}</strong><p>${html(finding.text, FINDING_MAX)}</p></div>`
}

const facts = (report: Report, command: string): string => {
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["Seed", String(report.seed)],
    ["Storage nodes", count(report.nodes)],
    ["Virtual time", duration(report.virtualMs)],
    ["Lines of the trace", count(report.lines)],
    ["Events", count(report.events)],
    ...Object.entries(report.figures)
      .slice(0, FIGURES_MAX)
      .map(([name, value]) => [html(name, 80), figure(value)] as const)
  ]
  const cells = rows.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`)
  return `<dl>${cells.join("\n")}
<div class="wide"><dt>SHA-256 of the trace</dt><dd><code>${html(report.hash)}</code></dd></div>
<div class="wide"><dt>Plays it again</dt><dd><pre class="command" tabindex="0">${html(command, COMMAND_MAX)}</pre></dd></div></dl>`
}

const fateOf = (item: PlanItem, report: Report): string => {
  const { atMs, beganMs, endedMs, kind, outcome } = item
  if (beganMs === undefined && endedMs === undefined) {
    return report.trace.length < report.lines ? "not in the lines that were kept" : "the run ended before it"
  }
  if (kind === "goal") return "reached"
  const took = endedMs === undefined ? "" : duration(endedMs - atMs)
  if (kind === "fault") return endedMs === undefined ? "lasted to the end" : `healed after ${took}`
  if (endedMs === undefined) return '<span class="trouble">did not end</span>'
  return outcome === DONE
    ? `done in ${took}`
    : `<span class="trouble">gave up after ${took}:</span> ${html(outcome ?? "")}`
}

const planRow = (item: PlanItem, report: Report): string => {
  const { atMs, beganMs, endedMs, id, kind, title } = item
  const time =
    beganMs === undefined
      ? `<span>${timeOf(atMs)}</span>`
      : `<button type="button" data-at="${atMs}" data-to="${endedMs ?? atMs}" aria-label="Show ${html(id, 20)} at ${timeOf(atMs)}">${timeOf(atMs)}</button>`
  return `<tr><td class="time">${time}</td><td><span class="tag ${kind}">${kind === "goal" ? "goal" : `${kind} ${html(id, 20)}`}</span></td><td class="what"><bdi>${html(title)}</bdi></td><td class="what">${fateOf(item, report)}</td></tr>`
}

const planTable = (report: Report, plan: ReadonlyArray<PlanItem>): string => {
  if (plan.length === 0) return '<p class="note">Nothing was planned: no fault, no step.</p>'
  const left = plan.length - PLAN_MAX
  const rows = plan.slice(0, PLAN_MAX).map((item) => planRow(item, report))
  return `<div class="scroll" tabindex="0" role="region" aria-label="Plan"><table>
<thead><tr><th scope="col">Virtual time</th><th scope="col">Kind</th><th scope="col">What</th><th scope="col">What became of it</th></tr></thead>
<tbody>${rows.join("\n")}</tbody></table></div>${left > 0 ? `<p class="note">${count(left)} more are left out.</p>` : ""}`
}

const FILTERS: ReadonlyArray<readonly [string, string]> = [
  ["messages", "messages"],
  ["lost", "lost messages"],
  ["work", "work"],
  ["disk", "disk"],
  ["faults", "faults"]
]

const traceText = (report: Report, selection: Lines.Selection, command: string): string => {
  const { html: lines, shown } = Lines.render(report, selection)
  if (report.lines === 0) return '<p class="note">The trace is empty.</p>'
  const some =
    shown === report.lines
      ? ""
      : `<p class="note">This page holds ${count(shown)} of ${countOf(report.lines, "line")}: ${report.trace.length < report.lines && shown === report.trace.length ? "the last ones, as no more were kept" : "all that is no message, as far as there is room, and the latest messages"}. All of it: <code>${html(command, COMMAND_MAX)}</code></p>`
  const boxes = FILTERS.map(
    ([value, name]) => `<label><input type="checkbox" name="kind" value="${value}" checked> ${name}</label>`
  )
  return `${some}<div id="filters" role="search" hidden>
<input type="search" id="words" placeholder="alice put n17 …" aria-label="Words that a line must have" autocomplete="off" spellcheck="false">
${boxes.join("\n")}
<label><input type="checkbox" id="in-view"> only what the timeline shows</label>
<output id="shown" aria-live="polite">${countOf(shown, "line")}</output></div>
<div id="lines" tabindex="0" role="region" aria-label="Trace as text">
${lines}
</div>
<p class="note keys-of-trace">Virtual time, who, an arrow, whom, what: <code>-&gt;</code> sent, <code>-x</code> lost, <code>=&gt;</code> a second copy, <code>:</code> work, <code>#</code> a write to disk, <code>!</code> a fault, <code>~</code> healed, <code>X</code> the finding. Click a line to find it on the timeline.</p>`
}

const sourceOf = (text: string): string => `'sha256-${Base64.encode(sha256(new TextEncoder().encode(text)))}'`

const script = `(() => {"use strict"${shared}${filter}${timeline}${holders}})()`

/**
 * One page of HTML, to be written as UTF-8: at most `PAGE_BYTES_MAX` bytes, however long the trace. `command` plays the
 * run again: to be given where something of its plan was left out.
 */
export const render = (report: Report, command: string = commandFor(report)): string => {
  const plan = planOf(report)
  const scene = sceneOf(report, plan)
  const name = html(report.scenario, 100)
  const policy = `default-src 'none'; style-src ${sourceOf(style)}; script-src ${sourceOf(script)}; base-uri 'none'; form-action 'none'`
  return `<!doctype html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${report.finding === undefined ? "Passed" : "Failed"}: ${name}, seed ${report.seed}</title>
<style>${style}</style>
</head>
<body>
<main>
<header>
<h1>${name}</h1>
<p class="sub">A run of the simulation from seed ${report.seed}</p>
${verdict(report)}
${facts(report, command)}
</header>
<section aria-labelledby="plan-title"><h2 id="plan-title">Plan</h2>
${planTable(report, plan)}
</section>
<section aria-labelledby="timeline-title"><h2 id="timeline-title">Timeline</h2>
${Timeline.render(report, plan, scene.selection.length)}
</section>
<section aria-labelledby="holders-title"><h2 id="holders-title">Who holds which record</h2>
${HoldersMap.render(report, plan)}
</section>
<section aria-labelledby="trace-title"><h2 id="trace-title">Trace</h2>
${traceText(report, scene.selection, command)}
</section>
</main>
<div id="tip" role="tooltip" hidden></div>
<script type="application/json" id="scene">${scene.json}</script>
<script>${script}</script>
</body>
</html>
`
}
