/**
 * Tries bugs in processes of their own, a few at a time: whatever a bug does to a process, an endless loop too, it
 * does to nobody else. A process is asked for one after the other, since half of what it takes is to read the library.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import * as Path from "node:path"
import type { Case, Caught, Property, Question } from "./Case.ts"

/** Longest time of one run, ms; it takes a second on a quiet machine. */
const RUN_MAX_MS = 120_000

/** Bugs that one process is asked for: it keeps what it loaded, some 10 MB for each. */
const QUESTIONS_MAX = 30

/** Values that a property is tried with. */
const FC_RUNS = 1_000

const root = Path.resolve(import.meta.dirname, "../..")

/** What was read once is kept, by its content. */
const compiled = Path.join(root, ".cache", "compile")

/** A process, and how many it may still be asked for. */
interface Worker {
  readonly child: ChildProcess
  left: number
}

const worker = (): Worker => ({
  left: QUESTIONS_MAX,
  child: fork(Path.join(import.meta.dirname, "RunMutant.ts"), {
    cwd: root,
    execArgv: ["--disable-warning=ExperimentalWarning"],
    env: { ...process.env, NODE_COMPILE_CACHE: compiled, FC_RUNS: String(FC_RUNS), FC_SEED: "" },
    stdio: ["ignore", "ignore", "inherit", "ipc"]
  })
})

/** The answer of a process; `undefined` when it gave none in time, or ended. */
const answerOf = async (
  { child }: Worker,
  question: Question
): Promise<Caught | { readonly error: string } | undefined> => {
  const abort = new AbortController()
  const { signal } = abort
  const timer = setTimeout(() => abort.abort(), RUN_MAX_MS)
  try {
    child.send(question)
    const [said] = await Promise.race([
      once(child, "message", { signal }),
      once(child, "exit", { signal }).then(() => [])
    ])
    return said
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
    abort.abort()
  }
}

export interface MutantRuns {
  /** Tries a bug, or "none", when its turn comes. Rejects when it cannot be run, or does not come to an end. */
  readonly play: (bug: string, caughtBy: Case | Property) => Promise<Caught>
  readonly end: () => void
}

/** Processes that work beside each other on what they are asked for, in its order. */
export const start = (atOnce: number): MutantRuns => {
  const idle: Array<Worker | undefined> = Array.from({ length: atOnce }, () => undefined)
  const waiting: Array<(worker: Worker | undefined) => void> = []
  const alive = new Set<Worker>()

  const end = (each: Worker) => {
    alive.delete(each)
    each.child.kill("SIGKILL")
  }
  const begin = () => {
    const each = worker()
    alive.add(each)
    return each
  }
  const giveBack = (each: Worker | undefined) => {
    const next = waiting.shift()
    if (next === undefined) idle.push(each)
    else next(each)
  }
  const take = (): Promise<Worker | undefined> =>
    idle.length > 0 ? Promise.resolve(idle.pop()) : new Promise((resolve) => waiting.push(resolve))

  return {
    end: () => alive.forEach(end),
    play: async (bug, caughtBy) => {
      const mine = (await take()) ?? begin()
      const said = await answerOf(mine, { bug, caughtBy })
      mine.left--
      const isUsable = said !== undefined && mine.left > 0
      if (!isUsable) end(mine)
      giveBack(isUsable ? mine : undefined)
      if (said === undefined) throw new Error(`The run with the bug "${bug}" did not come to an end.`)
      if ("error" in said) throw new Error(`The bug "${bug}" could not be run: ${said.error}`)
      return said
    }
  }
}
