/**
 * A simulated DHT made of the library that we ship: bittorrent-dht behind our guard on in-memory
 * sockets, for storage nodes and users alike (`MainlineDht`). The second network under the same
 * scenarios, against which the model is checked.
 *
 * Items are held as our nodes hold them (`ItemStore`): each until its time is over, and past `capacity` one of
 * whoever put most goes. Announced peers are the library's and do not outlive a restart: of a disk that is
 * kept only the items do. The simulation runs within {@link around}.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Ed25519 } from "../../protocol/core/Ed25519.ts"
import type { Dht } from "../../protocol/dht/Dht.ts"
import type { DhtError } from "../../protocol/dht/DhtError.ts"
import type { Target } from "../../protocol/dht/Record.ts"
import type {
  Behaviour,
  EntranceMix,
  Ground,
  Holding,
  MakeNodes,
  Member,
  Nodes,
  NodesOptions
} from "../../protocol/testing/simulation/Nodes.ts"
import * as Entrances from "../../protocol/testing/simulation/model/Entrances.ts"
import { type Entry, Trace } from "../../protocol/testing/simulation/Trace.ts"
import type { Chance } from "../../protocol/testing/simulation/Chance.ts"
import type { Conditions } from "../../protocol/testing/simulation/Weather.ts"
import { Wire } from "../../protocol/testing/simulation/Wire.ts"
import { NODE_ID_BYTES } from "../dht/KrpcMessage.ts"
import { peerName } from "../dht/KrpcTransactions.ts"
import * as MainlineDht from "../dht/MainlineDht.ts"
import type * as KrpcText from "./KrpcText.ts"
import { VirtualGlobals } from "./VirtualGlobals.ts"
import * as WireMachine from "./WireMachine.ts"
import { WireNode } from "./WireNode.ts"
import type { Internet } from "./WireSocket.ts"

export { around } from "./VirtualGlobals.ts"

/** BitTorrent's first port; a second client at one address takes the next. */
export const PORT = 6881

/** Nodes in a /24, from .1 on. */
const NODES_PER_NET = 250

const HOUR_MS = 3_600_000

/** Virtual ms that a node may take to find its neighbours while the network is built, on a wire that loses nothing. */
const JOIN_MAX_MS = 60_000

/** Weather in which the network is built. */
const CALM: Conditions = { delayMinMs: 1, delayMeanMs: 0, delayMaxMs: 1, lossShare: 0, replayShare: 0 }

/** Nobody wants to read how the network was built: while it is, entries go elsewhere. */
class NetworkTrace extends Trace {
  into: Trace
  constructor(into: Trace) {
    super("none")
    this.into = into
  }
  override add(entry: Entry): void {
    this.into.add(entry)
  }
}

/** Nodes that were there first, or joined, and those that were set beside a target: who lays siege does not shift the others' names. */
type Kind = "n" | "h"

/** Second byte of their addresses. */
const NETS: { readonly [K in Kind]: number } = { n: 0, h: 66 }

class WireNodes implements Nodes {
  readonly #ground: Ground
  readonly #options: NodesOptions
  readonly #internet: Internet
  readonly #nodes = new Map<string, WireNode>()
  /** Names of those that left for ever. */
  readonly #gone = new Set<string>()
  readonly #counts = { n: 0, h: 0 }
  #entranceMix: Partial<EntranceMix> = {}
  #members = 0

  constructor(ground: Ground, options: NodesOptions) {
    const trace = new NetworkTrace(new Trace("none"))
    this.#ground = ground
    this.#options = options
    this.#internet = {
      wire: new Wire<KrpcText.Message>(ground.kernel, ground.weather, trace, ({ text }) => text),
      globals: VirtualGlobals.of(ground.kernel),
      bound: new Map()
    }
    this.#internet.globals.around(() => this.#build())
    const { kernel } = ground
    const text = `${options.count} nodes found each other with ${trace.into.count} datagrams, ${trace.into.hash}`
    ground.trace.add({ atMs: kernel.elapsedMs, kind: "note", from: "network", text })
    trace.into = ground.trace
  }

  readonly names = (): ReadonlyArray<string> => {
    return this.#up().map(({ name }) => name)
  }

  readonly dht = (member: Member): Layer.Layer<Dht, DhtError, Ed25519> => {
    return Layer.unwrap(
      Effect.sync(() => {
        const { chance } = this.#ground
        const { host, name, process } = member
        const own = chance.fork(`client ${++this.#members} of ${name}`)
        const machine = WireMachine.make({
          internet: this.#internet,
          name,
          process,
          chance: own,
          nodeId: own.bytes(NODE_ID_BYTES),
          ground: this.#ground
        })
        const bootstrap = this.#entrances(own.fork("bootstrap"), this.#entranceMix)
        return MainlineDht.layer({ host, port: this.#freePort(host), bootstrap, readOnly: true, machine })
      })
    )
  }

  readonly crash = (name: string): void => {
    this.#get(name)?.crash()
  }

  readonly leave = (name: string): void => {
    const node = this.#get(name)
    if (node === undefined) return
    node.crash()
    this.#nodes.delete(name)
    this.#gone.add(name)
  }

  readonly restart = (name: string, keepDisk: boolean): void => {
    this.#get(name)?.start(keepDisk)
  }

  readonly join = (): string => {
    return this.#add("n", undefined, "honest").name
  }

  readonly behave = (name: string, behaviour: Behaviour): boolean => {
    const node = this.#get(name)
    if (node !== undefined) node.behaviour = behaviour
    return true
  }

  readonly besiege = (target: Target, count: number, behaviour: Behaviour): ReadonlyArray<string> => {
    return Array.from({ length: count }, () => {
      const id = Uint8Array.from(target)
      const last = new DataView(id.buffer)
      // Nearer than any id that was drawn, not the target itself, and no two alike.
      last.setUint16(NODE_ID_BYTES - 2, last.getUint16(NODE_ID_BYTES - 2) ^ (this.#counts.h + 1))
      return this.#add("h", id, behaviour).name
    })
  }

  readonly leadIn = (entrances: Partial<EntranceMix>): void => {
    this.#entranceMix = entrances
  }

  readonly holdings = (): ReadonlyArray<Holding> => {
    return this.#up().flatMap((node) => node.holdings())
  }

  #up(): Array<WireNode> {
    return [...this.#nodes.values()].filter(({ isUp }) => isUp)
  }

  /** `undefined` for one that left for ever. */
  #get(name: string): WireNode | undefined {
    const node = this.#nodes.get(name)
    if (node === undefined && !this.#gone.has(name)) throw new RangeError(`there is no storage node ${name}`)
    return node
  }

  /** `host:port` of nodes to start from, as they are now; of others than `self`. */
  #entrances(chance: Chance, mix: Partial<EntranceMix>, self?: WireNode): ReadonlyArray<string> {
    const others = this.#up().filter((node) => node !== self)
    if (others.length === 0) others.push(...[...this.#nodes.values()].filter((node) => node !== self))
    const candidates = others.map(({ behaviour, host, port }) => {
      return { address: peerName(host, port), isHonest: behaviour === "honest" }
    })
    return Entrances.choose(chance, candidates, mix)
  }

  #freePort(host: string): number {
    let port = PORT
    while (this.#internet.bound.get(peerName(host, port))?.process.isAlive === true) port++
    return port
  }

  #add(kind: Kind, nodeId: Uint8Array | undefined, behaviour: Behaviour): WireNode {
    const { chance } = this.#ground
    const number = this.#counts[kind]++
    const name = `${kind}${number}`
    const node: WireNode = new WireNode({
      ground: this.#ground,
      internet: this.#internet,
      name,
      host: `10.${NETS[kind]}.${Math.floor(number / NODES_PER_NET)}.${(number % NODES_PER_NET) + 1}`,
      port: PORT,
      nodeId: nodeId ?? chance.fork(`id of ${name}`).bytes(NODE_ID_BYTES),
      capacity: this.#options.capacity,
      lifetimeMs: kind === "h" ? Infinity : this.#lifetimeOf(name),
      bootstrap: (chance) => this.#entrances(chance, {}, node)
    })
    node.behaviour = behaviour
    this.#nodes.set(name, node)
    node.start(false)
    return node
  }

  #lifetimeOf(name: string): number {
    const { forgetsAfter2h, forgetsAfter24h } = this.#options
    const share = this.#ground.chance.fork(`memory of ${name}`).fraction()
    return share < forgetsAfter2h ? 2 * HOUR_MS : share < forgetsAfter2h + forgetsAfter24h ? 24 * HOUR_MS : Infinity
  }

  /** One after the other, as on a network that grew: each finds those that were there. */
  #build(): void {
    const { kernel, weather } = this.#ground
    const heal = weather.change(() => CALM)
    for (let i = 0; i < this.#options.count; i++) {
      const node = this.#add("n", undefined, "honest")
      const stop = kernel.run(() => node.isReady, kernel.now + JOIN_MAX_MS)
      if (stop !== "done") throw new Error(`The simulated network was not built: ${node.name} is ${stop}`)
    }
    heal()
  }
}

/** Builds the network, which takes less than a virtual second. Whatever the kernel does after that has to be within {@link around}. */
export const make: MakeNodes = (ground, options) => new WireNodes(ground, options)
