/**
 * Looks for what catches a bug most cheaply: `node test/mutation/Search.ts <name> [seeds of each scenario]`, or `--lost`
 * for every bug that is not caught any more by what is written down, or `--all`. A find counts only where the same
 * seed finds nothing without the bug.
 */
import { all } from "../../src/protocol/testing/scenarios/Scenarios.ts"
import * as MutantRuns from "./MutantRuns.ts"
import { type Mutant, mutants } from "./Mutants.ts"
import type { Case } from "./Case.ts"

/** Seeds of each scenario unless told. */
const SEEDS = 8

/** So many times as many of the scenario that is written down. */
const KNOWN_FACTOR = 8

/** Longest time of one search, ms. */
const SEARCH_MAX_MS = 600_000

/** Whatever takes longer is too expensive for a test. */
const TOO_SLOW = new Set(["year-of-re-puts"])

/** Finds of one bug after which it is enough: the cheapest of them is taken. */
const FINDS = 2

const AT_ONCE = 2

const say = (text: string): void => void process.stdout.write(`${text}\n`)

const scenarios = all.map(({ name }) => name).filter((name) => !TOO_SLOW.has(name))

const isKnown = ({ caughtBy }: Mutant, name: string): boolean => "scenario" in caughtBy && caughtBy.scenario === name

const seedsTo = (last: number, names: ReadonlyArray<string>): ReadonlyArray<Case> =>
  Array.from({ length: last }, (_, i) => names.map((scenario): Case => ({ scenario, seed: i + 1 }))).flat()

/** First many seeds of the scenario that is written down, then all others with one seed, and with the next. */
const casesFor = (mutant: Mutant, seeds: number): ReadonlyArray<ReadonlyArray<Case>> => [
  seedsTo(
    seeds * KNOWN_FACTOR,
    scenarios.filter((name) => isKnown(mutant, name))
  ),
  seedsTo(
    seeds,
    scenarios.filter((name) => !isKnown(mutant, name))
  )
]

const isSound = async (scenario: string, seed: number): Promise<boolean> => {
  const [played] = await MutantRuns.play("none", [{ scenario, seed }])
  return played !== undefined && played.finding === undefined
}

const search = async (mutant: Mutant, seeds: number): Promise<void> => {
  let runs = 0
  for (const cases of casesFor(mutant, seeds)) {
    const played = await MutantRuns.play(mutant.name, cases, FINDS, SEARCH_MAX_MS)
    runs += played.length
    const finds = played.filter(({ finding }) => finding !== undefined).toSorted((a, b) => a.cpuMs - b.cpuMs)
    for (const { cpuMs, finding, scenario, seed } of finds) {
      if (!(await isSound(scenario, seed))) continue
      say(`${mutant.name}: { scenario: "${scenario}", seed: ${seed} } in ${cpuMs} ms\n  ${finding}`)
      return
    }
  }
  say(`${mutant.name}: nothing catches it in ${runs} runs`)
}

const isLost = async (mutant: Mutant): Promise<boolean> => {
  if (!("scenario" in mutant.caughtBy)) return (await MutantRuns.prove(mutant.name, mutant.caughtBy)).holds
  const [[bad], [good]] = await Promise.all([
    MutantRuns.play(mutant.name, [mutant.caughtBy]),
    MutantRuns.play("none", [mutant.caughtBy])
  ])
  return bad?.finding === undefined || good?.finding !== undefined
}

const [what = "", count = String(SEEDS)] = process.argv.slice(2)
const chosen = what.startsWith("--") ? mutants : mutants.filter(({ name }) => name === what)
if (chosen.length === 0 || (what.startsWith("--") && what !== "--lost" && what !== "--all")) {
  say(`Name a bug, or give --lost or --all:\n${mutants.map(({ about, name }) => `  ${name}: ${about}`).join("\n")}`)
  process.exitCode = 2
} else {
  const turns = MutantRuns.turns(AT_ONCE)
  await Promise.all(
    chosen.map((mutant) =>
      turns(async () => {
        if (what !== "--lost" || (await isLost(mutant))) await search(mutant, Number(count))
      })
    )
  )
}
