/**
 * One run of a simulation, from the first event to the report: sets the stage, lets faults and steps happen at their times, asks the
 * laws, tries the goals, and puts everything away.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { Ed25519 } from "../../core/Ed25519.ts"
import { Hasher } from "../../core/Hasher.ts"
import * as VerifiedSignatures from "../../core/VerifiedSignatures.ts"
import { Chance } from "./Chance.ts"
import type { Fault } from "./Fault.ts"
import { HoldingsOverTime } from "./HoldingsOverTime.ts"
import { Kernel, type Stop } from "./Kernel.ts"
import type { Law } from "./Law.ts"
import * as Laws from "./Laws.ts"
import * as ModelNodes from "./ModelNodes.ts"
import { DEFAULT_NODES, type Ground } from "./Nodes.ts"
import * as RealWorld from "./RealWorld.ts"
import type { Options, Planned, Report } from "./Report.ts"
import { CONVERGES_WITHIN_MS, type Goal, type Play, type Step } from "./Scenario.ts"
import { sentenceOf, stackOf } from "./Sentence.ts"
import { DAY, SECOND } from "./Times.ts"
import { Trace } from "./Trace.ts"
import { Weather } from "./Weather.ts"
import { World } from "./World.ts"

/** Virtual time that work may go on past everything that was planned. */
const OVERTIME_MS = DAY

/** Virtual time that stopped machines have to put themselves away: what their finalizers still send is answered by then. */
const STOPPING_MS = 30 * SECOND

/** Virtual time between two tries of a goal. */
const GOAL_RETRY_MS = 15_000

/** Signatures remembered as valid: the same record is checked by every host that meets it. */
const SIGNATURES_REMEMBERED = 65_536

const pure = () =>
  Effect.runSync(
    Effect.scoped(Layer.build(Layer.mergeAll(Layer.fresh(Ed25519.layerNoble), Layer.fresh(Hasher.layerNoble))))
  )

/** One run, from the first event to the report. */
export class Run {
  readonly #options: Options
  readonly #kernel: Kernel
  readonly #world: World
  readonly #trace: Trace
  readonly #chance: Chance
  readonly #count: number
  readonly #holdings: HoldingsOverTime | undefined
  #faults: ReadonlyArray<Fault> = []
  readonly #unfinished = new Set<string>()
  #laws: ReadonlyArray<Law>
  #play: Play = { steps: [] }
  #endMs = 0

  constructor(options: Options) {
    const { keep = "tail", scenario } = options
    this.#options = options
    const chance = Chance.of(`${scenario.name} ${options.seed}`)
    this.#chance = chance
    this.#kernel = new Kernel(chance.fork("kernel"))
    this.#trace = new Trace(keep)
    const crypto = pure()
    const backend = options.ed25519 ?? Context.get(crypto, Ed25519)
    const ground: Ground = {
      kernel: this.#kernel,
      chance,
      trace: this.#trace,
      weather: new Weather(this.#kernel, chance.fork("weather")),
      ed25519: { ...backend, verify: VerifiedSignatures.remembering(backend.verify, SIGNATURES_REMEMBERED) }
    }
    this.#count = options.nodes ?? scenario.nodes?.count ?? DEFAULT_NODES.count
    const makeNodes = options.makeNodes ?? ModelNodes.make
    const nodes = makeNodes(ground, { ...DEFAULT_NODES, ...scenario.nodes, count: this.#count })
    this.#world = new World({ ground, nodes, hasher: options.hasher ?? Context.get(crypto, Hasher) })
    this.#holdings = keep === "all" ? new HoldingsOverTime() : undefined
    const hosts = () => [...this.#world.written]
    this.#laws = Laws.standard(this.#world, hosts, ground.ed25519)
  }

  /** Everything happens in here, with the real world kept out. */
  start(): Report {
    const onUse = (what: string) => this.#world.find("real world", `something used ${what}, which no seed can repeat`)
    const { around } = this.#options
    const within =
      around === undefined
        ? () => this.#report()
        : () => around(this.#kernel, this.#chance.fork("around"), () => this.#report())
    return RealWorld.guarded(() => this.#kernel.now, onUse, within)
  }

  #report(): Report {
    const stage = this.#kernel.process("scenario")
    stage.onDefect = (cause) => this.#world.noteDefect(cause)
    let exit: Exit.Exit<void, unknown> | undefined
    stage.fork(this.#story, (ended) => {
      exit = ended
    })
    const stop = this.#go(() => exit !== undefined, Number.MAX_SAFE_INTEGER)
    if (exit !== undefined && Exit.isFailure(exit)) this.#world.findCause("defect", exit.cause)
    this.#judge(stop)
    if (this.#world.finding === undefined) this.#askAll()
    if (this.#world.finding === undefined) this.#putAway()
    return {
      seed: this.#options.seed,
      scenario: this.#options.scenario.name,
      nodes: this.#count,
      finding: this.#world.finding,
      hash: this.#trace.hash,
      lines: this.#trace.count,
      trace: this.#trace.entries,
      virtualMs: this.#kernel.elapsedMs,
      events: this.#kernel.steps,
      planned: this.#planned,
      figures: this.#play.figures?.() ?? {},
      holdings: this.#holdings?.samples ?? []
    }
  }

  /** Faults, laws and networks are plain functions: what they throw ends the run. */
  #go(isDone: () => boolean, untilMs: number): Stop {
    try {
      const stop = this.#kernel.run(isDone, untilMs, () => this.#hasFailed())
      this.#world.findDefect()
      return stop
    } catch (defect) {
      this.#world.findCause("defect", Cause.die(defect))
      return "failed"
    }
  }

  get #planned(): ReadonlyArray<Planned> {
    const plan =
      (kind: string) =>
      ({ atMs, title }: Fault | Step, index: number) => ({ id: `${kind}${index}`, atMs, title })
    return [...this.#faults.map(plan("f")), ...this.#play.steps.map(plan("s"))].filter(({ id }) => this.#isIn(id))
  }

  /** Whoever leaves out what is not there may think that it was tried. */
  #refuseUnknown(): boolean {
    const planned = new Set([...this.#faults.keys()].map((at) => `f${at}`))
    for (const at of this.#play.steps.keys()) planned.add(`s${at}`)
    const unknown = [...(this.#options.without ?? [])].filter((id) => !planned.has(id))
    if (unknown.length === 0) return false
    const there = [...planned].join(", ") || "nothing"
    this.#world.find("plan", `there is no ${unknown.join(", ")} to leave out; there is ${there}`)
    return true
  }

  #isIn(id: string): boolean {
    return this.#options.without?.has(id) !== true
  }

  readonly #story = Effect.gen({ self: this }, function* () {
    const world = this.#world
    this.#unfinished.add("setting the stage")
    this.#faults = this.#options.scenario.faults?.(this.#chance.fork("faults")) ?? []
    this.#play = yield* this.#options.scenario.play(world)
    this.#unfinished.delete("setting the stage")
    this.#laws = [...this.#laws, ...(this.#play.laws ?? [])]
    if (this.#refuseUnknown()) return
    const healed = this.#planFaults()
    const steps = this.#play.steps.map((step, index) => this.#step(step, `s${index}`))
    this.#endMs = this.#kernel.elapsedMs + Math.max(0, healed, ...this.#play.steps.map(({ atMs }) => atMs))
    yield* Effect.all([Effect.sleep(healed), ...steps], { concurrency: "unbounded", discard: true })
    world.note("heal", "world", "every fault has healed, every step has ended")
    const withinMs = this.#options.scenario.convergesWithinMs ?? CONVERGES_WITHIN_MS
    this.#endMs = this.#kernel.elapsedMs + withinMs
    const goals = (this.#play.goals ?? []).map((goal) => this.#goal(goal, this.#kernel.elapsedMs, withinMs))
    yield* Effect.all(goals, { concurrency: "unbounded", discard: true })
  })

  /** Plans all faults; gives the time until the last one has healed. */
  #planFaults(): number {
    let last = 0
    this.#faults.forEach((fault, index) => {
      const id = `f${index}`
      if (!this.#isIn(id)) return
      this.#kernel.after(fault.atMs, () => {
        this.#world.note("fault", id, fault.title)
        const heal = fault.begin(this.#world, this.#chance.fork(`fault ${index}`))
        if (fault.forMs === undefined) return
        this.#kernel.after(fault.forMs, () => {
          this.#world.note("heal", id, fault.title)
          heal()
        })
      })
      last = Math.max(last, fault.atMs + (fault.forMs ?? 0))
    })
    return last
  }

  #step(step: Step, id: string): Effect.Effect<void> {
    if (!this.#isIn(id)) return Effect.void
    const world = this.#world
    return Effect.gen({ self: this }, function* () {
      yield* Effect.sleep(step.atMs)
      world.note("did", id, step.title)
      this.#unfinished.add(step.title)
      const exit = yield* Effect.exit(step.run)
      this.#unfinished.delete(step.title)
      if (Exit.isSuccess(exit)) return world.note("did", id, `${step.title}: done`)
      const sentence = sentenceOf(exit.cause)
      world.note("did", id, `${step.title}: ${sentence}`)
      if (Cause.hasDies(exit.cause)) world.findCause("defect", exit.cause, `${step.title}: `)
      else if (step.mustSucceed === true) world.findCause("step", exit.cause, `${step.title}: `)
    })
  }

  #goal({ reach, title }: Goal, sinceMs: number, withinMs: number): Effect.Effect<void> {
    const world = this.#world
    return Effect.gen({ self: this }, function* () {
      this.#unfinished.add(title)
      for (;;) {
        const leftMs = sinceMs + withinMs - this.#kernel.elapsedMs
        const exit = yield* Effect.exit(Effect.timeoutOption(reach, Math.max(1, leftMs)))
        const isReached = Exit.isSuccess(exit) && exit.value._tag === "Some"
        this.#unfinished.delete(title)
        if (isReached) return world.note("did", "goal", title)
        const sentence = Exit.isFailure(exit) ? sentenceOf(exit.cause) : "it takes too long"
        if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) {
          return world.findCause("defect", exit.cause, `${title}: `)
        }
        if (this.#kernel.elapsedMs + GOAL_RETRY_MS > sinceMs + withinMs) {
          const stack = Exit.isFailure(exit) ? stackOf(exit.cause) : undefined
          return world.find("goal", `${title}: not within ${withinMs} ms after the last fault: ${sentence}`, stack)
        }
        world.note("note", "goal", `${title}: not yet: ${sentence}`)
        yield* Effect.sleep(GOAL_RETRY_MS)
      }
    })
  }

  #hasFailed(): boolean {
    const world = this.#world
    if (this.#holdings !== undefined) this.#holdings.look(this.#kernel.elapsedMs, world.nodes)
    world.findDefect()
    if (world.isTouched && world.finding === undefined) {
      world.isTouched = false
      this.#ask()
    }
    if (this.#kernel.elapsedMs > this.#endMs + OVERTIME_MS) {
      world.find("overtime", `still at work ${OVERTIME_MS} ms after everything was planned to end: ${this.#pending}`)
    }
    return world.finding !== undefined
  }

  /** Those of every simulation look at the machines that have written since they were asked last. */
  #ask(): void {
    for (const { broken, title } of this.#laws) {
      const problem = broken()
      if (problem !== undefined) this.#world.find("law", `${title}: ${problem}`)
    }
    this.#world.written.clear()
  }

  /** Once more, at the end, about every machine. */
  #askAll(): void {
    for (const host of this.#world.hosts) this.#world.written.add(host)
    this.#ask()
  }

  get #pending(): string {
    return [...this.#unfinished].join("; ") || "unknown work"
  }

  #judge(stop: Stop): void {
    if (stop === "stuck") {
      const text = "nothing is left to do, and these wait for ever (or for something real, such as a promise)"
      this.#world.find("deadlock", `${text}: ${this.#pending}`)
    }
    if (stop === "circling") this.#world.find("livelock", `no time passes while these go on: ${this.#pending}`)
  }

  /** Stops every machine in order, and sees to it that nothing goes on. */
  #putAway(): void {
    for (const host of this.#world.hosts) host.stop(() => undefined)
    const isQuiet = () => this.#kernel.running.length === 0
    this.#go(isQuiet, this.#kernel.now + STOPPING_MS)
    if (isQuiet()) return
    const left = this.#kernel.running.map(({ fibers, name }) => `${name} (${fibers})`).join(", ")
    this.#world.find("leak", `fibers go on after their machines were stopped: ${left}`)
  }
}
