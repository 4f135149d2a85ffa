/** Nodes as replies name them: 26 bytes each, id, IPv4 address and port (BEP 5 "Contact Encoding"). */
import type { Value } from "bittorrent-dht"
import type { Asked } from "k-rpc"
import { COMPACT_NODE_BYTES, NODE_ID_BYTES } from "./KrpcMessage.ts"
import { peerName } from "./KrpcTransactions.ts"

/** A node of which an id is known, at least by hearsay. */
export interface Known extends Asked {
  readonly id: Buffer
}

/** Datagrams are big and short-lived: what is kept of one must not hold on to it. */
export const copyOf = (bytes: Buffer): Buffer => Buffer.from(bytes)

/** How many nodes a reply's `nodes` holds. A last one that is cut off does not count. */
export const countOf = (compact: Value | undefined): number =>
  Buffer.isBuffer(compact) ? Math.floor(compact.length / COMPACT_NODE_BYTES) : 0

/**
 * The nodes of a reply's `nodes` whose names (`host:port`) are `wanted`. Twenty replies name about the
 * same twenty nodes, so most are told by their names alone and cost no more than that.
 */
export const nodesOf = (compact: Value | undefined, wanted: (name: string) => boolean): ReadonlyArray<Known> => {
  const nodes: Array<Known> = []
  if (!Buffer.isBuffer(compact)) return nodes
  for (let i = 0; i < countOf(compact); i++) {
    const at = i * COMPACT_NODE_BYTES
    const address = at + NODE_ID_BYTES
    const host = `${compact[address]}.${compact[address + 1]}.${compact[address + 2]}.${compact[address + 3]}`
    const port = compact.readUInt16BE(address + 4)
    if (wanted(peerName(host, port))) nodes.push({ id: copyOf(compact.subarray(at, address)), host, port })
  }
  return nodes
}
