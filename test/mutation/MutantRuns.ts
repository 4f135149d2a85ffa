/**
 * Runs bugs in processes of their own, a few at a time: whatever a bug does to a process, an endless loop too,
 * it does to nobody else.
 */
import { spawn } from "node:child_process"
import * as Path from "node:path"
import type { Property } from "./Mutants.ts"
import type { Case, Played } from "./Case.ts"

/** Longest time of one process, ms; a run takes a second or two on a quiet machine. */
const PROCESS_MAX_MS = 120_000

/** Bytes of an explanation that a failed process gives. */
const EXPLANATION_MAX = 2_000

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const root = Path.resolve(import.meta.dirname, "../..")

/** Half of what a process takes is to read the library: what was read once is kept, by its content, bug and all. */
const compiled = Path.join(root, ".cache", "compile")

const run = (
  program: ReadonlyArray<string>,
  env: { readonly [name: string]: string },
  maxMs = PROCESS_MAX_MS
): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...program], {
      cwd: root,
      env: { ...process.env, NODE_COMPILE_CACHE: compiled, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: maxMs,
      killSignal: "SIGKILL"
    })
    let [stdout, stderr] = ["", ""]
    child.stdout.on("data", (chunk) => (stdout += chunk))
    child.stderr.on("data", (chunk) => (stderr += chunk))
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, stdout, stderr }))
  })

/** Only lines of JSON: what the library logs goes there too. */
const playedIn = (stdout: string): ReadonlyArray<Played> =>
  stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line): Played => JSON.parse(line))

/** Plays cases with a bug in the library, or with `none`, and stops after so many findings. What was played before a process had to be killed counts. */
export const play = async (
  bug: string,
  cases: ReadonlyArray<Case>,
  findingsMax = Number.POSITIVE_INFINITY,
  maxMs = PROCESS_MAX_MS
): Promise<ReadonlyArray<Played>> => {
  const ended = await run(["test/mutation/RunMutant.ts", bug, JSON.stringify(cases), String(findingsMax)], {}, maxMs)
  if (ended.code !== null && ended.code !== 0) {
    throw new Error(`The bug "${bug}" could not be run: ${ended.stderr.slice(-EXPLANATION_MAX)}`)
  }
  return playedIn(ended.stdout)
}

/** Whether a property holds with a bug in the library, or with `none`, and what was said of it. */
export interface Proved {
  readonly holds: boolean
  readonly said: string
}

/** Values that a property is tried with. */
const RUNS = 1_000

/** Rejects where the property could not be tried. */
export const prove = async (bug: string, { property, seed, title }: Property): Promise<Proved> => {
  const program = ["node_modules/vitest/vitest.mjs", "run", "--config", "test/mutation/Property.config.ts"]
  const { code, stderr, stdout } = await run([...program, property, "-t", title], {
    LIBRESEED_BUG: bug,
    FC_SEED: String(seed),
    FC_RUNS: String(RUNS),
    NO_COLOR: "1"
  })
  const said = stdout + stderr
  if (code !== 0 && !said.includes("Property failed after")) {
    throw new Error(`The property "${title}" could not be tried: ${said.slice(-EXPLANATION_MAX)}`)
  }
  return { holds: code === 0, said }
}

/** Begins what it is given, so many at a time, in the order in which it is given. */
export const turns = (atOnce: number) => {
  const waiting: Array<() => void> = []
  let free = atOnce
  const turn = async () => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
  }
  const done = () => {
    const next = waiting.shift()
    if (next === undefined) free++
    else next()
  }
  return async <A>(work: () => Promise<A>): Promise<A> => {
    await turn()
    try {
      return await work()
    } finally {
      done()
    }
  }
}
