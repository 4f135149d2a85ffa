/** Hosts of a simulation whose DHT is ideal, so that only their streams are under the weather. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Ed25519 } from "../../../../src/protocol/core/Ed25519.ts"
import type { Dht } from "../../../../src/protocol/dht/Dht.ts"
import { TopicPeers } from "../../../../src/protocol/dht/TopicPeers.ts"
import { Swarm } from "../../../../src/protocol/swarm/Swarm.ts"
import * as DhtMemory from "../../../../src/protocol/testing/DhtMemory.ts"
import { Chance } from "../../../../src/protocol/testing/simulation/Chance.ts"
import { Kernel } from "../../../../src/protocol/testing/simulation/Kernel.ts"
import * as ModelSwarm from "../../../../src/protocol/testing/simulation/ModelSwarm.ts"
import * as ModelTopics from "../../../../src/protocol/testing/simulation/ModelTopics.ts"
import type { Ground, Member } from "../../../../src/protocol/testing/simulation/Nodes.ts"
import { lineOf, Trace } from "../../../../src/protocol/testing/simulation/Trace.ts"
import { Weather } from "../../../../src/protocol/testing/simulation/Weather.ts"
import { service } from "./Crypto.ts"

/** Virtual ms after which a test has failed. */
const UNTIL_MS = 24 * 60 * 60 * 1000

export interface PeerGround extends Ground {
  readonly peers: ModelSwarm.Peers
  readonly topics: ModelTopics.Topics
  readonly dht: DhtMemory.Network
  /** A process of a host; each host has one address. */
  readonly member: (name: string) => Member
  readonly swarm: (
    member: Member,
    options?: ModelSwarm.Options,
    dht?: Layer.Layer<Dht>
  ) => Effect.Effect<Swarm["Service"], never, Scope.Scope>
  readonly topicPeers: (member: Member) => Effect.Effect<TopicPeers["Service"], never, Scope.Scope>
  /** Runs an effect as a fiber of a process of its own, until it ends. */
  readonly run: <A, E>(work: Effect.Effect<A, E>) => Exit.Exit<A, E>
  /** Starts work that goes on until its process ends. */
  readonly background: (member: Member, work: Effect.Effect<unknown, unknown, Scope.Scope>) => void
  /** The trace as text. */
  readonly text: () => string
}

export const make = (seed: number | string): PeerGround => {
  const chance = Chance.of(seed)
  const kernel = new Kernel(chance.fork("kernel"))
  const weather = new Weather(kernel, chance.fork("weather"))
  const trace = new Trace("all")
  const ground: Ground = { kernel, chance, weather, trace, ed25519: service }
  const peers = new ModelSwarm.Peers(ground)
  const topics = new ModelTopics.Topics(ground, peers.streams)
  const dht = DhtMemory.make()
  const hosts = new Map<string, string>()
  const tests = kernel.process("test")
  const dhtOf = ({ host }: Member) =>
    DhtMemory.layerOn(dht, { host }).pipe(Layer.provide(Layer.succeed(Ed25519, service)))
  return {
    ...ground,
    peers,
    topics,
    dht,
    member: (name) => {
      const host = hosts.get(name) ?? `10.0.0.${hosts.size + 1}`
      hosts.set(name, host)
      return { name, host, process: kernel.process(name) }
    },
    swarm: (member, options, own) =>
      Effect.map(
        Layer.build(Layer.fresh(Layer.provide(peers.swarm(member, options), own ?? dhtOf(member)))),
        Context.get(Swarm)
      ),
    topicPeers: (member) =>
      Effect.map(Layer.build(Layer.fresh(Layer.provide(topics.layer(member), dhtOf(member)))), Context.get(TopicPeers)),
    run: (work) => {
      let exit: Exit.Exit<Effect.Success<typeof work>, Effect.Error<typeof work>> | undefined
      tests.fork(work, (ended) => void (exit = ended))
      const stop = kernel.run(() => exit !== undefined, kernel.now + UNTIL_MS)
      if (exit === undefined) throw new Error(`the simulation is ${stop}`)
      return exit
    },
    background: ({ process }, work) => {
      process.fork(Effect.scoped(Effect.andThen(work, Effect.never)))
    },
    text: () => trace.entries.map(lineOf).join("\n")
  }
}

/** A ground for each of many tests, the latest of which is the current one. */
export const inTurn = (label: string) => {
  let tests = 0
  let current = make(label)
  return {
    current: () => current,
    run: <A, E>(test: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.suspend(() => {
        current = make(`${label} ${++tests}`)
        return current.run(test)
      })
  }
}
