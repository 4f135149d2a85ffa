/** `ls-cli sim`: plays scenarios on a hostile network, each from one number. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import type { Report } from "../../protocol/testing/simulation/Simulation.ts"
import { lineOf } from "../../protocol/testing/simulation/Trace.ts"
import * as TracePage from "../../protocol/testing/simulation/TracePage.ts"
import * as TraceText from "../../protocol/testing/simulation/TraceText.ts"
import type { Play, Played, Shrunk } from "../../runtime/simulation/SimMessages.ts"
import * as SimPool from "../../runtime/simulation/SimPool.ts"
import { Output } from "../Output.ts"
import * as SimOptions from "./SimOptions.ts"
import * as SimReport from "./SimReport.ts"

type Options = SimOptions.SimOptions

/** Real time that a command counts as at least, so that speeds are numbers. */
const SECONDS_MIN = 0.001

const list = Effect.fnUntraced(function* (pool: SimPool.Pool) {
  const output = yield* Output
  const width = Math.max(...pool.scenarios.map(({ name }) => name.length))
  yield* output.result(
    { scenarios: pool.scenarios },
    pool.scenarios.map(({ about, name }) => `${name.padEnd(width)}  ${about}`)
  )
})

const playAll = Effect.fnUntraced(function* (pool: SimPool.Pool, options: Options) {
  const output = yield* Output
  const { html, keepGoing, nodes, scenario, seeds, start, trace, without, workers } = options
  const startedMs = yield* Clock.currentTimeMillis
  let done = 0
  const label = seeds === 1 ? `Playing seed ${start}` : `Playing ${TraceText.grouped(seeds)} seeds`
  const played = yield* output.task(label, (update) =>
    pool.play({
      start,
      count: seeds,
      scenario,
      nodes,
      without,
      keep: trace || (html !== undefined && seeds === 1) ? "all" : "tail",
      workers,
      keepGoing,
      onPlayed: Effect.fnUntraced(function* () {
        done++
        const seconds = ((yield* Clock.currentTimeMillis) - startedMs) / 1000
        yield* update(`${TraceText.grouped(done)} done, ${(done / Math.max(SECONDS_MIN, seconds)).toFixed(1)} a second`)
      })
    })
  )
  const seconds = Math.max(SECONDS_MIN, ((yield* Clock.currentTimeMillis) - startedMs) / 1000)
  return { played, seconds }
})

/** The whole of a run that was played before, for a page. */
const replay = (pool: SimPool.Pool, options: Options, report: Report, without: ReadonlyArray<string>) =>
  Effect.map(
    pool.play({
      start: report.seed,
      count: 1,
      scenario: report.scenario,
      nodes: report.nodes,
      without,
      keep: "all",
      workers: 1,
      keepGoing: options.keepGoing,
      onPlayed: () => Effect.void
    }),
    ([played]) => played?.report ?? report
  )

const shrinkFirst = Effect.fnUntraced(function* (pool: SimPool.Pool, options: Options, report: Report | undefined) {
  const output = yield* Output
  // Where the thread was lost, it would be again.
  if (!options.shrink || report === undefined || report.hash === "") return undefined
  const { nodes, scenario, seed } = report
  const play: Play = { seed, scenario, nodes, without: options.without, keep: "tail" }
  const shrunk = yield* output.task(`Making the failure of seed ${seed} small`, (update) =>
    pool.shrink(play, (runs) => update(`${runs} runs`))
  )
  if (Option.isNone(shrunk)) yield* output.note("The failure could not be made small: its worker did not survive that.")
  return Option.getOrUndefined(shrunk)
})

const writePage = Effect.fnUntraced(function* (file: string, report: Report, command: string) {
  const output = yield* Output
  yield* Effect.try({
    try: () => Fs.writeFileSync(file, TracePage.render(report, command)),
    catch: (thrown) => SimOptions.notWritable(file, thrown)
  })
  yield* output.note(`Wrote ${file}: seed ${report.seed} of ${report.scenario}.`)
})

/** Writes the page of the one seed, or of the first that fails. */
const page = Effect.fnUntraced(function* (
  pool: SimPool.Pool,
  options: Options,
  played: ReadonlyArray<Played>,
  shrunk: Shrunk | undefined
) {
  const { html, seeds, without } = options
  if (html === undefined) return
  const [failed] = SimReport.failuresOf(played)
  const report = shrunk?.report ?? (seeds === 1 ? played[0]?.report : failed)
  const leftOut = shrunk?.without ?? without
  if (report !== undefined) {
    const whole = seeds === 1 && shrunk === undefined ? report : yield* replay(pool, options, report, leftOut)
    return yield* writePage(html, whole, SimReport.replayOf(options, whole, leftOut))
  }
  const output = yield* Output
  yield* output.note(`Nothing failed, so ${html} was not written; with --seeds 1 any seed has a page.`)
})

const shrunkLines = (options: Options, { isMinimal, report, runs, without }: Shrunk): ReadonlyArray<string> => [
  `Made small in ${runs} runs${isMinimal ? "" : "; there may be a smaller one"}:`,
  "",
  ...TraceText.linesOf(report, SimReport.replayOf(options, report, without))
]

const linesOf = (options: Options, outcome: SimReport.Outcome, shrunk: Shrunk | undefined): ReadonlyArray<string> => {
  const failures = SimReport.failuresOf(outcome.played)
  const [first] = failures
  const trace = options.trace ? outcome.played.flatMap(({ report }) => report.trace.map(lineOf)) : []
  const told =
    first === undefined
      ? []
      : shrunk === undefined
        ? TraceText.linesOf(first, SimReport.replayOf(options, first), options.trace ? "without trace" : "with trace")
        : shrunkLines(options, shrunk)
  const further = SimReport.furtherLines(options, failures)
  return [
    ...trace,
    ...(trace.length > 0 ? [""] : []),
    ...told,
    ...further,
    ...(told.length > 0 ? [""] : []),
    SimReport.summary(outcome)
  ]
}

const documentOf = (options: Options, outcome: SimReport.Outcome, shrunk: Shrunk | undefined) => ({
  ...SimReport.document(options, outcome),
  ...(shrunk === undefined
    ? {}
    : {
        shrunk: {
          ...shrunk,
          report: { nodes: shrunk.report.nodes, planned: shrunk.report.planned, finding: shrunk.report.finding },
          replay: SimReport.replayOf(options, shrunk.report, shrunk.without)
        }
      }),
  ...(options.trace ? { trace: outcome.played.flatMap(({ report }) => report.trace.map(lineOf)) } : {})
})

export const run = Effect.fnUntraced(function* (raw: SimOptions.Raw) {
  const output = yield* Output
  const options = yield* SimOptions.parse(raw)
  const context = yield* Effect.context<never>()
  const pool = yield* SimPool.open({
    module: options.moduleUrl,
    network: options.network,
    onOutput: (text) => void Effect.runForkWith(context)(output.note(text.trimEnd()))
  })
  if (options.list) return yield* list(pool)
  yield* SimOptions.known(options.scenario, pool.scenarios)
  const outcome = yield* playAll(pool, options)
  yield* SimOptions.leftOut(options.without, SimReport.failuresOf(outcome.played)[0])
  const shrunk = yield* shrinkFirst(pool, options, SimReport.failuresOf(outcome.played)[0])
  yield* page(pool, options, outcome.played, shrunk)
  yield* output.result(documentOf(options, outcome, shrunk), linesOf(options, outcome, shrunk))
  const failure = SimReport.failure(options, outcome.played, shrunk)
  if (failure !== undefined) return yield* failure
}, Effect.scoped)
