/**
 * Nodes that do not do as they should: each behaviour of `Nodes.ts` as a wrapper over what an honest node
 * would answer.
 */
import type { Contact } from "../../../dht/client/Krpc.ts"
import type { NodeId } from "../../../dht/client/NodeId.ts"
import type { Chance } from "../Chance.ts"
import type { Behaviour } from "../Nodes.ts"
import * as Ids from "./Ids.ts"
import { type Answer, type Found, K, type Question, refused } from "./Krpc.ts"
import type { StorageNode } from "./StorageNode.ts"
import type { MutableItem, StoredItem } from "./StoredItem.ts"
import * as Tokens from "./Tokens.ts"

/** What a node says to an asker at `from` (`host:port`); `undefined` is silence. */
export type Answering = (question: Question, from: string) => Answer | undefined

/** Bytes of an oversized value: what one datagram can carry at most. */
const OVERSIZED_BYTES = 65_000

/** Neighbours and peers in an oversized list: far over what is taken from one reply. */
const OVERSIZED_LIST = 500

/** Random values are no longer than this: each byte is a draw. */
const GARBAGE_BYTES = 48

const PORTS = 65_536

/** Addresses at which nobody lives. */
const nowhere = (chance: Chance): string =>
  `10.77.${chance.below(256)}.${chance.below(256)}:${chance.between(1, PORTS - 1)}`

const strangers = (chance: Chance, count: number): ReadonlyArray<Contact> =>
  Array.from({ length: count }, () => ({ id: Ids.random(chance), address: nowhere(chance) }))

type Search = Exclude<Question, { readonly _tag: "Put" | "AnnouncePeer" }>

const isWrite = (question: Question): question is Exclude<Question, Search> =>
  question._tag === "Put" || question._tag === "AnnouncePeer"

/** Changes what an honest node found; refusals and acknowledgements stay. */
const changing =
  (node: StorageNode, change: (found: Found, question: Search) => Found): Answering =>
  (question, from) => {
    const answer = node.answer(question, from)
    return answer._tag === "Found" && !isWrite(question) ? change(answer, question) : answer
  }

/** One of a group next to a target: it names others of the group, now these and now those, so that who looks there meets all of them. */
export const conspiring =
  (answering: Answering, group: ReadonlyArray<Contact>, chance: Chance): Answering =>
  (question, from) => {
    const answer = answering(question, from)
    return answer?._tag === "Found" ? { ...answer, nodes: chance.sample(group, K) } : answer
  }

const stale =
  (node: StorageNode): Answering =>
  (question, from) => {
    if (question._tag !== "Put") return node.answer(question, from)
    if (node.items.get(question.item.target.hex) === undefined) node.answer(question, from)
    return node.stored
  }

const rollback = (node: StorageNode): Answering => {
  const oldest = new Map<string, StoredItem>()
  const see = (item: StoredItem) => {
    const known = oldest.get(item.target.hex)
    if (known === undefined || (item._tag === "Mutable" && known._tag === "Mutable" && item.seq < known.seq)) {
      oldest.set(item.target.hex, item)
    }
  }
  for (const item of node.items) see(item)
  const giving = changing(node, (found, { target }) => ({ ...found, item: oldest.get(target.hex) ?? found.item }))
  return (question, from) => {
    const answer = giving(question, from)
    // What is stored is known to be signed; a put that is only too late is not, and may be a forgery.
    if (question._tag === "Put" && answer?._tag === "Stored") see(question.item)
    return answer
  }
}

const withholding = (node: StorageNode): Answering => {
  const giving = changing(node, (found) => ({ ...found, item: undefined, peers: [] }))
  return (question, from) => (isWrite(question) ? node.stored : giving(question, from))
}

const misleading = (node: StorageNode, chance: Chance): Answering =>
  changing(node, (found, { target }) => ({
    ...found,
    nodes: Array.from({ length: K }, () => ({ id: Ids.beside(target, chance.word()), address: nowhere(chance) }))
  }))

/** A forgery of what is there, or of anything. */
const forged = (item: StoredItem | undefined, target: NodeId, chance: Chance): MutableItem => {
  const value = () => chance.bytes(chance.below(GARBAGE_BYTES))
  if (item?._tag === "Mutable") {
    switch (chance.below(3)) {
      case 0:
        return { ...item, value: value() }
      case 1:
        return { ...item, seq: item.seq + 1 + chance.below(1_000) }
      default:
        return { ...item, signature: chance.bytes(item.signature.length) }
    }
  }
  const parts = { publicKey: chance.bytes(32), salt: new Uint8Array(0), signature: chance.bytes(64), value: value() }
  return { _tag: "Mutable", target, seq: chance.word(), ...parts }
}

const garbage = (node: StorageNode, chance: Chance): Answering => {
  const giving = changing(node, (found, question) => ({
    ...found,
    token: Tokens.ofWord(chance.word()),
    nodes: strangers(chance, K),
    item:
      question._tag !== "Get"
        ? undefined
        : found.item?._tag === "Immutable"
          ? { ...found.item, value: chance.bytes(chance.below(GARBAGE_BYTES)) }
          : forged(found.item, question.target, chance),
    peers: question._tag === "GetPeers" ? [`${chance.word()}:${chance.word()}`, nowhere(chance), ""] : []
  }))
  return (question, from) => {
    if (!isWrite(question)) return giving(question, from)
    // What it keeps serves to forge it; under its random tokens nothing would come in.
    if (question._tag === "Put" && node.answer({ ...question, token: node.tokenFor(from) }, from)._tag === "Refused") {
      return refused(chance.below(400), "\u0000\ufffd")
    }
    return chance.is(0.5) ? node.stored : refused(chance.below(400), "\u0000\ufffd")
  }
}

const oversized = (node: StorageNode, chance: Chance): Answering => {
  const value = new Uint8Array(OVERSIZED_BYTES)
  const nodes = strangers(chance, OVERSIZED_LIST)
  const peers = nodes.map(({ address }) => address)
  return changing(node, (found, question) => ({
    ...found,
    nodes,
    item:
      question._tag === "Get" ? { ...(found.item ?? forged(undefined, question.target, chance)), value } : undefined,
    peers: question._tag === "GetPeers" ? peers : []
  }))
}

/** How a node answers from now on. What it draws comes from `chance`. */
export const answering = (node: StorageNode, behaviour: Behaviour, chance: Chance): Answering => {
  switch (behaviour) {
    case "honest":
      return (question, from) => node.answer(question, from)
    case "silent":
      return () => undefined
    case "stale":
      return stale(node)
    case "rollback":
      return rollback(node)
    case "garbage":
      return garbage(node, chance)
    case "oversized":
      return oversized(node, chance)
    case "withholding":
      return withholding(node)
    case "misleading":
      return misleading(node, chance)
  }
}
