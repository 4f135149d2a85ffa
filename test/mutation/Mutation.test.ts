/**
 * Bugs put into the library on purpose: as it is nothing is found with the seed, and with the bug something
 * is. That is the measure of whether the simulation is worth its name.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { Case, Caught, Property } from "./Case.ts"
import * as MutantRuns from "./MutantRuns.ts"
import { type Mutant, mutants } from "./Mutants.ts"
import * as MutantSource from "./MutantSource.ts"

/** Processes that run beside each other. */
const AT_ONCE = 2

/** All of them wait for their turns. */
const TIMEOUT_MS = 300_000

const wordsFor = (by: Case | Property): string =>
  "scenario" in by ? `${by.scenario}, seed ${by.seed}` : `the property "${by.title}", seed ${by.seed}`

/** Each once, however many bugs it catches. */
const distinct: ReadonlyArray<Mutant["caughtBy"]> = [
  ...new Map(mutants.map(({ caughtBy }) => [JSON.stringify(caughtBy), caughtBy])).values()
]

let runs: MutantRuns.MutantRuns
let sound: ReadonlyArray<Promise<Caught>> = []
let unsound: ReadonlyArray<Promise<Caught>> = []

beforeAll(() => {
  runs = MutantRuns.start(AT_ONCE)
  const played = (bug: string, caughtBy: Mutant["caughtBy"]): Promise<Caught> => {
    const caught = runs.play(bug, caughtBy)
    // Whoever waits for it hears of its failure.
    caught.catch(() => undefined)
    return caught
  }
  sound = distinct.map((caughtBy) => played("none", caughtBy))
  unsound = mutants.map(({ caughtBy, name }) => played(name, caughtBy))
})

afterAll(() => runs.end())

describe("bugs on purpose", () => {
  it("have one place each in the library as it is, and a name of their own", () => {
    for (const mutant of mutants) assert.notStrictEqual(MutantSource.sourceOf(mutant), "")
    assert.strictEqual(new Set(mutants.map(({ name }) => name)).size, mutants.length)
  })

  it(
    "are not found where there are none",
    async () => {
      const found = (await Promise.all(sound)).flatMap(({ finding }, at) =>
        finding === undefined ? [] : [`${wordsFor(distinct[at]!)}: ${finding}`]
      )
      assert.deepStrictEqual(found, [])
    },
    TIMEOUT_MS
  )

  it.each(mutants.map(({ caughtBy, name }, at) => ({ at, title: `${name}: ${wordsFor(caughtBy)}` })))(
    "are found: $title",
    async ({ at }) => {
      const { about, name } = mutants[at]!
      const { finding } = await unsound[at]!
      const hint = `node test/mutation/Search.ts ${name}`
      assert.isDefined(finding, `Nobody notices that ${about}. Another seed may: ${hint}`)
    },
    TIMEOUT_MS
  )
})
