/**
 * What a dishonest node puts in place of its own honest reply (`Behaviour`). It acts on the
 * datagram that leaves, so the node behind it is the real one, and only what it says is false.
 */
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import type * as Bencode from "../../protocol/core/Bencode.ts"
import type { Chance } from "../../protocol/testing/simulation/Chance.ts"
import type { Behaviour } from "../../protocol/testing/simulation/Nodes.ts"
import { COMPACT_NODE_BYTES, COMPACT_PEER_BYTES, isDictionary, NODE_ID_BYTES } from "../dht/KrpcMessage.ts"
import type { Asked } from "./KrpcText.ts"

/** Neighbours in an honest reply (BEP 5: K = 8). */
const NODES_PER_REPLY = 8

/** Four times what an item may have. */
const OVERSIZED_VALUE_BYTES = 4_000
/** With the value just under what a reply may have, so that it is the parts that have to be refused. */
const OVERSIZED_NODES = 400
const OVERSIZED_PEERS = 500

/** Bytes of a random value; a valid one has up to 1,000. */
const GARBAGE_MAX_BYTES = 600

const SIGNATURE_BYTES = 64
const KEY_BYTES = 32
const TOKEN_BYTES = 20

/** Bytes of an id that a made-up neighbour has in common with the target: closer than any honest node is. */
const COMMON_BYTES = 16

/** Addresses of nodes that do not exist: 10.255.0.0/16, port 6881. */
const NOWHERE = [10, 255] as const
const PORT = [0x1a, 0xe1] as const

/** What a node knows that lies. */
export interface Knowledge {
  readonly chance: Chance
  /** The closest neighbours to a target, in the compact form of BEP 5. */
  readonly neighbours: (target: Uint8Array, count: number) => Uint8Array
  /** `k`, `seq`, `sig` and `v` of the oldest record that it ever took at a target. */
  readonly oldest: (target: string) => Bencode.Dictionary | undefined
}

const bytesOf = (target: string): Uint8Array => Result.getOrElse(Hex.decode(target), () => new Uint8Array(0))

const withoutItem = ({ k: _k, seq: _seq, sig: _sig, v: _v, values: _values, ...rest }: Bencode.Dictionary) => rest

const made = (target: Uint8Array, chance: Chance, count: number): Uint8Array => {
  const nodes = new Uint8Array(count * COMPACT_NODE_BYTES)
  for (let at = 0; at < nodes.length; at += COMPACT_NODE_BYTES) {
    nodes.set(chance.bytes(NODE_ID_BYTES), at)
    nodes.set(target.subarray(0, COMMON_BYTES), at)
    nodes.set([...NOWHERE, chance.below(256), chance.below(256), ...PORT], at + NODE_ID_BYTES)
  }
  return nodes
}

const isSearch = ({ method }: Asked): boolean => method === "get" || method === "get_peers" || method === "find_node"

const garbage = (values: Bencode.Dictionary, { method }: Asked, chance: Chance): Bencode.Dictionary => {
  const nodes = chance.bytes(NODES_PER_REPLY * COMPACT_NODE_BYTES)
  if (method === "find_node") return { ...values, nodes }
  const token = chance.bytes(TOKEN_BYTES)
  if (method === "get_peers") return { ...values, nodes, token, values: [chance.bytes(COMPACT_PEER_BYTES)] }
  return {
    ...values,
    k: chance.bytes(KEY_BYTES),
    nodes,
    seq: chance.word(),
    sig: chance.bytes(SIGNATURE_BYTES),
    token,
    v: chance.bytes(1 + chance.below(GARBAGE_MAX_BYTES))
  }
}

const oversized = (values: Bencode.Dictionary, { method }: Asked, chance: Chance): Bencode.Dictionary => ({
  ...values,
  nodes: chance.bytes(OVERSIZED_NODES * COMPACT_NODE_BYTES),
  ...(method === "get" ? { v: new Uint8Array(OVERSIZED_VALUE_BYTES) } : {}),
  ...(method === "get_peers"
    ? { values: Array.from({ length: OVERSIZED_PEERS }, () => chance.bytes(COMPACT_PEER_BYTES)) }
    : {})
})

/** The return values in place of `values`; a refused write comes with an empty `values`, and leaves as taken where it gets one. */
const valuesOf = (
  behaviour: Behaviour,
  values: Bencode.Dictionary,
  asked: Asked,
  { chance, neighbours, oldest }: Knowledge
): Bencode.Dictionary => {
  const target = bytesOf(asked.target)
  switch (behaviour) {
    case "withholding":
      return isSearch(asked) ? { ...withoutItem(values), nodes: neighbours(target, NODES_PER_REPLY) } : values
    case "rollback":
      return asked.method === "get" && typeof values["seq"] === "number"
        ? { ...values, ...oldest(asked.target) }
        : values
    case "garbage":
      return isSearch(asked) ? garbage(values, asked, chance) : values
    case "oversized":
      return isSearch(asked) ? oversized(values, asked, chance) : values
    case "misleading":
      return isSearch(asked) ? { ...values, nodes: made(target, chance, NODES_PER_REPLY) } : values
    case "honest":
    case "silent":
    case "stale":
      return values
  }
}

const RESPONSE = new Uint8Array(["r".charCodeAt(0)])

/** Who says that it took every write, whether it did or not. */
const takesEverything = (behaviour: Behaviour): boolean => behaviour === "withholding" || behaviour === "stale"

/** The message that leaves in place of the honest reply `root`; `undefined` where none does. `id` is the node's own. */
export const alter = (
  behaviour: Behaviour,
  root: Bencode.Dictionary,
  asked: Asked,
  id: Uint8Array,
  knowledge: Knowledge
): Bencode.Dictionary | undefined => {
  if (behaviour === "silent") return undefined
  const { r, t } = root
  if (isDictionary(r)) return { ...root, r: valuesOf(behaviour, r, asked, knowledge) }
  if (asked.method !== "put" || t === undefined || !takesEverything(behaviour)) return root
  return { r: { id }, t, y: RESPONSE }
}
