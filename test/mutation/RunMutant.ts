/**
 * Plays scenarios on the library with a bug in it, or as it is:
 * `node test/mutation/RunMutant.ts <bug, or "none"> '[{"scenario":"two-machines","seed":1}]' [findings to stop after]`.
 * Prints a line of JSON for each, as it is played.
 */
import type { Case } from "./Case.ts"
import * as MutantSource from "./MutantSource.ts"
import { mutants } from "./Mutants.ts"

const [name = "", cases = "[]", most = "Infinity"] = process.argv.slice(2)

const play = async () => {
  // Only now: what is loaded before the bug is in would be without it.
  const { runnerOf } = await import("./Runner.ts")
  const run = runnerOf()
  const wanted: ReadonlyArray<Case> = JSON.parse(cases)
  let left = Number(most)
  for (const each of wanted) {
    const played = run(each)
    process.stdout.write(`${JSON.stringify(played)}\n`)
    if (played.finding !== undefined && --left <= 0) break
  }
}

if (name !== "none") {
  const mutant = mutants.find((each) => each.name === name)
  if (mutant === undefined) throw new RangeError(`There is no bug "${name}" in test/mutation/Mutants.ts`)
  MutantSource.install(mutant)
}
await play()
