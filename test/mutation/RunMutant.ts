/**
 * A process that tries bugs, one after the other, as its parent asks for them. What a bug does to a process, an endless
 * loop too, is the parent's to notice: it ends this one, and starts another.
 */
import * as fc from "fast-check"
import type { Caught, Question } from "./Case.ts"
import { mutants } from "./Mutants.ts"
import * as Properties from "./Properties.ts"
import type { Runner } from "./Runner.ts"
import * as Variants from "./Variants.ts"

const load = Variants.start()

/** What a scenario or a property says of the library with the bug in it. */
const findingOf = async ({ bug, caughtBy }: Question): Promise<string | undefined> => {
  const change = mutants.find(({ name }) => name === bug)
  if (change === undefined && bug !== "none")
    throw new RangeError(`There is no bug "${bug}" in test/mutation/Mutants.ts`)
  if ("scenario" in caughtBy) {
    const { runnerOf } = (await load("test/mutation/Runner.ts", change)) as { readonly runnerOf: () => Runner }
    return runnerOf()(caughtBy)
  }
  fc.configureGlobal({ seed: caughtBy.seed })
  await load(caughtBy.property, change)
  const law = Properties.take().get(caughtBy.title)
  if (law === undefined) throw new RangeError(`There is no property "${caughtBy.title}" in ${caughtBy.property}`)
  try {
    await law()
    return undefined
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    if (!said.includes("Property failed after")) throw error
    return said
  }
}

const answer = async (question: Question): Promise<Caught | { readonly error: string }> => {
  const before = process.cpuUsage()
  try {
    const finding = await findingOf(question)
    const { system, user } = process.cpuUsage(before)
    return { finding, cpuMs: Math.round((system + user) / 1000) }
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

process.on("message", (question: Question) => void answer(question).then((said) => process.send?.(said)))
process.on("disconnect", () => process.exit())
