/**
 * Looks for what catches a bug most cheaply: `node test/mutation/Search.ts <name> [seeds of each scenario]`, or `--lost`
 * for every bug that is not caught any more by what is written down, or `--all`. A find counts only where the same
 * seed finds nothing without the bug.
 */
import { all } from "../../src/protocol/testing/scenarios/Scenarios.ts"
import * as MutantRuns from "./MutantRuns.ts"
import { type Mutant, mutants } from "./Mutants.ts"
import type { Case, Caught } from "./Case.ts"

/** Seeds of each scenario unless told. */
const SEEDS = 8

/** So many times as many of the scenario that is written down. */
const KNOWN_FACTOR = 8

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

const runs = MutantRuns.start(AT_ONCE)

/** A run that does not come to an end is no find that a test could wait for. */
const play = (bug: string, caughtBy: Mutant["caughtBy"]): Promise<Caught> =>
  runs.play(bug, caughtBy).catch((error: unknown) => {
    say(`${bug}: ${String(error)}`)
    return { cpuMs: 0 }
  })

const search = async (mutant: Mutant, seeds: number): Promise<void> => {
  let played = 0
  for (const cases of casesFor(mutant, seeds)) {
    const finds: Array<Caught & Case> = []
    for (const each of cases) {
      if (finds.length >= FINDS) break
      played++
      const caught = await play(mutant.name, each)
      if (caught.finding !== undefined) finds.push({ ...each, ...caught })
    }
    for (const { cpuMs, finding, scenario, seed } of finds.toSorted((a, b) => a.cpuMs - b.cpuMs)) {
      if ((await play("none", { scenario, seed })).finding !== undefined) continue
      say(`${mutant.name}: { scenario: "${scenario}", seed: ${seed} } in ${cpuMs} ms\n  ${finding}`)
      return
    }
  }
  say(`${mutant.name}: nothing catches it in ${played} runs`)
}

const isLost = async ({ caughtBy, name }: Mutant): Promise<boolean> => {
  const [bad, good] = await Promise.all([play(name, caughtBy), play("none", caughtBy)])
  return bad.finding === undefined || good.finding !== undefined
}

const [what = "", count = String(SEEDS)] = process.argv.slice(2)
const chosen = what.startsWith("--") ? mutants : mutants.filter(({ name }) => name === what)
if (chosen.length === 0 || (what.startsWith("--") && what !== "--lost" && what !== "--all")) {
  say(`Name a bug, or give --lost or --all:\n${mutants.map(({ about, name }) => `  ${name}: ${about}`).join("\n")}`)
  process.exitCode = 2
} else {
  await Promise.all(
    chosen.map(async (mutant) => {
      if (what !== "--lost" || (await isLost(mutant))) await search(mutant, Number(count))
    })
  )
}
runs.end()
