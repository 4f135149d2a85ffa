/**
 * The iterative look-up of BEP 5: asks ever closer nodes for the item at a target (`get`, BEP 44),
 * until the closest ones have answered.
 *
 * bittorrent-dht's own look-up tells neither who gave which item nor who took which write, and ends
 * early where nodes that hold the item name no others. Here every reply is seen with its sender.
 */
import * as Effect from "effect/Effect"
import type { QueryError, Value } from "bittorrent-dht"
import type { Asked, Reply as Message, Rpc } from "k-rpc"
import { copyOf, countOf, type Known, nodesOf } from "./CompactNodes.ts"
import { NODE_ID_BYTES } from "./KrpcMessage.ts"
import { peerName } from "./KrpcTransactions.ts"
import type { SilentNodes } from "./SilentNodes.ts"

/** Nodes that a look-up ends with, and that an item is stored on: as in k-rpc. An item starts on about 15 of them. */
export const CLOSEST_NODES = 20

/** Queries of one look-up that wait for an answer at a time: as in k-rpc. */
const IN_FLIGHT_MAX = 16

/** Queries of one look-up. Honest ones need 20 to 60; liars who name ever closer nodes get no further than this. */
export const QUERIES_MAX = 256

/** A look-up that fewer nodes answer goes back to the bootstrap nodes: a routing table can be out of date as a whole. */
const ANSWERS_MIN = 3

/** Nodes that gave the item but no neighbours, and are asked for those with a `find_node`. */
const FOLLOW_UPS_MAX = 3

/** What a node said. */
export interface Reply {
  /** `host:port`. */
  readonly from: string
  readonly values: { readonly [key: string]: Value }
}

/** A node that can be written to: `token` is its permission, for some minutes. */
export interface StoreNode extends Known {
  readonly token: Buffer
}

export interface Outcome {
  /** Nodes that answered. */
  readonly answers: number
  /** The closest nodes that gave a token, closest first. */
  readonly closest: ReadonlyArray<StoreNode>
  /** Whether the closest nodes were asked; not so when `onReply` had seen enough. */
  readonly isComplete: boolean
}

interface Candidate {
  readonly node: Known
  /** XOR of the node's id and the target (BEP 5 "Overview"). */
  readonly distance: Buffer
  isAsked: boolean
}

type Callback = Parameters<Rpc["query"]>[2]

const isId = (value: Value | undefined): value is Buffer => Buffer.isBuffer(value) && value.length === NODE_ID_BYTES

const distanceOf = (id: Buffer, target: Uint8Array): Buffer => {
  const distance = Buffer.alloc(NODE_ID_BYTES)
  for (let i = 0; i < NODE_ID_BYTES; i++) distance[i] = id[i]! ^ target[i]!
  return distance
}

/** The node that asks. */
export interface Searcher {
  readonly rpc: Rpc
  readonly silent: SilentNodes
}

class Search {
  readonly #rpc: Rpc
  readonly #silent: SilentNodes
  readonly #target: Buffer
  readonly #onReply: (reply: Reply) => boolean
  readonly #onEnd: (outcome: Outcome) => void
  readonly #considered = new Set<string>()
  /** Neighbours that were silent a moment ago: asked only where hardly anybody else answers. */
  readonly #passedOver = new Map<string, Known>()
  /** Those not found dead, closest first. */
  #ranking: Array<Candidate> = []
  readonly #store = new Map<string, StoreNode & { readonly distance: Buffer }>()
  readonly #answered = new Set<string>()
  #inFlight = 0
  #bootstrapsInFlight = 0
  #queries = 0
  #followUps = 0
  #isLastResortTaken = false
  #isRunning = true

  constructor(
    { rpc, silent }: Searcher,
    target: Uint8Array,
    onReply: (reply: Reply) => boolean,
    onEnd: (outcome: Outcome) => void
  ) {
    this.#rpc = rpc
    this.#silent = silent
    this.#target = Buffer.from(target)
    this.#onReply = onReply
    this.#onEnd = onEnd
  }

  start(): void {
    this.#considerTable()
    this.#goOn()
  }

  /** Asks nobody any more, and says nothing. */
  abort(): void {
    this.#isRunning = false
  }

  /** A silent node leaves the table: one that is in it has been heard since. */
  #considerTable(): void {
    for (const node of this.#rpc.nodes.closest(this.#target, CLOSEST_NODES)) this.#consider(node)
  }

  #considerNeighbours(compact: Value | undefined): void {
    for (const node of nodesOf(compact, (name) => this.#isNew(name))) {
      const name = peerName(node.host, node.port)
      if (this.#silent.has(name)) this.#passedOver.set(name, node)
      else this.#consider(node)
    }
  }

  #isNew(name: string): boolean {
    return !this.#considered.has(name) && !this.#answered.has(name)
  }

  #consider(node: Known): void {
    const name = peerName(node.host, node.port)
    if (!this.#isNew(name) || node.id.equals(this.#rpc.id)) return
    this.#considered.add(name)
    this.#rank({ node, distance: distanceOf(node.id, this.#target), isAsked: false })
  }

  #rank(candidate: Candidate): void {
    const place = this.#ranking.findIndex(({ distance }) => candidate.distance.compare(distance) < 0)
    this.#ranking.splice(place === -1 ? this.#ranking.length : place, 0, candidate)
  }

  #unrank(candidate: Candidate): void {
    this.#ranking = this.#ranking.filter((other) => other !== candidate)
  }

  #goOn(): void {
    if (!this.#isRunning) return
    this.#askClosest()
    if (this.#inFlight > 0) return
    // The node itself may still have been looking for its neighbours when this began.
    this.#considerTable()
    this.#askClosest()
    if (this.#inFlight > 0) return
    if (!this.#isLastResortTaken && this.#answered.size < ANSWERS_MIN) this.#takeLastResort()
    if (this.#inFlight > 0) return
    if (this.#bootstrapsInFlight === 0 || this.#answered.size >= CLOSEST_NODES) this.#end(true)
  }

  #takeLastResort(): void {
    this.#isLastResortTaken = true
    for (const node of this.#passedOver.values()) this.#consider(node)
    this.#askClosest()
    if (this.#answered.size >= this.#rpc.bootstrap.length) return
    for (const node of this.#rpc.bootstrap) this.#askBootstrap(node)
  }

  #askClosest(): void {
    for (const candidate of this.#ranking.slice(0, CLOSEST_NODES)) {
      if (this.#inFlight >= IN_FLIGHT_MAX || this.#queries >= QUERIES_MAX) return
      if (!candidate.isAsked) this.#ask(candidate)
    }
  }

  #query(node: Asked, q: "get" | "find_node", callback: Callback): void {
    this.#queries++
    this.#rpc.query(node, { q, a: { id: this.#rpc.id, target: this.#target } }, callback)
  }

  #ask(candidate: Candidate): void {
    candidate.isAsked = true
    this.#inFlight++
    const { host, port } = candidate.node
    // Without its id: whoever names an honest node under a false one must not keep us from hearing it.
    this.#query({ host, port }, "get", (error, reply) => {
      this.#inFlight--
      if (error !== null) this.#lose(candidate, error)
      else if (reply !== null && reply !== undefined) this.#hear(candidate, reply)
      this.#goOn()
    })
  }

  #hear(candidate: Candidate, reply: Message): void {
    const { host, id, port } = candidate.node
    const own = reply.r?.["id"]
    if (isId(own) && !own.equals(id)) {
      this.#unrank(candidate)
      this.#rank({ node: { host, id: copyOf(own), port }, distance: distanceOf(own, this.#target), isAsked: true })
      this.#leaveTable(candidate)
    }
    this.#take(reply, host, port)
  }

  #askBootstrap(node: Asked): void {
    this.#bootstrapsInFlight++
    this.#query(node, "get", (error, reply, peer) => {
      this.#bootstrapsInFlight--
      // A host name was asked; the reply says from which address it came.
      const host = peer?.address
      if (error === null && reply !== null && reply !== undefined && host !== undefined) {
        this.#take(reply, host, peer!.port)
      }
      this.#goOn()
    })
  }

  /** A node that answers an error is alive, though it is of no use here. */
  #lose(candidate: Candidate, { code }: QueryError): void {
    this.#unrank(candidate)
    if (code !== "ETIMEDOUT") return
    this.#silent.note(peerName(candidate.node.host, candidate.node.port))
    this.#leaveTable(candidate)
  }

  #leaveTable({ node: { host, id, port } }: Candidate): void {
    const entry = this.#rpc.nodes.get(id)
    // What somebody says of a node elsewhere is no reason to forget the one that is known under this id.
    if (entry !== null && entry.host === host && entry.port === port) this.#rpc.nodes.remove(id)
  }

  #take({ r }: Message, host: string, port: number): void {
    if (!this.#isRunning || r === undefined) return
    const name = peerName(host, port)
    if (this.#answered.has(name)) return
    this.#answered.add(name)
    const { id, token } = r
    if (isId(id) && Buffer.isBuffer(token)) {
      const distance = distanceOf(id, this.#target)
      this.#store.set(name, { host, port, id: copyOf(id), token: copyOf(token), distance })
    }
    this.#considerNeighbours(r["nodes"])
    if (!this.#onReply({ from: name, values: r })) return this.#end(false)
    if (countOf(r["nodes"]) === 0 && this.#ranking.length < CLOSEST_NODES) this.#followUp({ host, port })
  }

  /** bittorrent-dht gives either the item or its neighbours: on a new network all might give the item. */
  #followUp(node: Asked): void {
    if (this.#followUps >= FOLLOW_UPS_MAX) return
    this.#followUps++
    this.#inFlight++
    this.#query(node, "find_node", (_error, reply) => {
      this.#inFlight--
      this.#considerNeighbours(reply?.r?.["nodes"])
      this.#goOn()
    })
  }

  #end(isComplete: boolean): void {
    if (!this.#isRunning) return
    this.#isRunning = false
    const closest = [...this.#store.values()].toSorted((a, b) => a.distance.compare(b.distance))
    this.#onEnd({
      answers: this.#answered.size,
      closest: closest.slice(0, CLOSEST_NODES).map(({ host, id, port, token }) => ({ host, id, port, token })),
      isComplete
    })
  }
}

/**
 * Looks up `target`. `onReply` hears every node once and says whether to go on; after `false` nobody
 * else is asked, and what is still under way is not waited for.
 */
export const search = (
  node: Searcher,
  target: Uint8Array,
  onReply: (reply: Reply) => boolean = () => true
): Effect.Effect<Outcome> =>
  Effect.callback((resume) => {
    const running = new Search(node, target, onReply, (outcome) => resume(Effect.succeed(outcome)))
    running.start()
    return Effect.sync(() => running.abort())
  })
