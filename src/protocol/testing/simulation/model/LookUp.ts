/**
 * The iterative look-up of BEP 5: asks ever closer nodes until the closest ones have answered. The same
 * steps, in the same order and within the same bounds, as `NodeSearch` of the real client.
 */
import * as Effect from "effect/Effect"
import type { Acquaintances } from "./Acquaintances.ts"
import { type Answer, type Contact, type Found, type Get, type GetPeers, NODES_MAX } from "./Krpc.ts"
import type { Transactions } from "./Transactions.ts"
import * as Xor from "./Xor.ts"

/** Nodes that a look-up ends with, and that an item is stored on. */
export const CLOSEST_NODES = 20

/** Queries of one look-up that wait for an answer at a time. */
const IN_FLIGHT_MAX = 16

/** Queries of one look-up: liars who name ever closer nodes get no further than this. */
export const QUERIES_MAX = 256

/** A look-up that fewer nodes answer goes back to the bootstrap nodes. */
const ANSWERS_MIN = 3

/** Nodes that named no neighbours, and are asked for those with a `find_node`. */
const FOLLOW_UPS_MAX = 3

/** A node that can be written to. */
export interface StoreNode extends Contact {
  readonly token: number
}

export interface Outcome {
  /** Nodes that answered. */
  readonly answers: number
  /** The closest nodes that gave a token, closest first. */
  readonly closest: ReadonlyArray<StoreNode>
  /** Whether the closest nodes were asked; not so when `onFound` had seen enough. */
  readonly isComplete: boolean
}

/** The member that asks. */
export interface Asker {
  readonly transactions: Transactions
  readonly acquaintances: Acquaintances
  /** Addresses of nodes to start from. */
  readonly bootstrap: () => ReadonlyArray<string>
}

/** Hears every node (`host:port`) once and says whether to go on. */
export type OnFound = (from: string, found: Found) => boolean

interface Candidate extends Contact {
  isAsked: boolean
}

class Running {
  readonly #asker: Asker
  readonly #question: Get | GetPeers
  readonly #target: Xor.Id
  readonly #onFound: OnFound
  readonly #onEnd: (outcome: Outcome) => void
  readonly #considered = new Set<string>()
  /** Neighbours that were silent a moment ago: asked only where hardly anybody else answers. */
  readonly #passedOver = new Map<string, Contact>()
  /** Those not found dead, closest first. */
  #ranking: Array<Candidate> = []
  readonly #store: Array<StoreNode> = []
  readonly #answered = new Set<string>()
  #inFlight = 0
  #bootstrapsInFlight = 0
  #queries = 0
  #followUps = 0
  #isLastResortTaken = false
  #isRunning = true

  constructor(asker: Asker, question: Get | GetPeers, onFound: OnFound, onEnd: (outcome: Outcome) => void) {
    this.#asker = asker
    this.#question = question
    this.#target = question.target
    this.#onFound = onFound
    this.#onEnd = onEnd
  }

  start(): void {
    this.#considerAcquaintances()
    this.#goOn()
  }

  /** Asks nobody any more, and says nothing. */
  abort(): void {
    this.#isRunning = false
  }

  #considerAcquaintances(): void {
    for (const contact of this.#asker.acquaintances.closest(this.#target, CLOSEST_NODES)) this.#consider(contact)
  }

  #considerNeighbours({ nodes }: Found): void {
    const count = Math.min(nodes.length, NODES_MAX)
    for (let i = 0; i < count; i++) {
      const contact = nodes[i]!
      if (!this.#isNew(contact.address)) continue
      if (this.#asker.acquaintances.isSilent(contact.address)) this.#passedOver.set(contact.address, contact)
      else this.#consider(contact)
    }
  }

  #isNew(address: string): boolean {
    return !this.#considered.has(address) && !this.#answered.has(address)
  }

  #consider({ address, id }: Contact): void {
    if (!this.#isNew(address)) return
    this.#considered.add(address)
    this.#rank({ id, address, isAsked: false })
  }

  #rank(candidate: Candidate): void {
    const ranking = this.#ranking
    let at = ranking.length
    for (; at > 0 && Xor.isCloser(this.#target, candidate.id, ranking[at - 1]!.id); at--) ranking[at] = ranking[at - 1]!
    ranking[at] = candidate
  }

  #unrank(candidate: Candidate): void {
    const at = this.#ranking.indexOf(candidate)
    if (at >= 0) this.#ranking.splice(at, 1)
  }

  #goOn(): void {
    if (!this.#isRunning) return
    this.#askClosest()
    if (this.#inFlight > 0) return
    // Other look-ups may have met nodes since this one began.
    this.#considerAcquaintances()
    this.#askClosest()
    if (this.#inFlight > 0) return
    if (!this.#isLastResortTaken && this.#answered.size < ANSWERS_MIN) this.#takeLastResort()
    if (this.#inFlight > 0) return
    if (this.#bootstrapsInFlight === 0 || this.#answered.size >= CLOSEST_NODES) this.#end(true)
  }

  #takeLastResort(): void {
    this.#isLastResortTaken = true
    for (const contact of this.#passedOver.values()) this.#consider(contact)
    for (const contact of this.#asker.acquaintances.faded) this.#consider(contact)
    this.#askClosest()
    const bootstrap = this.#asker.bootstrap()
    if (this.#answered.size >= bootstrap.length) return
    for (const address of bootstrap) this.#askBootstrap(address)
  }

  #askClosest(): void {
    const count = Math.min(CLOSEST_NODES, this.#ranking.length)
    for (let i = 0; i < count; i++) {
      if (this.#inFlight >= IN_FLIGHT_MAX || this.#queries >= QUERIES_MAX) return
      const candidate = this.#ranking[i]!
      if (!candidate.isAsked) this.#ask(candidate)
    }
  }

  #ask(candidate: Candidate): void {
    candidate.isAsked = true
    this.#inFlight++
    this.#queries++
    this.#asker.transactions.ask(candidate.address, this.#question, (answer) => {
      this.#inFlight--
      if (answer?._tag === "Found") this.#hear(candidate, answer)
      else this.#lose(candidate, answer)
      this.#goOn()
    })
  }

  #askBootstrap(address: string): void {
    this.#bootstrapsInFlight++
    this.#queries++
    this.#asker.transactions.ask(address, this.#question, (answer) => {
      this.#bootstrapsInFlight--
      if (answer?._tag === "Found") this.#take(address, answer)
      this.#goOn()
    })
  }

  #hear(candidate: Candidate, found: Found): void {
    if (!Xor.equals(found.id, candidate.id)) {
      this.#unrank(candidate)
      this.#rank({ id: found.id, address: candidate.address, isAsked: true })
    }
    this.#take(candidate.address, found)
  }

  /** A node that answers an error is alive, though it is of no use here. */
  #lose(candidate: Candidate, answer: Answer | undefined): void {
    this.#unrank(candidate)
    if (answer === undefined) this.#asker.acquaintances.noteSilence(candidate.address)
  }

  #take(address: string, found: Found): void {
    this.#asker.acquaintances.hear({ id: found.id, address })
    if (!this.#isRunning || this.#answered.has(address)) return
    this.#answered.add(address)
    if (found.token !== undefined) this.#store.push({ id: found.id, address, token: found.token })
    this.#considerNeighbours(found)
    if (!this.#onFound(address, found)) return this.#end(false)
    if (found.nodes.length === 0 && this.#ranking.length < CLOSEST_NODES) this.#followUp(address)
  }

  /** Some implementations give either the item or its neighbours. */
  #followUp(address: string): void {
    if (this.#followUps >= FOLLOW_UPS_MAX) return
    this.#followUps++
    this.#inFlight++
    this.#queries++
    this.#asker.transactions.ask(address, { _tag: "FindNode", target: this.#target }, (answer) => {
      this.#inFlight--
      if (answer?._tag === "Found") this.#considerNeighbours(answer)
      this.#goOn()
    })
  }

  #end(isComplete: boolean): void {
    if (!this.#isRunning) return
    this.#isRunning = false
    const closest = Xor.closest(this.#store, this.#target, CLOSEST_NODES)
    this.#onEnd({ answers: this.#answered.size, closest, isComplete })
  }
}

/**
 * Looks up a target. After `onFound` said `false` nobody else is asked, and what is still under way is not
 * waited for.
 */
export const run = (asker: Asker, question: Get | GetPeers, onFound: OnFound): Effect.Effect<Outcome> =>
  Effect.callback((resume) => {
    const running = new Running(asker, question, onFound, (outcome) => resume(Effect.succeed(outcome)))
    running.start()
    return Effect.sync(() => running.abort())
  })
