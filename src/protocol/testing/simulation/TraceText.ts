/**
 * A report as a person reads it: what is wrong, what of the plan is left, the end of the trace, and the
 * command that plays it again.
 */
import type { Report } from "./Simulation.ts"
import { lineOf, timeOf } from "./Trace.ts"

/** Lines of the trace shown before a failure. */
const LINES_SHOWN = 60

/** How to play a run again. */
export interface Replay {
  /** How the program is called: `ls-cli sim`. */
  readonly program: string
  readonly seed: number
  readonly scenario: string
  readonly nodes: number
  readonly without?: ReadonlySet<string> | undefined
  /** Further arguments, as they are to be typed. */
  readonly more?: ReadonlyArray<string> | undefined
}

/** `f1,f10,s2`: faults before steps, each by number. */
export const idsOf = (ids: Iterable<string>): string =>
  [...ids]
    .toSorted((one, other) =>
      one[0] === other[0] ? Number(one.slice(1)) - Number(other.slice(1)) : one < other ? -1 : 1
    )
    .join(",")

/** The command that plays a run again, with its whole trace. */
export const commandOf = ({ more = [], nodes, program, scenario, seed, without = new Set() }: Replay): string =>
  [
    `${program} --seeds 1 --start ${seed} --scenario ${scenario} --nodes ${nodes}`,
    ...(without.size === 0 ? [] : [`--without ${idsOf(without)}`]),
    ...more,
    "--trace"
  ].join(" ")

/** `1,234,567`. */
export const grouped = (count: number): string => String(Math.round(count)).replaceAll(/\B(?=(\d{3})+$)/g, ",")

const planOf = ({ planned }: Report): ReadonlyArray<string> =>
  planned.length === 0
    ? ["Nothing was planned."]
    : [
        "The plan:",
        ...planned
          .toSorted((one, other) => one.atMs - other.atMs)
          .map(({ atMs, id, title }) => `  ${id.padEnd(4)} ${timeOf(atMs)}  ${title}`)
      ]

const endOf = ({ lines, trace }: Report): ReadonlyArray<string> => {
  const shown = trace.slice(-LINES_SHOWN)
  if (shown.length === 0) return []
  const title = shown.length === lines ? "The whole trace:" : `The last ${shown.length} of ${grouped(lines)} lines:`
  return ["", title, ...shown.map((entry) => `  ${lineOf(entry)}`)]
}

/** What was found in a run, for people; `shown` without the end of the trace where that was printed already. */
export const linesOf = (
  report: Report,
  replay: string,
  shown: "with trace" | "without trace" = "with trace"
): ReadonlyArray<string> => {
  const { finding, nodes, scenario, seed } = report
  if (finding === undefined) return [`Seed ${seed} of ${scenario}, with ${nodes} nodes: nothing is wrong.`]
  return [
    `Seed ${seed} of ${scenario}, with ${nodes} nodes, fails after ${timeOf(finding.atMs)}:`,
    `  ${finding.kind}: ${finding.text}`,
    "",
    ...planOf(report),
    ...(shown === "with trace" ? endOf(report) : []),
    "",
    "Play it again with:",
    `  ${replay}`
  ]
}
