/**
 * What the client's algorithms stand on: questions to single nodes, the nodes that are known, and time. The
 * live one is UDP behind a guard, with the routing table of bittorrent-dht; a simulation has its own.
 *
 * Callbacks and not effects, since a look-up asks some forty nodes and takes a few milliseconds in all.
 */
import type { Answer, Contact, Question, Unsent } from "./Krpc.ts"
import type { NodeId } from "./NodeId.ts"

/** `undefined` when the node was silent. `from` is the address (`host:port`) that answered, which a host name does not tell. */
export type OnAnswer = (answer: Answer | Unsent | undefined, from: string) => void

export interface Transport {
  /** Milliseconds of one clock. */
  readonly now: () => number
  /** Calls `run` once after `ms`; the result takes that back. */
  readonly after: (ms: number, run: () => void) => () => void
  /** How long a question waits for its answer before the node counts as silent, ms. */
  readonly timeoutMs: number
  /** This node's own id: others name it too. */
  readonly isOwn: (id: NodeId) => boolean
  /** Up to `count` nodes of the routing table, closest to `target` first. */
  readonly closest: (target: NodeId, count: number) => ReadonlyArray<Contact>
  /** Nodes that were in the table and have fallen silent, latest first: for a client that has nobody else to ask. */
  readonly faded: () => ReadonlyArray<Contact>
  /** Nodes to start from, `host:port`; a host may be a name. */
  readonly bootstrap: () => ReadonlyArray<string>
  /** Nodes in the table, and those that have fallen silent within the last quarter of an hour. */
  readonly nodeCount: () => number
  /**
   * Asks one node (`host:port`), now or when there is room on the line; `onSent` is called when the question leaves. Then
   * `onAnswer` is called once, not before this returns: with the node's answer, {@link timeoutMs} later with nothing, or
   * with `Unsent` where it could not leave. An answer comes from the address that was asked, or is none. What is given back
   * takes a question back that has not left, about which nothing more is said then.
   */
  readonly ask: (address: string, question: Question, onAnswer: OnAnswer, onSent?: () => void) => () => void
  /** A node has answered under this id. */
  readonly noteAnswer: (contact: Contact) => void
  /** A node was silent: it leaves the table. */
  readonly noteSilence: (contact: Contact) => void
  /** Under this id somebody else answers at that address: this one leaves the table. */
  readonly noteImpostor: (contact: Contact) => void
}
