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

const nameOf = (label: string): string => label.slice(0, label.lastIndexOf("@"))

/** Of names that are in both lists once, what they were and what they are; and what is only in one of them. */
const changesOf = (added: ReadonlyArray<string>, removed: ReadonlyArray<string>) => {
  const once = (labels: ReadonlyArray<string>) => {
    const names = labels.map(nameOf)
    return new Map(
      labels
        .filter((label) => names.indexOf(nameOf(label)) === names.lastIndexOf(nameOf(label)))
        .map((label) => [nameOf(label), label])
    )
  }
  const [before, after] = [once(removed), once(added)]
  const changed = [...before].flatMap(([name, old]) => {
    const label = after.get(name)
    return label === undefined ? [] : [{ name, old, label }]
  })
  const paired = new Set(changed.flatMap(({ label, old }) => [label, old]))
  return { changed, paired }
}

/** `named`: whether packages were asked for by name, so that who stands behind them is shown. */
export const tell = Effect.fnUntraced(function* (report: InstallReport.InstallReport, named: boolean) {
  const output = yield* Output
  const { added, foreign, installed, left, pinned, removed, scripts, warnings } = report
  // What others brought with them is counted, and not listed.
  const { changed, paired } = changesOf(added, removed)
  const seen = installed
    .map(({ name, version }) => `${name}@${version}`)
    .filter((each) => added.includes(each) && !paired.has(each))
  const moves = changed.map(({ label, name, old }) => `${old} → ${label.slice(name.length + 1)}`)
  yield* Effect.forEach([...left, ...warnings], (line) => output.note(`Note: ${line}`), { discard: true })
  yield* output.result(report, [
    ...(named ? installed.map(({ name, publisher, version }) => `${name}@${version}  by ${publisher}`) : []),
    ...listed("~", moves),
    ...(named ? [] : listed("+", seen)),
    ...listed(
      "-",
      removed.filter((each) => !paired.has(each))
    ),
    named ? InstallReport.installedLine(report) : InstallReport.summary(report)
  ])
  if (pinned.length > 0) {
    const names = [...new Set(pinned.map(({ name }) => name))].toSorted()
    yield* output.note(`From now on accepted from the same publisher only: ${shortly(names)}`)
  }
  if (scripts.run.length > 0) yield* output.note(`Scripts that were run: those of ${shortly(scripts.run)}`)
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
