/**
 * Nodes for tests of the client, in virtual time: honest ones store and answer as BEP 5 and BEP 44 say, and each
 * can be made late, silent or a liar by a function that stands in its place.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { sha1 } from "../../../../src/protocol/core/Digest.ts"
import type { Ed25519 } from "../../../../src/protocol/core/Ed25519.ts"
import * as Client from "../../../../src/protocol/dht/client/Client.ts"
import {
  type Answer,
  type Contact,
  type Found,
  type GivenItem,
  type Question,
  UNSENT
} from "../../../../src/protocol/dht/client/Krpc.ts"
import * as NodeId from "../../../../src/protocol/dht/client/NodeId.ts"
import type { Transport } from "../../../../src/protocol/dht/client/Transport.ts"
import type { Dht } from "../../../../src/protocol/dht/Dht.ts"

/** Neighbours in an honest reply (BEP 5). */
const K = 8

const TIMEOUT_MS = 1_500

export interface FakeNode extends Contact {
  readonly items: Map<string, GivenItem>
  readonly peers: Map<string, Array<string>>
  /** How often it was asked anything. */
  asked: number
  /** Round trip, ms; `Infinity` is silence. Asked for each question. */
  delay: (question: Question) => number
  /** In place of the honest answer. */
  answer: (question: Question, honest: () => Answer) => Answer
}

const refused = (code: number, text: string): Answer => ({ _tag: "Refused", code, text })

/** An id that anybody can name, for a label. */
export const idOf = (label: string): NodeId.NodeId => NodeId.fromBytes(sha1(new TextEncoder().encode(label)))

export class FakeNetwork {
  readonly nodes: Array<FakeNode> = []
  readonly #byAddress = new Map<string, FakeNode>()
  readonly #events: Array<{ readonly at: number; readonly order: number; readonly run: () => void }> = []
  #order = 0
  now = 0
  /** Whether questions can leave the client. */
  isOnline = true
  /** How long a question waits before it leaves, ms. */
  queueMs = 0

  /** `count` nodes at 10.0.x.y:6881 with a round trip of 20 ms; `host` names others. */
  constructor(count: number, host: (i: number) => string = (i) => `10.0.${i >> 8}.${i & 255}`) {
    for (let i = 0; i < count; i++) this.add(idOf(`node ${i}`), `${host(i)}:6881`)
  }

  add(id: NodeId.NodeId, address: string): FakeNode {
    const node: FakeNode = {
      id,
      address,
      items: new Map(),
      peers: new Map(),
      asked: 0,
      delay: () => 20,
      answer: (_question, honest) => honest()
    }
    this.nodes.push(node)
    this.#byAddress.set(address, node)
    return node
  }

  /** Closest first. */
  closest(target: NodeId.NodeId, count: number): Array<FakeNode> {
    return NodeId.closest(this.nodes, target, count)
  }

  /** A client of its own that knows `known` (all of the nodes unless given) and starts from the first three. */
  join(
    ed25519: Ed25519["Service"],
    known: ReadonlyArray<Contact> = this.nodes
  ): { readonly dht: Dht["Service"]; readonly table: Map<string, Contact> } {
    const table = new Map(known.map(({ address, id }) => [address, { address, id }]))
    const faded = new Map<string, Contact>()
    const transport: Transport = {
      now: () => this.now,
      after: (ms, run) => this.#after(ms, run),
      timeoutMs: TIMEOUT_MS,
      isOwn: () => false,
      closest: (target, count) => NodeId.closest(table.values(), target, count),
      faded: () => [...faded.values()],
      bootstrap: () => this.nodes.slice(0, 3).map(({ address }) => address),
      nodeCount: () => table.size + faded.size,
      ask: (address, question, onAnswer, onSent) => {
        if (!this.isOnline) return this.#after(0, () => onAnswer(UNSENT, address))
        const send = () => {
          const node = this.#byAddress.get(address)
          if (node !== undefined) node.asked++
          onSent?.()
          const delay = node?.delay(question) ?? Infinity
          if (node === undefined || delay >= TIMEOUT_MS) {
            this.#after(TIMEOUT_MS, () => onAnswer(undefined, address))
          } else {
            this.#after(delay, () =>
              onAnswer(
                node.answer(question, () => this.#honest(node, question)),
                address
              )
            )
          }
        }
        if (this.queueMs > 0) return this.#after(this.queueMs, send)
        send()
        return () => {}
      },
      noteAnswer: (contact) => {
        faded.delete(contact.address)
        table.set(contact.address, contact)
      },
      noteSilence: (contact) => {
        if (table.delete(contact.address)) faded.set(contact.address, contact)
      },
      noteImpostor: ({ address }) => {
        table.delete(address)
      }
    }
    return { dht: Client.make(transport, ed25519), table }
  }

  /** Runs it to its end in virtual time. */
  readonly run = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<Exit.Exit<A, E>> =>
    Effect.promise(async () => {
      const fiber = Effect.runFork(effect)
      const ended: Array<Exit.Exit<A, E>> = []
      fiber.addObserver((exit) => ended.push(exit))
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve))
        const [exit] = ended
        if (exit !== undefined) return exit
        const next = this.#events.shift()
        if (next === undefined) continue
        this.now = next.at
        next.run()
      }
    })

  /** As {@link run}; what fails is thrown. */
  readonly play = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> => Effect.flatten(this.run(effect))

  #after(ms: number, run: () => void): () => void {
    const event = { at: this.now + ms, order: this.#order++, run }
    const place = this.#events.findIndex(({ at }) => at > event.at)
    this.#events.splice(place === -1 ? this.#events.length : place, 0, event)
    return () => {
      const at = this.#events.indexOf(event)
      if (at >= 0) this.#events.splice(at, 1)
    }
  }

  #honest(node: FakeNode, question: Question): Answer {
    const key = question.target.hex
    const found: Found = {
      _tag: "Found",
      id: node.id,
      token: new Uint8Array(4),
      nodes: this.closest(question.target, K),
      item: undefined,
      peers: []
    }
    switch (question._tag) {
      case "FindNode":
        return found
      case "Get":
        return { ...found, item: node.items.get(key) }
      case "GetPeers":
        return { ...found, peers: node.peers.get(key) ?? [] }
      case "AnnouncePeer":
        node.peers.set(key, [...(node.peers.get(key) ?? []), `10.9.9.9:${question.port}`])
        return found
      case "PutImmutable":
        node.items.set(key, { _tag: "Immutable", value: question.value })
        return found
      case "PutMutable": {
        const held = node.items.get(key)
        if (held?._tag === "Mutable") {
          if (question.cas !== undefined && question.cas !== held.seq) return refused(301, "cas mismatch")
          if (held.seq >= question.seq) return refused(302, "sequence number less than current")
        }
        const { publicKey, seq, signature, value } = question
        node.items.set(key, { _tag: "Mutable", publicKey, seq, signature, value })
        return found
      }
    }
  }
}
