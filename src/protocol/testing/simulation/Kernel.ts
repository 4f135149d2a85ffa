/**
 * The machine below a simulation: virtual time, and fibers that run one task at a time in an order
 * drawn from the seed. Everything happens inside one synchronous loop, so nothing from outside can
 * come in between, and waiting costs nothing.
 *
 * Every simulated machine has a `Process` of its own: its fibers, its timers, its clock. A process
 * that is killed stops where it stands. No finalizer of it runs, as with a power cut.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import { Random } from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import type { Chance } from "./Chance.ts"
import { EventQueue, type Timer } from "./EventQueue.ts"

/** Virtual time at which every simulation begins: 2026-01-01 00:00 UTC, in Unix ms. */
export const EPOCH_MS = 1_767_225_600_000

/** Tasks without time passing after which a simulation counts as running in circles. */
export const TASKS_AT_ONCE_MAX = 2_000_000

/** Operations of a fiber before another one may run: drawn anew each time, so that fibers interleave differently. */
const QUANTUM_MIN = 16
const QUANTUM_MAX = 512

/** Why the loop came to an end. */
export type Stop = "done" | "stuck" | "circling" | "overtime" | "failed"

interface Task {
  readonly process: Process
  readonly run: () => void
}

export class Kernel {
  /** Virtual time, Unix ms. */
  now = EPOCH_MS
  /** Events and tasks so far. */
  steps = 0
  readonly chance: Chance
  readonly #order: Chance
  readonly #events = new EventQueue()
  readonly #ready: Array<Task> = []
  readonly #processes: Array<Process> = []

  constructor(chance: Chance) {
    this.chance = chance
    this.#order = chance.fork("order")
  }

  /** Virtual ms since the beginning. */
  get elapsedMs(): number {
    return this.now - EPOCH_MS
  }

  /** Plans for `delayMs` from now; a fraction of a millisecond counts as a whole one. */
  after(delayMs: number, run: () => void): Timer {
    return this.#events.plan(this.now + Math.max(0, Math.ceil(delayMs)), run)
  }

  process(name: string, skewMs = 0): Process {
    const made = new Process(this, name, skewMs)
    this.#processes.push(made)
    return made
  }

  /** Puts a task of a process into line. */
  line(process: Process, run: () => void): void {
    this.#ready.push({ process, run })
  }

  /** Operations that a fiber may run before another one has its turn. */
  quantum(): number {
    return this.#order.between(QUANTUM_MIN, QUANTUM_MAX)
  }

  /** Living processes with fibers that have not ended. */
  get running(): ReadonlyArray<Process> {
    return this.#processes.filter((process) => process.isAlive && process.fibers > 0)
  }

  /**
   * Runs tasks, and where there are none the next event, until `isDone` or something keeps it from going on:
   * nothing left to do (`stuck`), no time passing (`circling`), or virtual time at `untilMs` with the rest still to come (`overtime`).
   */
  run(isDone: () => boolean, untilMs: number, hasFailed: () => boolean = () => false): Stop {
    let atOnce = 0
    for (;;) {
      if (hasFailed()) return "failed"
      if (isDone()) return "done"
      this.steps++
      if (this.#ready.length > 0) {
        if (++atOnce > TASKS_AT_ONCE_MAX) return "circling"
        this.#takeTask()
        continue
      }
      const event = this.#events.take(untilMs)
      if (event === undefined) return "stuck"
      if (event === "too late") {
        this.now = Math.max(this.now, untilMs)
        return "overtime"
      }
      if (event.at > this.now) {
        this.now = event.at
        atOnce = 0
      }
      event.run()
    }
  }

  #takeTask(): void {
    const at = this.#ready.length === 1 ? 0 : this.#order.below(this.#ready.length)
    const { process, run } = this.#ready[at]!
    const last = this.#ready.pop()!
    if (at < this.#ready.length) this.#ready[at] = last
    if (process.isAlive) run()
  }
}

/** What a killed process leaves behind for whoever waits for its work. */
export class Killed extends Error {
  override readonly name = "Killed"
  readonly process: string
  constructor(process: string) {
    super(`${process} crashed`)
    this.process = process
  }
}

/** Whether the work ended because the power went. */
export const isKilled = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) => Cause.isDieReason(reason) && reason.defect instanceof Killed)

export class Process {
  readonly name: string
  /** What this machine's clock is ahead of virtual time, in ms. */
  skewMs: number
  isAlive = true
  /** Fibers that have begun and not ended. */
  fibers = 0
  /** Told of each fiber that died, whether anybody waits for it or not. */
  onDefect: (cause: Cause.Cause<unknown>) => void = () => undefined
  /** Told of each line that is logged. */
  onLog: (line: string) => void = () => undefined
  readonly clock: Clock.Clock
  readonly random: Random
  /** Everything that makes a fiber one of this process. */
  readonly context: Context.Context<never>
  readonly #kernel: Kernel
  readonly #waiting = new Set<() => void>()

  constructor(kernel: Kernel, name: string, skewMs: number) {
    this.#kernel = kernel
    this.name = name
    this.skewMs = skewMs
    this.clock = this.#makeClock()
    this.random = kernel.chance.fork(`random of ${name}`).random
    this.context = Context.mergeAll(
      Context.make(Clock.Clock, this.clock),
      Context.make(Random, this.random),
      Context.make(Scheduler.Scheduler, this.#makeScheduler()),
      // What is logged is for whoever listens to this process, and for no console.
      Context.make(
        Logger.CurrentLoggers,
        new Set([
          Logger.make(({ message }) => this.onLog(Array.isArray(message) ? message.join(" ") : String(message)))
        ])
      ),
      Context.make(Metric.FiberRuntimeMetrics, {
        recordFiberStart: () => void this.fibers++,
        recordFiberEnd: (_context, exit) => {
          this.fibers--
          if (Exit.isFailure(exit) && Cause.hasDies(exit.cause) && !isKilled(exit.cause)) this.onDefect(exit.cause)
        }
      })
    )
  }

  /** Plans something that happens only if the process still lives then. */
  after(delayMs: number, run: () => void): Timer {
    return this.#kernel.after(delayMs, () => {
      if (this.isAlive) run()
    })
  }

  /**
   * Starts work as a fiber of this process. `onExit` hears how it ended, or that the process was
   * killed before: a `Killed` as defect.
   */
  fork<A, E>(work: Effect.Effect<A, E>, onExit: (exit: Exit.Exit<A, E>) => void = () => undefined): () => void {
    if (!this.isAlive) {
      onExit(Exit.die(new Killed(this.name)))
      return () => undefined
    }
    const onKill = () => onExit(Exit.die(new Killed(this.name)))
    this.#waiting.add(onKill)
    const fiber = Effect.runForkWith(this.context)(work)
    fiber.addObserver((exit) => {
      if (this.#waiting.delete(onKill)) onExit(exit)
    })
    return () => {
      if (this.isAlive) fiber.interruptUnsafe()
    }
  }

  /** Stops everything at once. Finalizers do not run. */
  kill(): void {
    this.isAlive = false
    this.fibers = 0
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const onKill of waiting) onKill()
  }

  #makeClock(): Clock.Clock {
    const millis = () => this.#kernel.now + this.skewMs
    const nanos = () => BigInt(millis()) * 1_000_000n
    const monotonic = () => BigInt(this.#kernel.elapsedMs) * 1_000_000n
    return {
      currentTimeMillisUnsafe: millis,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: monotonic,
      monotonicTimeNanos: Effect.sync(monotonic),
      sleep: (duration) =>
        Effect.callback<void>((resume) => {
          const delayMs = Duration.toMillis(duration)
          if (!Number.isFinite(delayMs)) return
          const timer = this.after(delayMs, () => resume(Effect.void))
          return Effect.sync(() => timer.cancel())
        })
    }
  }

  #makeScheduler(): Scheduler.Scheduler {
    let quantum = this.#kernel.quantum()
    const dispatcher: Scheduler.SchedulerDispatcher = {
      scheduleTask: (task) => {
        if (this.isAlive) this.#kernel.line(this, task)
      },
      flush: () => undefined
    }
    return {
      executionMode: "async",
      makeDispatcher: () => dispatcher,
      shouldYield: (fiber) => {
        if (fiber.currentOpCount < quantum) return false
        quantum = this.#kernel.quantum()
        return true
      }
    }
  }
}
