/** What `ls-cli sim` says in the end, for people and for programs. */
import * as Schema from "effect/Schema"
import { ExitCode } from "../../protocol/core/Errors.ts"
import { HOUR } from "../../protocol/testing/simulation/Scenario.ts"
import type { Report } from "../../protocol/testing/simulation/Simulation.ts"
import * as TraceText from "../../protocol/testing/simulation/TraceText.ts"
import type { Played, Shrunk } from "../../runtime/simulation/SimMessages.ts"
import type { SimOptions } from "./SimOptions.ts"

/** Something was found. What it was stands on stdout. */
export class SimulationFailed extends Schema.TaggedError<SimulationFailed>()("SimulationFailed", {
  problem: Schema.String,
  hint: Schema.String
}) {
  readonly exitCode = ExitCode.internal
  override get message() {
    return this.problem
  }
}

/** Seeds named in one sentence. */
const NAMED = 10

export interface Outcome {
  readonly played: ReadonlyArray<Played>
  /** Real time of all of it. */
  readonly seconds: number
}

export const failuresOf = (played: ReadonlyArray<Played>): ReadonlyArray<Report> =>
  played.map(({ report }) => report).filter(({ finding }) => finding !== undefined)

/** The command that plays one run again. */
export const replayOf = (options: SimOptions, report: Report, without: Iterable<string> = options.without): string =>
  TraceText.commandOf({
    program: program(),
    seed: report.seed,
    scenario: report.scenario,
    nodes: report.nodes,
    without: new Set(without),
    more: [
      ...(options.network === "model" ? [] : [`--network ${options.network}`]),
      ...(options.module === undefined ? [] : [`--module ${typed(options.module)}`])
    ]
  })

/** Called by npm in a clone, the command is not in the path. */
const program = (): string =>
  process.env["npm_lifecycle_event"] === "sim" && process.env["npm_package_name"] === "@libreseed/protocol"
    ? "npm run -s sim --"
    : "ls-cli sim"

/** As a shell takes it for one word. */
const typed = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

/** Three digits that mean something, or all of those before the point. */
const rounded = (value: number): number => (value < 1_000 ? Number(value.toPrecision(3)) : Math.round(value))

const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)

const speedOf = ({ played, seconds }: Outcome) => ({
  perSecond: rounded(played.length / seconds),
  virtualHoursPerSecond: rounded(sum(played.map(({ report }) => report.virtualMs)) / HOUR / seconds)
})

const spreadOf = (values: ReadonlyArray<number>) => ({
  min: values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY),
  mean: rounded(sum(values) / values.length),
  max: values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY)
})

const figuresOf = (reports: ReadonlyArray<Report>) => {
  const names = new Set(reports.flatMap(({ figures }) => Object.keys(figures)))
  const valuesOf = (name: string) => reports.flatMap(({ figures }) => figures[name] ?? [])
  return Object.fromEntries([...names].map((name) => [name, spreadOf(valuesOf(name))]))
}

const scenariosOf = (played: ReadonlyArray<Played>) => {
  const byName = Map.groupBy(played, ({ report }) => report.scenario)
  return Object.fromEntries(
    [...byName].map(([name, each]) => {
      const reports = each.map(({ report }) => report)
      const virtualHours = rounded(sum(reports.map(({ virtualMs }) => virtualMs)) / HOUR)
      return [
        name,
        {
          seeds: each.length,
          failed: failuresOf(each).length,
          ms: spreadOf(each.map(({ ms }) => Math.round(ms))),
          virtualHours,
          lines: spreadOf(reports.map(({ lines }) => lines)),
          figures: figuresOf(reports)
        }
      ]
    })
  )
}

const findingOf = (options: SimOptions, report: Report) => ({
  seed: report.seed,
  scenario: report.scenario,
  nodes: report.nodes,
  kind: report.finding?.kind,
  text: report.finding?.text,
  atMs: report.finding?.atMs,
  stack: report.finding?.stack,
  replay: replayOf(options, report)
})

/** The document of `--json`; `seeds` were asked for, `played` counts. */
export const document = (options: SimOptions, outcome: Outcome) => {
  const { played } = outcome
  const failures = failuresOf(played)
  const whole = played.filter(({ report }) => report.hash !== "")
  return {
    seeds: options.seeds,
    failed: failures.map(({ seed }) => seed),
    traces: Object.fromEntries(whole.map(({ report }) => [String(report.seed), report.hash])),
    ...speedOf(outcome),
    played: played.length,
    start: options.start,
    network: options.network,
    workers: options.workers,
    seconds: rounded(outcome.seconds),
    memoryPerNodeBytes: played.find(({ memoryPerNodeBytes }) => memoryPerNodeBytes !== undefined)?.memoryPerNodeBytes,
    findings: failures.map((report) => findingOf(options, report)),
    scenarios: scenariosOf(played)
  }
}

const counted = (count: number, what: string): string => `${TraceText.grouped(count)} ${what}${count === 1 ? "" : "s"}`

const listed = (failures: ReadonlyArray<Report>): string => {
  const names = failures.slice(0, NAMED).map(({ seed }) => String(seed))
  return failures.length > NAMED ? `${names.join(", ")}, …` : names.join(", ")
}

/** One line: how many, how they fared, how fast. */
export const summary = (outcome: Outcome): string => {
  const { played } = outcome
  const failures = failuresOf(played)
  const scenarios = new Set(played.map(({ report }) => report.scenario)).size
  const { perSecond, virtualHoursPerSecond } = speedOf(outcome)
  const verdict = failures.length === 0 ? "no failure" : `${failures.length} failed (${listed(failures)})`
  const hours = virtualHoursPerSecond < 10 ? String(virtualHoursPerSecond) : TraceText.grouped(virtualHoursPerSecond)
  const speed = `${perSecond} seeds a second, ${hours} virtual hours a second`
  return `${counted(played.length, "seed")}, ${counted(scenarios, "scenario")}: ${verdict}. ${speed}`
}

/** One line for each failure after the first. */
export const furtherLines = (options: SimOptions, failures: ReadonlyArray<Report>): ReadonlyArray<string> =>
  failures.length < 2
    ? []
    : [
        "",
        "Further failures:",
        ...failures
          .slice(1)
          .flatMap((report) => [
            `  seed ${report.seed} of ${report.scenario}: ${report.finding?.kind}: ${report.finding?.text}`,
            `    ${replayOf(options, report)}`
          ])
      ]

/** What the command ends with; nothing where nothing was found. */
export const failure = (
  options: SimOptions,
  played: ReadonlyArray<Played>,
  shrunk: Shrunk | undefined
): SimulationFailed | undefined => {
  const failures = failuresOf(played)
  const [first] = failures
  if (first?.finding === undefined) return undefined
  const { finding, scenario, seed } = first
  const replay = shrunk === undefined ? replayOf(options, first) : replayOf(options, shrunk.report, shrunk.without)
  const one = `Seed ${seed} of ${scenario} fails: ${finding.kind}: ${finding.text}`
  const problem = failures.length === 1 ? one : `${failures.length} of ${played.length} seeds fail. ${one}`
  return new SimulationFailed({ problem, hint: `Play it again: ${replay}` })
}
