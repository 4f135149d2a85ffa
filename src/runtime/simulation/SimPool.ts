/**
 * Plays seeds over worker threads. What comes out depends on the seeds alone: not on the number of threads, nor on
 * which of them is first. So where the first failure ends it, that is the failure with the lowest seed.
 *
 * A thread that crashes, hangs or runs out of memory is a finding of the seed that it played.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { fileURLToPath } from "node:url"
import { ExitCode } from "../../protocol/core/Errors.ts"
import * as Scenario from "../../protocol/testing/simulation/Scenario.ts"
import type { Report } from "../../protocol/testing/simulation/Simulation.ts"
import type { Keep } from "../../protocol/testing/simulation/Trace.ts"
import type { Listed, Play, Played, Reply, Shrunk, Task } from "./SimMessages.ts"
import * as WorkerThread from "./WorkerThread.ts"
import { WorkerLost } from "./WorkerThread.ts"

/** Characters shown of a URL that is no file. */
const SOURCE_SHOWN = 80

/** The scenarios that were asked for cannot be played. */
export class ScenariosUnusable extends Schema.TaggedError<ScenariosUnusable>()("ScenariosUnusable", {
  /** Where they should come from. */
  source: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "A module of scenarios has one as its default export, or a list of them, each made by Scenario.make."
  override get message() {
    return `There are no scenarios in ${this.source}: ${this.problem}`
  }
}

export type Options = WorkerThread.Options

export interface Seeds {
  readonly start: number
  readonly count: number
  /** All seeds play this one; each its own otherwise, as `Scenario.ofSeed` says. */
  readonly scenario?: string | undefined
  readonly nodes?: number | undefined
  readonly without?: ReadonlyArray<string> | undefined
  readonly keep: Keep
  readonly workers: number
  readonly keepGoing: boolean
  readonly onPlayed: (played: Played) => Effect.Effect<void>
}

export interface Pool {
  readonly scenarios: ReadonlyArray<Listed>
  /** In the order of their seeds; up to the first that fails, unless it is to go on. */
  readonly play: (seeds: Seeds) => Effect.Effect<ReadonlyArray<Played>>
  /** Nothing where the thread was lost over it. */
  readonly shrink: (play: Play, onRuns: (runs: number) => Effect.Effect<void>) => Effect.Effect<Option.Option<Shrunk>>
}

/** Stands for the report of a run whose thread is gone. */
const lost = (play: Play, nodes: number, why: string): Report => ({
  seed: play.seed,
  scenario: play.scenario,
  nodes: play.nodes ?? nodes,
  finding: { kind: "defect", text: `the worker that played it is gone: ${why}`, atMs: 0 },
  hash: "",
  lines: 0,
  trace: [],
  virtualMs: 0,
  events: 0,
  planned: [],
  figures: {},
  holdings: []
})

/** The threads of one pool, handed out one by one. */
class Threads {
  readonly #options: Options
  readonly #idle: Array<WorkerThread.WorkerThread> = []
  readonly #all = new Set<WorkerThread.WorkerThread>()

  constructor(options: Options) {
    this.#options = options
  }

  readonly stopAll = Effect.suspend(() => Effect.forEach(this.#all, ({ stop }) => stop, { discard: true }))

  /** A new one, and what it said first. */
  readonly start: Effect.Effect<readonly [WorkerThread.WorkerThread, Reply], WorkerLost> = Effect.gen(
    { self: this },
    function* () {
      const thread = yield* WorkerThread.start(this.#options)
      this.#all.add(thread)
      return [thread, yield* WorkerThread.ready(thread)] as const
    }
  )

  giveBack(thread: WorkerThread.WorkerThread): void {
    this.#idle.push(thread)
  }

  retire(thread: WorkerThread.WorkerThread): Effect.Effect<void> {
    this.#all.delete(thread)
    return thread.stop
  }

  /** Has a thread work; it is used again unless it was lost, stopped midway, or is no longer to be trusted. */
  ask<A>(
    task: Task,
    listen: (thread: WorkerThread.WorkerThread) => Effect.Effect<A, WorkerLost>,
    isSound: (answer: A) => boolean
  ): Effect.Effect<A, WorkerLost> {
    return Effect.gen({ self: this }, function* () {
      const thread = this.#idle.pop() ?? (yield* this.start)[0]
      let isUsable = false
      return yield* thread.tell(task).pipe(
        Effect.andThen(listen(thread)),
        Effect.tap((answer) => Effect.sync(() => void (isUsable = isSound(answer)))),
        Effect.ensuring(
          Effect.suspend(() => (isUsable ? Effect.sync(() => this.giveBack(thread)) : this.retire(thread)))
        )
      )
    })
  }
}

const listenForPlayed = (thread: WorkerThread.WorkerThread): Effect.Effect<Played, WorkerLost> =>
  Effect.flatMap(thread.heard(), (reply) =>
    reply._tag === "Played"
      ? Effect.succeed(reply.played)
      : Effect.fail(new WorkerLost({ why: `it answered with ${reply._tag}` }))
  )

const listenForShrunk =
  (onRuns: (runs: number) => Effect.Effect<void>) =>
  (thread: WorkerThread.WorkerThread): Effect.Effect<Shrunk, WorkerLost> =>
    Effect.gen(function* () {
      for (;;) {
        const reply = yield* thread.heard()
        if (reply._tag === "Shrunk") return reply.shrunk
        if (reply._tag !== "Shrinking") return yield* new WorkerLost({ why: `it answered with ${reply._tag}` })
        yield* onRuns(reply.runs)
      }
    })

/** Something real that a run began may go on in its thread. */
const isSelfContained = ({ report }: Played): boolean => report.finding?.kind !== "real world"

/** One call of `play`: hands out seeds in order, and keeps what comes back. */
class Round {
  readonly #threads: Threads
  readonly #scenarios: ReadonlyArray<Listed>
  readonly #seeds: Seeds
  readonly #played: Array<Played> = []
  readonly #running = new Map<number, Deferred.Deferred<void>>()
  #next: number
  /** Seeds from here on are not wanted. */
  #end: number

  constructor(threads: Threads, scenarios: ReadonlyArray<Listed>, seeds: Seeds) {
    this.#threads = threads
    this.#scenarios = scenarios
    this.#seeds = seeds
    this.#next = seeds.start
    this.#end = seeds.start + seeds.count
  }

  get run(): Effect.Effect<ReadonlyArray<Played>> {
    const lanes = Math.min(this.#seeds.workers, this.#seeds.count)
    return Effect.forEach(
      Array.from({ length: lanes }, () => this.#lane),
      (lane) => lane,
      { concurrency: "unbounded", discard: true }
    ).pipe(
      Effect.map(() =>
        this.#played
          .filter(({ report }) => report.seed < this.#end)
          .toSorted((one, other) => one.report.seed - other.report.seed)
      )
    )
  }

  readonly #lane: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    while (this.#next < this.#end) {
      const seed = this.#next++
      const abandoned = yield* Deferred.make<void>()
      this.#running.set(seed, abandoned)
      const played = yield* Effect.raceFirst(
        Effect.asSome(this.#one(seed)),
        Effect.as(Deferred.await(abandoned), Option.none<Played>())
      )
      this.#running.delete(seed)
      if (Option.isSome(played)) yield* this.#note(played.value)
    }
  })

  #one(seed: number): Effect.Effect<Played> {
    const { keep, nodes, scenario, start, without } = this.#seeds
    const listed = this.#scenarios.find(({ name }) => name === scenario) ?? Scenario.ofSeed(this.#scenarios, seed)!
    const play: Play = { seed, scenario: listed.name, nodes, without, keep }
    const task: Task = { _tag: "Play", play, isMeasured: seed === start }
    return Effect.gen({ self: this }, function* () {
      const started = yield* Clock.currentTimeMillis
      const lose = ({ why }: WorkerLost) =>
        Effect.map(Clock.currentTimeMillis, (now): Played => ({
          report: lost(play, listed.nodes, why),
          ms: now - started
        }))
      return yield* this.#threads.ask(task, listenForPlayed, isSelfContained).pipe(Effect.catch(lose))
    })
  }

  #note(played: Played): Effect.Effect<void> {
    const { finding, seed } = played.report
    this.#played.push(played)
    if (finding !== undefined && !this.#seeds.keepGoing && seed < this.#end) {
      this.#end = seed + 1
      for (const [other, abandoned] of this.#running) if (other > seed) Deferred.doneUnsafe(abandoned, Effect.void)
    }
    return this.#seeds.onPlayed(played)
  }
}

/** As people call it. */
const sourceOf = ({ module }: Options): string =>
  module === undefined
    ? "the library"
    : module.startsWith("file:")
      ? fileURLToPath(module)
      : module.slice(0, SOURCE_SHOWN)

/** Starts the first thread, which tells the scenarios. All threads end with the scope. */
export const open = (options: Options): Effect.Effect<Pool, ScenariosUnusable, Scope.Scope> =>
  Effect.gen(function* () {
    const threads = new Threads(options)
    yield* Effect.addFinalizer(() => threads.stopAll)
    const source = sourceOf(options)
    const [first, reply] = yield* Effect.mapError(
      threads.start,
      ({ why }) => new ScenariosUnusable({ source, problem: why })
    )
    if (reply._tag !== "Ready") {
      const problem = reply._tag === "Unusable" ? reply.problem : `the worker answered with ${reply._tag}`
      return yield* new ScenariosUnusable({ source, problem })
    }
    threads.giveBack(first)
    const { scenarios } = reply
    return {
      scenarios,
      play: (seeds) => Effect.suspend(() => new Round(threads, scenarios, seeds).run),
      shrink: (play, onRuns) =>
        Effect.option(threads.ask({ _tag: "Shrink", play }, listenForShrunk(onRuns), () => true))
    }
  })
