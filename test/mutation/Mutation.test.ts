/**
 * Bugs put into the library on purpose: as it is nothing is found with the seed, and with the bug something
 * is. That is the measure of whether the simulation is worth its name.
 */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as MutantRuns from "./MutantRuns.ts"
import { type Mutant, mutants, type Property } from "./Mutants.ts"
import * as MutantSource from "./MutantSource.ts"
import type { Case, Played } from "./Case.ts"

/** Processes that run beside each other. */
const AT_ONCE = 2

/** All of them wait for their turns. */
const TIMEOUT_MS = 300_000

const isCase = (caughtBy: Mutant["caughtBy"]): caughtBy is Case => "scenario" in caughtBy

/** Each once, however many bugs it catches. */
const distinct = <A>(all: ReadonlyArray<A>): ReadonlyArray<A> => [
  ...new Map(all.map((each) => [JSON.stringify(each), each])).values()
]

const cases = distinct(mutants.map(({ caughtBy }) => caughtBy).filter(isCase))
const properties = distinct(mutants.map(({ caughtBy }) => caughtBy).filter((by): by is Property => !isCase(by)))

const wordsFor = ({ caughtBy }: Mutant): string =>
  isCase(caughtBy)
    ? `${caughtBy.scenario}, seed ${caughtBy.seed}`
    : `the property "${caughtBy.title}", seed ${caughtBy.seed}`

/** Half of the cases in each process: they take as long as the bugs do. */
const halves = <A>(all: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> => {
  const half = Math.ceil(all.length / AT_ONCE)
  return Array.from({ length: AT_ONCE }, (_, i) => all.slice(i * half, (i + 1) * half))
}

/** What a bug is found by; `undefined` where it is not. */
const findingOf = async ({ caughtBy, name }: Mutant): Promise<string | undefined> => {
  if (!isCase(caughtBy)) {
    const { holds, said } = await MutantRuns.prove(name, caughtBy)
    return holds ? undefined : said
  }
  const [played] = await MutantRuns.play(name, [caughtBy])
  assert.isDefined(played, `the run with "${name}" did not come to an end`)
  return played?.finding
}

let sound: ReadonlyArray<Promise<ReadonlyArray<Played>>> = []
let proofs: ReadonlyArray<Promise<MutantRuns.Proved>> = []
let findings: ReadonlyArray<Promise<string | undefined>> = []

beforeAll(() => {
  const quietly = <A>(all: ReadonlyArray<Promise<A>>): ReadonlyArray<Promise<A>> => {
    // Whoever waits for one hears of its failure.
    for (const each of all) each.catch(() => undefined)
    return all
  }
  const turns = MutantRuns.turns(AT_ONCE)
  sound = quietly(halves(cases).map((half) => turns(() => MutantRuns.play("none", half))))
  proofs = quietly(properties.map((property) => turns(() => MutantRuns.prove("none", property))))
  findings = quietly(mutants.map((mutant) => turns(() => findingOf(mutant))))
})

describe("bugs on purpose", () => {
  it("have one place each in the library as it is, and a name of their own", () => {
    for (const mutant of mutants) assert.notStrictEqual(MutantSource.sourceOf(mutant), "")
    assert.strictEqual(new Set(mutants.map(({ name }) => name)).size, mutants.length)
  })

  it(
    "are not found where there are none",
    async () => {
      const played = (await Promise.all(sound)).flat()
      assert.deepStrictEqual(
        played.flatMap(({ finding, scenario, seed }) => (finding === undefined ? [] : [{ scenario, seed, finding }])),
        []
      )
      assert.strictEqual(played.length, cases.length)
      for (const { holds, said } of await Promise.all(proofs)) assert.isTrue(holds, said)
    },
    TIMEOUT_MS
  )

  it.each(mutants.map((mutant, at) => ({ at, title: `${mutant.name}: ${wordsFor(mutant)}` })))(
    "are found: $title",
    async ({ at }) => {
      const { about, name } = mutants[at]!
      const hint = `node test/mutation/Search.ts ${name}`
      assert.isDefined(await findings[at], `Nobody notices that ${about}. Another seed may: ${hint}`)
    },
    TIMEOUT_MS
  )
})
