/**
 * A simulated network and members on it, driven by hand: for tests of networks below the level of scenarios.
 * Everything runs synchronously.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { sha1, sha256 } from "../../../src/protocol/core/Digest.ts"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import type { Infohash } from "../../../src/protocol/core/Infohash.ts"
import * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import * as VerifiedSignatures from "../../../src/protocol/core/VerifiedSignatures.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { Chance } from "../../../src/protocol/testing/simulation/Chance.ts"
import { Kernel, type Process } from "../../../src/protocol/testing/simulation/Kernel.ts"
import {
  DEFAULT_NODES,
  type MakeNodes,
  type Nodes,
  type NodesOptions
} from "../../../src/protocol/testing/simulation/Nodes.ts"
import { Trace } from "../../../src/protocol/testing/simulation/Trace.ts"
import { Weather } from "../../../src/protocol/testing/simulation/Weather.ts"
import { layer as nodeEd25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as WireNodes from "../../../src/runtime/simulation/WireNodes.ts"

/** Virtual ms that one piece of work may take. */
const WORK_MAX_MS = 600_000

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

export const ed25519 = Effect.runSync(
  Effect.scoped(Effect.map(Layer.build(nodeEd25519), (context) => Context.get(context, Ed25519)))
)

export const keyPair = (label: string): KeyPair.KeyPair =>
  Effect.runSync(Effect.provideService(KeyPair.fromSeed(sha256(text(label))), Ed25519, ed25519))

export const infohash = (label: string): Infohash => sha1(text(label)) as Uint8Array as Infohash

/** A record of `publisher` under `salt`, whose value names the seq unless one is given. */
export const record = (publisher: KeyPair.KeyPair, salt: string, seq: number, value = `version ${seq}`) =>
  Record.sign(publisher, { salt: KeyString.saltOf(salt), seq, value: text(value) })

/** Who works on the network. Gives what the work gave, or throws what it failed with. */
export interface Member {
  readonly process: Process
  readonly run: <A, E>(work: (dht: Dht["Service"]) => Effect.Effect<A, E, Ed25519>) => A
  /** The tag of the reason for which the work failed, or `undefined`. */
  readonly tagOf: <A>(
    work: (dht: Dht["Service"]) => Effect.Effect<A, { readonly reason: { readonly _tag: string } }>
  ) => string | undefined
  readonly leave: () => void
}

export interface Arena {
  readonly kernel: Kernel
  readonly weather: Weather
  readonly trace: Trace
  readonly nodes: Nodes
  readonly member: (name: string) => Member
  /** Lets virtual time pass. */
  readonly pass: (ms: number) => void
}

/** Lets virtual time pass, to the millisecond. */
export const pass = (kernel: Kernel, ms: number): void => {
  let isOver = false
  kernel.after(ms, () => {
    isOver = true
  })
  kernel.run(() => isOver, kernel.now + ms)
}

const make = (seed: number, makeNodes: MakeNodes, options: NodesOptions, kernel: Kernel, chance: Chance): Arena => {
  const trace = new Trace("all")
  const weather = new Weather(kernel, chance.fork("weather"))
  const ground = {
    kernel,
    chance,
    weather,
    trace,
    ed25519: { ...ed25519, verify: VerifiedSignatures.remembering(ed25519.verify) }
  }
  const nodes = makeNodes(ground, options)
  let members = 0
  const member = (name: string): Member => {
    const process = kernel.process(name)
    const scope = Scope.makeUnsafe()
    const host = `10.1.0.${++members}`
    const finish = <A, E>(work: Effect.Effect<A, E>): Exit.Exit<A, E> => {
      let exit: Exit.Exit<A, E> | undefined
      process.fork(work, (ended) => {
        exit = ended
      })
      const stop = kernel.run(() => exit !== undefined, kernel.now + WORK_MAX_MS)
      if (exit === undefined) throw new Error(`seed ${seed}: ${name} is ${stop}`)
      return exit
    }
    const layer = nodes.dht({ name, host, process }).pipe(Layer.provide(Layer.succeed(Ed25519, ed25519)))
    const built = finish(Layer.buildWithScope(Layer.fresh(layer), scope))
    if (Exit.isFailure(built)) throw Cause.squash(built.cause)
    const dht = Context.get(built.value, Dht)
    const run: Member["run"] = (work) => {
      const exit = finish(Effect.provideService(work(dht), Ed25519, ed25519))
      if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
      return exit.value
    }
    return {
      process,
      run,
      tagOf: (work) =>
        run((dht) =>
          Effect.match(work(dht), {
            onFailure: ({ reason }) => reason._tag,
            onSuccess: (): string | undefined => undefined
          })
        ),
      leave: () => void finish(Scope.close(scope, Exit.void))
    }
  }
  return { kernel, weather, trace, nodes, member, pass: (ms) => pass(kernel, ms) }
}

/** Plays on a network of the kind; everything in `play` happens on virtual time. */
export const on =
  (makeNodes: MakeNodes, around: typeof WireNodes.around = (_kernel, _chance, run) => run()) =>
  <A>(seed: number, options: Partial<NodesOptions>, play: (arena: Arena) => A): A => {
    const chance = Chance.of(seed)
    const kernel = new Kernel(chance.fork("kernel"))
    return around(kernel, chance, () => play(make(seed, makeNodes, { ...DEFAULT_NODES, ...options }, kernel, chance)))
  }

export const onWire = on(WireNodes.make, WireNodes.around)
