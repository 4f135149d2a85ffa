/** What an install came to, for people and for programs. */
import * as Effect from "effect/Effect"
import * as InstallReport from "../../runtime/install/InstallReport.ts"
import { Output } from "../Output.ts"

/** Packages named in the text for people; the document has them all. */
const SHOWN_MAX = 20

const listed = (sign: string, labels: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...labels.slice(0, SHOWN_MAX).map((label) => `  ${sign} ${label}`),
  ...(labels.length > SHOWN_MAX ? [`  ${sign} … and ${labels.length - SHOWN_MAX} more`] : [])
]

/** Several names in a sentence. */
const shortly = (names: ReadonlyArray<string>): string =>
  names.length > SHOWN_MAX
    ? `${names.slice(0, SHOWN_MAX).join(", ")} and ${names.length - SHOWN_MAX} more`
    : names.join(", ")

/** `named`: whether packages were asked for by name, so that who stands behind them is shown. */
export const tell = Effect.fnUntraced(function* (report: InstallReport.InstallReport, named: boolean) {
  const output = yield* Output
  const { added, foreign, installed, left, removed, scripts, warnings } = report
  // What others brought with them is counted, and not listed.
  const seen = installed.map(({ name, version }) => `${name}@${version}`).filter((each) => added.includes(each))
  yield* Effect.forEach([...left, ...warnings], (line) => output.note(`Note: ${line}`), { discard: true })
  yield* output.result(report, [
    ...(named ? installed.map(({ name, publisher, version }) => `${name}@${version}  by ${publisher}`) : []),
    ...(named ? [] : [...listed("+", seen), ...listed("-", removed)]),
    named ? InstallReport.installedLine(report) : InstallReport.summary(report)
  ])
  if (scripts.notRun.length > 0) {
    yield* output.note(
      `Scripts that were not run: those of ${shortly(scripts.notRun)}. To run them: ls-cli install --allow-scripts ${scripts.notRun.join(",")}`
    )
  }
  if (foreign.length > 0) {
    yield* output.note(
      `Left alone in node_modules, since ls-cli did not install it: ${shortly(foreign)}. Remove node_modules and install again to be rid of it.`
    )
  }
})
