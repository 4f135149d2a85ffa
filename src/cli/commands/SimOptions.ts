/** What `ls-cli sim` was asked for, checked before anything is played. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { NODES_MAX, type Report, SEED_MAX } from "../../protocol/testing/simulation/Simulation.ts"
import { quoted } from "../../runtime/archive/Printable.ts"
import { type Listed, type Network, networks } from "../../runtime/simulation/SimMessages.ts"
import { InvalidArgument } from "../Settings.ts"

/** Seeds of one command: days of work. What is known of each is kept until the end, some 200 bytes. */
export const SEEDS_MAX = 1_000_000

/** Threads; each takes some 100 MB. */
export const WORKERS_MAX = 64

/** More would only wait for each other while they load. */
const WORKERS_PER_CORE = 4

/** The flags as they were parsed. */
export interface Raw {
  readonly seeds: number
  readonly start: number
  readonly nodes: Option.Option<number>
  readonly scenario: Option.Option<string>
  readonly module: Option.Option<string>
  readonly network: string
  readonly without: Option.Option<string>
  readonly workers: Option.Option<number>
  readonly keepGoing: boolean
  readonly shrink: boolean
  readonly trace: boolean
  readonly html: Option.Option<string>
  readonly list: boolean
}

export interface SimOptions {
  readonly seeds: number
  readonly start: number
  readonly nodes: number | undefined
  readonly scenario: string | undefined
  /** Path as it was given. */
  readonly module: string | undefined
  /** URL of the same file. */
  readonly moduleUrl: string | undefined
  readonly network: Network
  readonly without: ReadonlyArray<string>
  readonly workers: number
  readonly keepGoing: boolean
  readonly shrink: boolean
  readonly trace: boolean
  readonly html: string | undefined
  readonly list: boolean
}

const invalid = (argument: string, problem: string, hint: string) => new InvalidArgument({ argument, problem, hint })

const inRange = (flag: string, value: number, min: number, max: number) =>
  Number.isSafeInteger(value) && value >= min && value <= max
    ? Effect.void
    : Effect.fail(invalid(flag, `${value} is out of range`, `Give a whole number from ${min} to ${max}.`))

const isNetwork = (text: string): text is Network => networks.some((network) => network === text)

const parseNetwork = (text: string) =>
  isNetwork(text)
    ? Effect.succeed(text)
    : Effect.fail(invalid("--network", `${quoted(text)} is none`, `Choose ${networks.join(" or ")}.`))

const parseWithout = (text: string) => {
  const ids = text.split(",").map((id) => id.trim())
  const wrong = ids.find((id) => !/^[fs]\d{1,6}$/.test(id))
  return wrong === undefined
    ? Effect.succeed(ids)
    : Effect.fail(
        invalid(
          "--without",
          `has ${quoted(wrong)}, which is neither a fault nor a step`,
          "Give faults and steps as a failure lists them, like f1,s2."
        )
      )
}

/** Fails if nobody could write there. What is there already stays. */
const writable = (file: string) =>
  Effect.try({
    try: () => {
      const isThere = Fs.existsSync(file)
      Fs.closeSync(Fs.openSync(file, "a"))
      if (!isThere) Fs.unlinkSync(file)
      return file
    },
    catch: (thrown) => notWritable(file, thrown)
  })

export const notWritable = (file: string, thrown: unknown): InvalidArgument =>
  invalid(
    "--html",
    `${quoted(file)} cannot be written: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    "Name a file in a directory that exists and is yours."
  )

const moduleUrl = (file: string) => {
  const path = Path.resolve(file)
  return Fs.statSync(path, { throwIfNoEntry: false })?.isFile() === true
    ? Effect.succeed(pathToFileURL(path).href)
    : Effect.fail(
        invalid(
          "--module",
          `${quoted(file)} is no file`,
          "Name a JavaScript or TypeScript file that has your scenario as its default export."
        )
      )
}

const optionally = <A, B, E>(option: Option.Option<A>, parse: (value: A) => Effect.Effect<B, E>) =>
  Option.isNone(option) ? Effect.succeed(undefined) : parse(option.value)

const onlyWithOneSeed = (flag: string, isGiven: boolean, seeds: number) =>
  isGiven && seeds !== 1
    ? Effect.fail(invalid(flag, `is for one seed, not for ${seeds}`, "Add --seeds 1, and --start with the seed."))
    : Effect.void

/** Fails with `InvalidArgument`. */
export const parse = Effect.fnUntraced(function* (raw: Raw) {
  yield* inRange("--seeds", raw.seeds, 1, SEEDS_MAX)
  yield* inRange("--start", raw.start, 0, SEED_MAX)
  if (raw.start + raw.seeds > SEED_MAX) {
    const hint = "Seeds go up to 2^53−1, so that every tool can carry them."
    return yield* invalid("--start", `${raw.start} with ${raw.seeds} seeds goes too far`, hint)
  }
  yield* optionally(raw.nodes, (nodes) => inRange("--nodes", nodes, 1, NODES_MAX))
  yield* optionally(raw.workers, (workers) => inRange("--workers", workers, 1, WORKERS_MAX))
  yield* onlyWithOneSeed("--trace", raw.trace, raw.seeds)
  yield* onlyWithOneSeed("--without", Option.isSome(raw.without), raw.seeds)
  return {
    seeds: raw.seeds,
    start: raw.start,
    nodes: Option.getOrUndefined(raw.nodes),
    scenario: Option.getOrUndefined(raw.scenario),
    module: Option.getOrUndefined(raw.module),
    moduleUrl: yield* optionally(raw.module, moduleUrl),
    network: yield* parseNetwork(raw.network),
    without: (yield* optionally(raw.without, parseWithout)) ?? [],
    workers: Math.min(
      Option.getOrElse(raw.workers, () => Os.availableParallelism()),
      WORKERS_PER_CORE * Os.availableParallelism()
    ),
    keepGoing: raw.keepGoing,
    shrink: raw.shrink,
    trace: raw.trace,
    html: yield* optionally(raw.html, writable),
    list: raw.list
  } satisfies SimOptions
})

/** Insertions, deletions and replacements that make one text of the other (Levenshtein). */
const distance = (one: string, other: string): number => {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const replaced = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[other.length]!
}

/** Longest text that is compared with the names of scenarios. */
const COMPARED_CHARS = 64

/** Fails with `InvalidArgument` where the run could not leave out what it was told to. */
export const leftOut = (without: ReadonlyArray<string>, report: Report | undefined) =>
  report?.finding?.kind === "plan"
    ? Effect.fail(
        invalid(
          `--without ${without.join(",")}`,
          "cannot be done",
          `For seed ${report.seed} of ${report.scenario} ${report.finding.text}.`
        )
      )
    : Effect.void

/** Fails with `InvalidArgument` where no scenario has that name. */
export const known = (name: string | undefined, scenarios: ReadonlyArray<Listed>) => {
  if (name === undefined || scenarios.some((scenario) => scenario.name === name)) return Effect.void
  const typed = name.slice(0, COMPARED_CHARS)
  const [nearest] = scenarios
    .map((scenario) => scenario.name)
    .toSorted((one, other) => distance(typed, one) - distance(typed, other))
  const names = scenarios.map((scenario) => scenario.name).join(", ")
  return Effect.fail(
    invalid("--scenario", `${quoted(name)} is unknown`, `Did you mean ${nearest}? There are: ${names}.`)
  )
}
