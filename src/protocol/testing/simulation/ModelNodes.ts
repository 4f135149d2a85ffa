/**
 * The model network: storage nodes of a simulated Mainline DHT (BEP 5, BEP 44) as state machines on the
 * kernel, their misbehaviour, and the `Dht` of those who use them. Everything that is said goes over one
 * wire under the weather, and into the trace.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Client from "../../dht/client/Client.ts"
import { fromBytes, type NodeId } from "../../dht/client/NodeId.ts"
import { Dht } from "../../dht/Dht.ts"
import type { Target } from "../../dht/Record.ts"
import * as Entrances from "./model/Entrances.ts"
import { type KrpcMessage, textOf } from "./model/Krpc.ts"
import { type Answering, answering, conspiring } from "./model/Misbehaviour.ts"
import * as Ids from "./model/Ids.ts"
import * as ModelTransport from "./model/ModelTransport.ts"
import { Population } from "./model/Population.ts"
import { StorageNode } from "./model/StorageNode.ts"
import * as StoredItem from "./model/StoredItem.ts"
import { Transactions } from "./model/Transactions.ts"
import type { Behaviour, EntranceMix, Ground, Holding, MakeNodes, Member, Nodes, NodesOptions } from "./Nodes.ts"
import { Wire } from "./Wire.ts"

/** The port of every node. */
const PORT = 6881

/** Nodes for each third byte of an address. */
const NODES_PER_BLOCK = 250

const HOUR_MS = 3_600_000

/** They name neighbours of their own making. */
const MAKES_UP_NEIGHBOURS: ReadonlySet<Behaviour> = new Set(["garbage", "oversized", "misleading"])

/** A node on the wire. */
interface Running {
  readonly node: StorageNode
  behaviour: Behaviour
  answer: Answering
  detach: () => void
}

const hostOf = (block: 0 | 66, index: number): string =>
  `10.${block}.${Math.floor(index / NODES_PER_BLOCK)}.${1 + (index % NODES_PER_BLOCK)}`

class ModelNodes implements Nodes {
  readonly #ground: Ground
  readonly #options: NodesOptions
  readonly #wire: Wire<KrpcMessage>
  readonly #population: Population
  readonly #isSigned: StoredItem.IsSigned
  readonly #items = new StoredItem.Shared()
  readonly #running = new Map<string, Running>()
  /** Names of those that left for ever. */
  readonly #gone = new Set<string>()
  #entrances: Partial<EntranceMix> = {}
  #honest = 0
  #besieging = 0
  #members = 0
  #changes = 0

  constructor(ground: Ground, options: NodesOptions) {
    const { chance, ed25519, kernel, trace, weather } = ground
    this.#ground = ground
    this.#options = options
    this.#wire = new Wire(kernel, weather, trace, textOf)
    this.#population = new Population(kernel, chance.fork("routing"))
    this.#isSigned = StoredItem.signatureCheck(ed25519)
    const nodes = Array.from({ length: options.count }, () => this.#makeHonest())
    this.#population.settle(nodes)
    for (const node of nodes) this.#start(node, "honest")
  }

  readonly names = (): ReadonlyArray<string> => this.#population.living.map(({ name }) => name)

  readonly dht = (member: Member): Layer.Layer<Dht> =>
    Layer.effect(
      Dht,
      Effect.gen({ self: this }, function* () {
        const { ed25519, kernel } = this.#ground
        const chance = this.#ground.chance.fork(`member ${this.#members++} ${member.name}`)
        const transactions = yield* Effect.acquireRelease(
          Effect.sync(() => new Transactions(this.#wire, member, chance)),
          (open) => Effect.sync(() => open.close())
        )
        let entrances: ReadonlyArray<string> | undefined
        // Who is there from the beginning and does nothing until the end has started the program at the end.
        const bootstrap = () => (entrances ??= this.#entrancesFor(chance.fork("bootstrap")))
        const transport = ModelTransport.make({
          transactions,
          process: member.process,
          now: () => kernel.now,
          bootstrap,
          items: this.#items
        })
        return Client.make(transport, ed25519)
      })
    )

  readonly crash = (name: string): void => {
    const running = this.#get(name)
    if (running === undefined || !running.node.isUp) return
    running.node.isUp = false
    running.detach()
    this.#population.leave(running.node)
  }

  readonly leave = (name: string): void => {
    const running = this.#get(name)
    if (running === undefined) return
    this.crash(name)
    this.#population.forget(running.node)
    this.#running.delete(name)
    this.#gone.add(name)
  }

  readonly restart = (name: string, keepDisk: boolean): void => {
    const running = this.#get(name)
    if (running === undefined || running.node.isUp) return
    const { behaviour, node } = running
    node.restart(keepDisk)
    this.#population.enter(node)
    this.#start(node, behaviour)
  }

  readonly join = (): string => {
    const node = this.#makeHonest()
    this.#population.enter(node)
    this.#start(node, "honest")
    return node.name
  }

  readonly behave = (name: string, behaviour: Behaviour): boolean => {
    const running = this.#get(name)
    if (running === undefined) return true
    running.behaviour = behaviour
    running.answer = this.#answering(running.node, behaviour)
    return true
  }

  readonly besiege = (target: Target, count: number, behaviour: Behaviour): ReadonlyArray<string> => {
    const at = fromBytes(target)
    const nodes = Array.from({ length: count }, () => {
      const index = this.#besieging++
      // No two of them have one id, even where a target is besieged twice.
      return this.#makeNode(`h${index}`, hostOf(66, index), Ids.beside(at, index + 1), Infinity)
    })
    this.#population.enterTogether(nodes)
    for (const node of nodes) {
      const running = this.#start(node, behaviour)
      if (MAKES_UP_NEIGHBOURS.has(behaviour)) continue
      running.answer = conspiring(running.answer, nodes, this.#ground.chance.fork(`group of ${node.name}`))
    }
    return nodes.map(({ name }) => name)
  }

  readonly leadIn = (entrances: Partial<EntranceMix>): void => {
    this.#entrances = entrances
  }

  readonly holdings = (): ReadonlyArray<Holding> => {
    const out: Array<Holding> = []
    for (const { items, name } of this.#population.living) {
      for (const item of items) {
        out.push({ node: name, target: item.target.hex, seq: item._tag === "Mutable" ? item.seq : undefined })
      }
    }
    return out
  }

  /** `undefined` for one that left for ever. */
  #get(name: string): Running | undefined {
    const running = this.#running.get(name)
    if (running === undefined && !this.#gone.has(name)) throw new RangeError(`there is no storage node ${name}`)
    return running
  }

  #makeHonest(): StorageNode {
    const index = this.#honest++
    const name = `n${index}`
    const chance = this.#ground.chance.fork(`node ${name}`)
    const { forgetsAfter2h, forgetsAfter24h, refusesSame } = this.#options
    const share = chance.fraction()
    const lifetimeMs =
      share < forgetsAfter2h ? 2 * HOUR_MS : share < forgetsAfter2h + forgetsAfter24h ? 24 * HOUR_MS : Infinity
    return this.#makeNode(name, hostOf(0, index), Ids.random(chance), lifetimeMs, share >= 1 - refusesSame)
  }

  #makeNode(name: string, host: string, id: NodeId, lifetimeMs: number, refusesSame = false): StorageNode {
    const { chance, kernel } = this.#ground
    return new StorageNode({
      name,
      address: `${host}:${PORT}`,
      id,
      capacity: this.#options.capacity,
      lifetimeMs,
      refusesSame,
      chance: chance.fork(`node ${name}`),
      now: () => kernel.now,
      isSigned: this.#isSigned
    })
  }

  #answering(node: StorageNode, behaviour: Behaviour): Answering {
    const chance = this.#ground.chance.fork(`${behaviour} ${node.name} ${this.#changes++}`)
    return answering(node, behaviour, chance)
  }

  #start(node: StorageNode, behaviour: Behaviour): Running {
    const detach = this.#wire.attach({
      name: node.name,
      address: node.address,
      receive: (message, from) => {
        if (message._tag !== "Query") return
        const answer = running.answer(message.question, from)
        if (answer === undefined) return
        this.#wire.send(node, from, { _tag: "Reply", transaction: message.transaction, answer })
      }
    })
    const running: Running = { node, behaviour, answer: this.#answering(node, behaviour), detach }
    this.#running.set(node.name, running)
    return running
  }

  /** Nodes that a member starts from, as they are now. */
  #entrancesFor(chance: Ground["chance"]): ReadonlyArray<string> {
    const { known, living } = this.#population
    const nodes = (living.length > 0 ? living : known).map(({ address, name }) => {
      return { address, isHonest: this.#running.get(name)?.behaviour === "honest" }
    })
    return Entrances.choose(chance, nodes, this.#entrances)
  }
}

/** `options.count` honest nodes that know each other. Names that no node has are a caller's bug and throw. */
export const make: MakeNodes = (ground, options) => new ModelNodes(ground, options)
