/**
 * The program of a worker thread that plays simulations: one at a time, each from its seed, with nothing kept
 * from one to the next. It is loaded by `WorkerThread`.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { type MessagePort, parentPort, workerData } from "node:worker_threads"
import { Ed25519 } from "../../protocol/core/Ed25519.ts"
import { Hasher } from "../../protocol/core/Hasher.ts"
import * as ModelNodes from "../../protocol/testing/simulation/ModelNodes.ts"
import { DEFAULT_NODES, type Ground, type MakeNodes, type Nodes } from "../../protocol/testing/simulation/Nodes.ts"
import type { Scenario } from "../../protocol/testing/simulation/Scenario.ts"
import * as Shrink from "../../protocol/testing/simulation/Shrink.ts"
import * as Simulation from "../../protocol/testing/simulation/Simulation.ts"
import type { Finding } from "../../protocol/testing/simulation/World.ts"
import * as NodeEd25519 from "../crypto/NodeEd25519.ts"
import * as NodeHasher from "../crypto/NodeHasher.ts"
import { NodeGuard } from "./NodeGuard.ts"
import { heldBytes } from "./NodeMemory.ts"
import * as ScenarioModule from "./ScenarioModule.ts"
import type { Play, Played, Reply, Setup, Task } from "./SimMessages.ts"

/** Runs of a search between two signs of life. */
const RUNS_PER_SIGN = 5

type Network = Pick<Simulation.Options, "makeNodes" | "around">

const networkOf = async ({ network }: Setup): Promise<Network> => {
  if (network === "model") return {}
  const { around, make } = await import("./WireNodes.ts")
  return { makeNodes: make, around }
}

const crypto = () =>
  Effect.runSync(Effect.scoped(Layer.build(Layer.mergeAll(NodeEd25519.layer, Layer.fresh(NodeHasher.layer)))))

/** What a run stands on, as long as anybody wants to know. */
interface Stage {
  ground: Ground | undefined
  nodes: Nodes | undefined
}

class Player {
  readonly #scenarios: ReadonlyArray<Scenario>
  readonly #network: Network
  readonly #guard: NodeGuard
  readonly #services = crypto()

  constructor(scenarios: ReadonlyArray<Scenario>, network: Network, guard: NodeGuard) {
    this.#guard = guard
    this.#scenarios = scenarios
    this.#network = network
  }

  get listed() {
    return this.#scenarios.map(({ about, everySeeds, name, nodes }) => ({
      everySeeds,
      name,
      about,
      nodes: nodes?.count ?? DEFAULT_NODES.count
    }))
  }

  optionsOf({ keep, nodes, scenario, seed, without }: Play): Simulation.Options {
    const found = this.#scenarios.find(({ name }) => name === scenario)
    if (found === undefined) throw new RangeError(`there is no scenario named ${scenario}`)
    return { seed, scenario: found, nodes, keep, without: new Set(without) }
  }

  play({ isMeasured, play }: { readonly play: Play; readonly isMeasured: boolean }): Played {
    const stage: Stage = { ground: undefined, nodes: undefined }
    const started = performance.now()
    const report = this.run(this.optionsOf(play), stage)
    const ms = performance.now() - started
    const isShown = report.finding !== undefined || play.keep === "all"
    return {
      report: isShown ? report : { ...report, trace: [] },
      ms,
      memoryPerNodeBytes: isMeasured ? memoryOf(stage, report.nodes) : undefined
    }
  }

  /** Whatever goes wrong comes back as a finding. */
  run(options: Simulation.Options, stage: Stage = { ground: undefined, nodes: undefined }): Simulation.Report {
    let used: Finding | undefined
    const makeNodes: MakeNodes = (ground, nodesOptions) => {
      stage.ground = ground
      stage.nodes = (this.#network.makeNodes ?? ModelNodes.make)(ground, nodesOptions)
      return stage.nodes
    }
    const exit = this.#guard.watch(
      (what) => {
        used ??= realWorld(what, stage.ground)
      },
      () =>
        Effect.runSyncExit(
          Simulation.run({
            ...options,
            ...this.#network,
            makeNodes,
            ed25519: Context.get(this.#services, Ed25519),
            hasher: Context.get(this.#services, Hasher)
          })
        )
    )
    const report = Exit.isSuccess(exit) ? exit.value : failed(options, Cause.squash(exit.cause), stage.ground)
    // Whatever came after may be its consequence.
    return used === undefined || report.finding?.kind === "real world" ? report : { ...report, finding: used }
  }
}

const realWorld = (what: string, ground: Ground | undefined): Finding => {
  const text = `something used ${what}, which no seed can repeat`
  const atMs = ground?.kernel.elapsedMs ?? 0
  const last = ground?.trace.entries.at(-1)
  const isTold = last?.kind === "broke" && last.from === "real world"
  if (!isTold) ground?.trace.add({ atMs, kind: "broke", from: "real world", text })
  return { kind: "real world", text, atMs }
}

/** The report of a run that threw. */
const failed = ({ nodes, scenario, seed }: Simulation.Options, thrown: unknown, ground?: Ground): Simulation.Report => {
  const text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)
  return {
    seed,
    scenario: scenario.name,
    nodes: nodes ?? scenario.nodes?.count ?? DEFAULT_NODES.count,
    finding: { kind: "defect", text: `the scenario threw: ${text}`, atMs: ground?.kernel.elapsedMs ?? 0 },
    hash: ground?.trace.hash ?? "",
    lines: ground?.trace.count ?? 0,
    trace: ground?.trace.entries ?? [],
    virtualMs: ground?.kernel.elapsedMs ?? 0,
    events: ground?.kernel.steps ?? 0,
    planned: [],
    figures: {},
    holdings: []
  }
}

const memoryOf = (stage: Stage, nodes: number): number => {
  const bytes = heldBytes(() => {
    stage.ground = undefined
    stage.nodes = undefined
  })
  return Math.round(bytes / nodes)
}

const answer = (player: Player, task: Task, say: (reply: Reply) => void): Reply => {
  if (task._tag === "Play") return { _tag: "Played", played: player.play(task) }
  const onRun = (runs: number) => (runs % RUNS_PER_SIGN === 0 ? say({ _tag: "Shrinking", runs }) : undefined)
  const shrunk = Shrink.shrink((options) => player.run(options), player.optionsOf(task.play), { onRun })
  return { _tag: "Shrunk", shrunk: { ...shrunk, without: [...shrunk.without] } }
}

const serve = (player: Player, port: MessagePort): void => {
  const say = (reply: Reply) => port.postMessage(reply)
  port.on("message", (task: Task) => say(answer(player, task, say)))
  say({ _tag: "Ready", scenarios: player.listed })
}

const main = async (port: MessagePort, setup: Setup): Promise<void> => {
  // Before a module of the user's takes functions of Node for itself.
  const guard = NodeGuard.install()
  const scenarios = await ScenarioModule.load(setup.module)
  if (typeof scenarios === "string") {
    const reply: Reply = { _tag: "Unusable", problem: scenarios }
    return port.postMessage(reply)
  }
  serve(new Player(scenarios, await networkOf(setup), guard), port)
}

if (parentPort !== null) await main(parentPort, workerData)
