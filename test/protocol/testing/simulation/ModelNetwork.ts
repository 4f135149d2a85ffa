/** A model network with its kernel, and a way to run effects on it to the end. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { sha256 } from "../../../../src/protocol/core/Digest.ts"
import { Ed25519 } from "../../../../src/protocol/core/Ed25519.ts"
import * as KeyPair from "../../../../src/protocol/core/KeyPair.ts"
import * as VerifiedSignatures from "../../../../src/protocol/core/VerifiedSignatures.ts"
import { Dht } from "../../../../src/protocol/dht/Dht.ts"
import type { DhtError } from "../../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../../src/protocol/dht/Record.ts"
import { Chance } from "../../../../src/protocol/testing/simulation/Chance.ts"
import { Kernel, type Process } from "../../../../src/protocol/testing/simulation/Kernel.ts"
import * as ModelNodes from "../../../../src/protocol/testing/simulation/ModelNodes.ts"
import {
  DEFAULT_NODES,
  type Ground,
  type Nodes,
  type NodesOptions
} from "../../../../src/protocol/testing/simulation/Nodes.ts"
import { Trace } from "../../../../src/protocol/testing/simulation/Trace.ts"
import { Weather } from "../../../../src/protocol/testing/simulation/Weather.ts"
import { layer as nodeEd25519 } from "../../../../src/runtime/crypto/NodeEd25519.ts"

const backend = Effect.runSync(Effect.provide(Ed25519, nodeEd25519))

export const ed25519: Ed25519["Service"] = {
  ...backend,
  verify: VerifiedSignatures.remembering(backend.verify)
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

export const keyPair = (label: string): KeyPair.KeyPair =>
  Effect.runSync(Effect.provideService(KeyPair.fromSeed(sha256(text(label))), Ed25519, ed25519))

/** The record of `label` with the number as its value. */
export const recordOf = (label: string, seq: number, value = `${label} ${seq}`): Record.Record =>
  Record.sign(keyPair(label), { salt: KeyString.saltOf(label), seq, value: text(value) })

export interface Network {
  readonly ground: Ground
  readonly nodes: Nodes
  /** A process with the network's `Dht`. Each has an address of its own, or that of `host`. */
  readonly join: (name: string, host?: string) => Joined
  /** Runs an effect as a fiber of a process, until it ends. */
  readonly run: <A, E>(work: Effect.Effect<A, E>, process?: Process) => Exit.Exit<A, E>
  /** Runs an effect that must succeed. */
  readonly value: <A, E>(work: Effect.Effect<A, E>) => A
  /** The `_tag` of the reason for which an effect fails. */
  readonly reason: <A>(work: Effect.Effect<A, DhtError>) => string
  /** Lets virtual time pass, ms. */
  readonly pass: (ms: number) => void
}

export interface Joined {
  readonly process: Process
  readonly dht: Dht["Service"]
  readonly close: () => void
}

export const make = (seed: number | string, options: Partial<NodesOptions> = {}): Network => {
  const chance = Chance.of(seed)
  const kernel = new Kernel(chance.fork("kernel"))
  const trace = new Trace("all")
  const weather = new Weather(kernel, chance.fork("weather"))
  const ground: Ground = { kernel, chance, weather, trace, ed25519 }
  const nodes = ModelNodes.make(ground, { ...DEFAULT_NODES, ...options })
  const own = kernel.process("test")
  let hosts = 0
  const run: Network["run"] = (work, process = own) => {
    let exit: Exit.Exit<Effect.Success<typeof work>, Effect.Error<typeof work>> | undefined
    process.fork(work, (ended) => void (exit = ended))
    const stop = kernel.run(() => exit !== undefined, Infinity)
    if (exit === undefined) throw new Error(`the simulation is ${stop}`)
    return exit
  }
  const value: Network["value"] = (work) => {
    const exit = run(work)
    if (Exit.isSuccess(exit)) return exit.value
    throw new Error(String(exit.cause))
  }
  const joinOf = (process: Process, host: string) =>
    Layer.build(nodes.dht({ name: process.name, host, process })).pipe(
      Effect.map((context) => Context.get(context, Dht)),
      Effect.provideService(Ed25519, ed25519)
    )
  return {
    ground,
    nodes,
    run,
    value,
    reason: (work) => value(Effect.flip(work)).reason._tag,
    pass: (ms) => {
      let isOver = false
      kernel.after(ms, () => void (isOver = true))
      kernel.run(() => isOver, Infinity)
    },
    join: (name, host = `172.16.0.${++hosts}`) => {
      const process = kernel.process(name)
      let close: () => void = () => undefined
      let dht: Dht["Service"] | undefined
      const held = Effect.gen(function* () {
        dht = yield* joinOf(process, host)
        yield* Effect.callback<void>((resume) => void (close = () => resume(Effect.void)))
      })
      process.fork(Effect.scoped(held))
      kernel.run(() => dht !== undefined, Infinity)
      if (dht === undefined) throw new Error(`${name} could not join`)
      return { process, dht, close: () => close() }
    }
  }
}

/** A host of the network for as long as the scope is open. */
export const joined = (
  { ground, nodes }: Network,
  name: string,
  host: string
): Effect.Effect<Dht["Service"], DhtError, Scope.Scope> =>
  Layer.build(nodes.dht({ name, host, process: ground.kernel.process(name) })).pipe(
    Effect.map((context) => Context.get(context, Dht)),
    Effect.provideService(Ed25519, ed25519)
  )

/** The value that a look-up of the record's key finds. */
export const seqOf = (
  network: Network,
  dht: Dht["Service"],
  { publicKey, salt }: Record.Record
): number | undefined => {
  const found = network.value(dht.get(publicKey, salt))
  return found._tag === "Some" ? found.value.seq : undefined
}
