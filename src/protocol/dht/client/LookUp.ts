/**
 * The iterative look-up of BEP 5: asks ever closer nodes until the closest ones have answered.
 *
 * A third of the nodes that others name do not answer, and waiting for each would take seconds. So a node
 * that is late is asked once more, and others are asked beside it; those that were silent a moment ago are
 * asked too, but hardly waited for. Where nothing was found, all of them are given more time.
 */
import * as Effect from "effect/Effect"
import type { Answer, Contact, Found, Get, GetPeers, StoreNode, Unsent } from "./Krpc.ts"
import { Lateness } from "./Lateness.ts"
import { CLOSEST_NODES } from "./NetworkSize.ts"
import * as Networks from "./Networks.ts"
import * as NodeId from "./NodeId.ts"
import * as Observed from "./Observed.ts"
import { Questions } from "./Questions.ts"
import { type Candidate, candidate as candidateOf, Ranking } from "./Ranking.ts"
import type { Shared } from "./Shared.ts"
import type { Transport } from "./Transport.ts"

/** Queries of one look-up that are waited for at a time: as in k-rpc. Late ones do not count. */
const IN_FLIGHT_MAX = 16

/** The same where one answer may be the end of it: Kademlia asks 3 at a time (its α). */
const IN_FLIGHT_FRUGAL = 4

/** Queries of one look-up. Honest ones need 20 to 60; liars who name ever closer nodes get no further than this. */
export const QUERIES_MAX = 256

/** A look-up that fewer nodes answer goes back to the bootstrap nodes: a routing table can be out of date as a whole. */
const ANSWERS_MIN = 3

/** Nodes that gave the item but no neighbours, and are asked for those with a `find_node`. */
const FOLLOW_UPS_MAX = 3

/** Nodes that are asked once more since they are late, and doubtful ones that are asked at all: twice the K of BEP 5. */
const AGAIN_MAX = 16
const DOUBTFUL_MAX = 16

/** Sides of the target on which more nodes are sought, where the closest are not enough. */
const SIDES_MAX = 16

/** Nodes of owners that have enough others closest to the target: as many fill half of an honest reply (BEP 5, K = 8). */
const CROWD_MIN = 4

export interface Outcome {
  /** Nodes that were asked, and those of them that answered. */
  readonly asked: number
  readonly answered: number
  /** Those of the closest nodes that gave a token, closest first: the ones to write to. */
  readonly closest: ReadonlyArray<StoreNode>
  /** Whether the closest nodes were asked; not so when `onFound` had seen enough, or time was over. */
  readonly isComplete: boolean
}

/** `enough`: nobody else is to be asked. `found`: the closest nodes are, but are not waited for as long. */
export type Verdict = "enough" | "found" | "nothing"

export interface Options {
  readonly question: Get | GetPeers
  /** Hears every node (`host:port`) once. */
  readonly onFound: (from: string, found: Found) => Verdict
  /** The look-up ends by then, ms. */
  readonly timeoutMs?: number | undefined
  /** Whether the first answers will mostly do: then few are asked at a time. */
  readonly isFrugal?: boolean | undefined
  /** How many of the closest nodes to ask at least; {@link CLOSEST_NODES} unless more are wanted. */
  readonly width?: number | undefined
}

class Running {
  readonly #shared: Shared
  readonly #questions: Questions
  readonly #options: Options
  readonly #target: NodeId.NodeId
  readonly #onEnd: (outcome: Outcome) => void
  readonly #ranking: Ranking
  readonly #lateness: Lateness
  /** By address, whatever became of them. */
  readonly #known = new Map<string, Candidate>()
  /** Neighbours that were silent a moment ago. */
  readonly #doubtful = new Map<string, Contact>()
  readonly #answered = new Map<string, StoreNode | undefined>()
  #cancelEnd: (() => void) | undefined
  #inFlight = 0
  #starting = 0
  #followUps = 0
  #again = 0
  #hasFound = false
  #isLastResortTaken = false
  #hasExplored = false
  #isRunning = true

  constructor(shared: Shared, ask: Transport["ask"], options: Options, onEnd: (outcome: Outcome) => void) {
    const { roundTrips, transport } = shared
    this.#shared = shared
    this.#questions = new Questions(ask, QUERIES_MAX)
    this.#options = options
    this.#target = options.question.target
    this.#onEnd = onEnd
    this.#ranking = new Ranking(this.#target, options.width ?? CLOSEST_NODES)
    this.#lateness = new Lateness({
      transport,
      roundTrips,
      onLate: (candidate) => this.#askAgain(candidate),
      onWake: () => this.#goOn()
    })
  }

  start(): void {
    const { timeoutMs } = this.#options
    if (timeoutMs !== undefined) this.#cancelEnd = this.#shared.transport.after(timeoutMs, () => this.#end(false))
    this.#considerTable()
    this.#goOn()
  }

  /** Asks nobody any more, and says nothing. */
  abort(): void {
    this.#isRunning = false
    this.#lateness.stop()
    this.#cancelEnd?.()
    this.#questions.stop()
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
    if (this.#widens()) return this.#goOn()
    if (!this.#hasExplored && this.#mustExplore) return this.#explore()
    if (this.#starting > 0 && this.#answered.size < CLOSEST_NODES) return
    if (!this.#lateness.isPatient(this.#hasFound, ({ id }) => this.#ranking.isClose(id))) this.#end(true)
  }

  /** Whether more than the closest nodes have to be asked, since those stand too close together. */
  #widens(): boolean {
    if (!this.#questions.hasRoom) return false
    const { answered, width } = this.#ranking
    this.#ranking.widen(this.#shared.size.widthFor(this.#target, answered))
    return this.#ranking.width > width
  }

  /** Whether nodes that are no use to us fill the replies of the others. */
  get #mustExplore(): boolean {
    return this.#ranking.width > CLOSEST_NODES || this.#ranking.crowd >= CROWD_MIN
  }

  /** Nodes name those closest to the target alone: others are found on each side of it, near and far. */
  #explore(): void {
    this.#hasExplored = true
    const answered = this.#ranking.answered
    const sides = Math.min(SIDES_MAX, Math.ceil(Math.log2((this.#shared.size.estimate ?? Infinity) + 2)))
    for (let bit = 0; bit < sides; bit++) {
      const target = NodeId.flip(this.#target, bit)
      for (const { address } of NodeId.closest(answered, target, 1)) this.#askForNodes(address, target)
    }
    this.#goOn()
  }

  /** Twice as many as are wanted: some will be silent. A silent node leaves the table: one that is in it has been heard since. */
  #considerTable(): void {
    for (const contact of this.#shared.transport.closest(this.#target, 2 * this.#ranking.width)) this.#consider(contact)
  }

  #considerNeighbours(nodes: ReadonlyArray<Contact>): void {
    for (const contact of nodes) {
      if (this.#shared.silent.has(contact.address)) this.#doubt(contact)
      else this.#consider(contact)
    }
  }

  #consider(contact: Contact): void {
    if (this.#shared.transport.isOwn(contact.id)) return
    const known = this.#known.get(contact.address)
    if (known === undefined) this.#add(candidateOf(contact))
    // Whoever names an honest node under a far id must not keep us from asking it where it stands.
    else if (known.state === "new" && NodeId.isCloser(this.#target, contact.id, known.id)) {
      this.#ranking.move(known, contact.id)
    }
  }

  #add(candidate: Candidate): void {
    this.#known.set(candidate.address, candidate)
    this.#ranking.add(candidate)
  }

  /** Its silence may have been one lost packet, and a write should not miss a node that is there. */
  #doubt(contact: Contact): void {
    if (this.#known.has(contact.address) || this.#doubtful.has(contact.address)) return
    this.#doubtful.set(contact.address, contact)
    if (this.#doubtful.size > DOUBTFUL_MAX || !this.#questions.hasRoom || !this.#ranking.isClose(contact.id)) return
    const candidate = candidateOf(contact, true)
    candidate.state = "late"
    this.#send(candidate)
  }

  #takeLastResort(): void {
    const { silent, transport } = this.#shared
    this.#isLastResortTaken = true
    for (const contact of [...this.#doubtful.values(), ...transport.faded()]) {
      silent.forget(contact.address)
      this.#consider(contact)
    }
    this.#askClosest()
    const bootstrap = transport.bootstrap()
    if (this.#answered.size >= bootstrap.length) return
    for (const address of bootstrap) {
      // Whoever knows somebody does not wait again and again for one that is gone.
      const isHopeless = this.#answered.size > 0 && silent.has(address)
      if (!isHopeless && !this.#questions.wasAsked(address) && this.#questions.hasRoom) this.#askToStart(address)
    }
  }

  #askClosest(): void {
    const most = this.#options.isFrugal === true ? IN_FLIGHT_FRUGAL : IN_FLIGHT_MAX
    while (this.#inFlight < most && this.#questions.hasRoom) {
      const candidate = this.#ranking.next
      if (candidate === undefined) return
      candidate.state = "asked"
      this.#inFlight++
      this.#send(candidate)
    }
  }

  #askAgain(candidate: Candidate): void {
    this.#inFlight--
    this.#ranking.noteLate()
    if (this.#again >= AGAIN_MAX || !this.#questions.hasRoom || !this.#ranking.isClose(candidate.id)) return
    this.#again++
    this.#send(candidate)
  }

  #send(candidate: Candidate): void {
    const { roundTrips, transport } = this.#shared
    let sentAt = 0
    const isFirst = candidate.open++ === 0
    // Only the address counts: under which id it is known may be somebody's lie.
    this.#questions.put(
      candidate.address,
      this.#options.question,
      (answer) => {
        candidate.open--
        if (candidate.state === "answered" || candidate.state === "lost") return
        // The same question may still be under way once more.
        const isNothing = answer === undefined || answer._tag === "Unsent"
        if (isNothing && candidate.open > 0) return
        if (!isNothing) roundTrips.note(transport.now() - sentAt)
        if (candidate.state === "asked") this.#inFlight--
        if (answer?._tag === "Found") this.#hear(candidate, answer)
        else this.#lose(candidate, answer)
        this.#goOn()
      },
      () => {
        sentAt = transport.now()
        if (isFirst) this.#lateness.watch(candidate)
      }
    )
  }

  #hear(candidate: Candidate, found: Found): void {
    const { address, id } = candidate
    candidate.state = "answered"
    this.#known.set(address, this.#known.get(address) ?? candidate)
    this.#ranking.remove(candidate)
    if (!NodeId.equals(found.id, id)) this.#shared.transport.noteImpostor({ address, id })
    if (this.#take(address, found)) this.#ranking.move(candidate, found.id)
  }

  /** A node that answers an error is alive, though it is of no use here. */
  #lose(candidate: Candidate, answer: Answer | Unsent | undefined): void {
    const { silent, transport } = this.#shared
    candidate.state = "lost"
    this.#ranking.remove(candidate)
    if (answer?._tag === "Unsent") return
    if (answer !== undefined) return silent.forget(candidate.address)
    silent.note(candidate.address)
    transport.noteSilence({ id: candidate.id, address: candidate.address })
  }

  #askToStart(address: string): void {
    this.#starting++
    this.#questions.put(address, this.#options.question, (answer, from) => {
      this.#starting--
      // Of a host name, or a node that was only configured, the id is known now.
      if (answer?._tag === "Found") this.#hear(candidateOf({ address: from, id: answer.id }), answer)
      else if (answer === undefined) this.#shared.silent.note(address)
      this.#goOn()
    })
  }

  /** Whether it was the first answer of this node. */
  #take(address: string, found: Found): boolean {
    const { silent, transport } = this.#shared
    const contact = { id: found.id, address }
    silent.forget(address)
    transport.noteAnswer(contact)
    if (this.#answered.has(address)) return false
    this.#answered.set(address, found.token === undefined ? undefined : { ...contact, token: found.token })
    if (!this.#isRunning) return false
    this.#considerNeighbours(found.nodes)
    const verdict = this.#options.onFound(address, found)
    if (verdict === "found") this.#hasFound = true
    if (verdict === "enough") this.#end(false)
    else if (found.nodes.length === 0 && this.#ranking.size < CLOSEST_NODES) this.#followUp(address)
    return true
  }

  /** Some implementations give either the item or their neighbours: on a new network all might give the item. */
  #followUp(address: string): void {
    if (this.#followUps >= FOLLOW_UPS_MAX) return
    this.#followUps++
    this.#askForNodes(address, this.#target)
  }

  /** Waited for no longer than others are. */
  #askForNodes(address: string, target: NodeId.NodeId): void {
    if (!this.#questions.hasRoom) return
    const { roundTrips, transport } = this.#shared
    let isWaiting = true
    const release = () => {
      if (isWaiting) this.#inFlight--
      isWaiting = false
    }
    this.#inFlight++
    this.#questions.put(
      address,
      { _tag: "FindNode", target },
      (answer) => {
        release()
        if (answer?._tag === "Found") this.#considerNeighbours(answer.nodes)
        this.#goOn()
      },
      () => {
        transport.after(roundTrips.lateMs, () => {
          if (!isWaiting) return
          release()
          this.#goOn()
        })
      }
    )
  }

  #end(isComplete: boolean): void {
    if (!this.#isRunning) return
    this.abort()
    const { width } = this.#ranking
    const writable = [...this.#answered.values()].filter((node) => node !== undefined).map(Networks.placed)
    const nearest = NodeId.closest(writable, this.#target, writable.length)
    // Spread over more than are written to: of nodes whose ids do not fit their addresses half may be among them.
    const spread = Networks.spread(nearest, width + CLOSEST_NODES)
    const closest = spread.slice(0, width)
    if (isComplete && width === CLOSEST_NODES) this.#shared.size.note(this.#target, spread)
    const [asked, answered] = [this.#questions.asked, this.#answered.size]
    this.#onEnd({ asked, answered, closest, isComplete })
  }
}

/**
 * Looks up a target. After `enough` nobody else is asked, and what is still under way is not waited for;
 * but who answers it late, or is silent, is noted all the same.
 */
export const run = (shared: Shared, options: Options): Effect.Effect<Outcome> =>
  Effect.flatMap(Observed.ask(shared.transport), (ask) =>
    Effect.callback((resume) => {
      const running = new Running(shared, ask, options, (outcome) => resume(Effect.succeed(outcome)))
      running.start()
      return Effect.sync(() => running.abort())
    })
  )
