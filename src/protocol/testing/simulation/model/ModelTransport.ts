/**
 * What the client (`dht/client`) stands on in the model: questions over the simulated wire, and the nodes that the
 * member has met. Hostile nodes of the model keep to no limit; what comes from them is cut here to what the wire of
 * BEP 5 and BEP 44 lets through, as the guard of a live node does it.
 */
import * as Bencode from "../../../core/Bencode.ts"
import * as Record from "../../../dht/Record.ts"
import {
  type Answer as Heard,
  FOREIGN_VALUE_MAX_BYTES,
  type GivenItem,
  NODES_MAX,
  PEERS_MAX,
  type Question as Asked
} from "../../../dht/client/Krpc.ts"
import type { Transport } from "../../../dht/client/Transport.ts"
import type { Process } from "../Kernel.ts"
import { Acquaintances } from "./Acquaintances.ts"
import type { Answer, Question } from "./Krpc.ts"
import type * as StoredItem from "./StoredItem.ts"
import { QUERY_TIMEOUT_MS, type Transactions } from "./Transactions.ts"

export interface Options {
  readonly transactions: Transactions
  readonly process: Process
  /** Virtual time, ms. */
  readonly now: () => number
  /** Addresses (`host:port`) of nodes to start from. */
  readonly bootstrap: () => ReadonlyArray<string>
  /** Of the whole network, so that whoever puts what is stored already sends the object that is stored. */
  readonly items: StoredItem.Shared
}

const questionOf = (asked: Asked, items: StoredItem.Shared): Question => {
  switch (asked._tag) {
    case "PutMutable":
      return { _tag: "Put", token: asked.token, item: items.mutable(asked), cas: asked.cas }
    case "PutImmutable":
      return { _tag: "Put", token: asked.token, item: items.immutable(asked.value), cas: undefined }
    case "FindNode":
    case "Get":
    case "GetPeers":
    case "AnnouncePeer":
      return asked
  }
}

/** An item as the wire lets it through; the very object wherever it can. */
const givenOf = (item: StoredItem.StoredItem | undefined): GivenItem | undefined => {
  if (item === undefined || item.value.length > FOREIGN_VALUE_MAX_BYTES) return undefined
  if (item._tag === "Immutable") return item
  const { publicKey, seq, signature, value } = item
  if (!Number.isSafeInteger(seq) || seq < 0) return undefined
  if (value.length <= Record.VALUE_MAX_BYTES) return item
  return { _tag: "Foreign", publicKey, seq, signature, bencoded: Bencode.encode(value) }
}

const upTo = <A>(all: ReadonlyArray<A>, count: number): ReadonlyArray<A> =>
  all.length <= count ? all : all.slice(0, count)

const heardOf = (answer: Answer): Heard => {
  switch (answer._tag) {
    case "Refused":
      return answer
    case "Stored":
      return { _tag: "Found", id: answer.id, token: undefined, nodes: [], item: undefined, peers: [] }
    case "Found": {
      const { id, item, nodes, peers, token } = answer
      const given = givenOf(item)
      if (given === item && nodes.length <= NODES_MAX && peers.length <= PEERS_MAX) return answer
      return { _tag: "Found", id, token, nodes: upTo(nodes, NODES_MAX), item: given, peers: upTo(peers, PEERS_MAX) }
    }
  }
}

/** A member of the model network, which is never named to others itself. */
export const make = ({ bootstrap, items, now, process, transactions }: Options): Transport => {
  const known = new Acquaintances(now)
  return {
    now,
    after: (ms, run) => {
      const timer = process.after(ms, run)
      return () => timer.cancel()
    },
    timeoutMs: QUERY_TIMEOUT_MS,
    isOwn: () => false,
    closest: (target, count) => known.closest(target, count),
    faded: () => known.faded,
    bootstrap,
    nodeCount: () => known.count,
    ask: (address, question, onAnswer, onSent) => {
      onSent?.()
      transactions.ask(address, questionOf(question, items), (answer) =>
        onAnswer(answer === undefined ? undefined : heardOf(answer), address)
      )
      // It has left.
      return () => {}
    },
    noteAnswer: (contact) => known.hear(contact),
    noteSilence: (contact) => known.noteSilence(contact),
    noteImpostor: (contact) => known.noteImpostor(contact)
  }
}
