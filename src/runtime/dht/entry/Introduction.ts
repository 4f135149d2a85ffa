/**
 * How a node gets to know its first others: it asks a known address for the nodes closest to itself (BEP 5
 * "find_node"), takes in who answers, and has the library ping those that were named.
 */
import * as PeerAddress from "../../../protocol/core/PeerAddress.ts"
import * as NodeId from "../../../protocol/dht/client/NodeId.ts"
import * as DhtNode from "../DhtNode.ts"
import * as KrpcQuestions from "../KrpcQuestions.ts"

/** How long an answer is waited for, in ms: who is slower than that is no good start. */
export const ANSWER_TIMEOUT_MS = 1500

/** A table with fewer nodes takes in those that an answer names: the K of the library. */
const TABLE_SMALL = 20

/** Asks the node at `host:port`, an IPv4 address. `onAnswer` is told once whether it answered. */
export const ask = (node: DhtNode.DhtNode, address: string, onAnswer: (answered: boolean) => void): void => {
  const place = DhtNode.parseAddress(address)
  if (place === undefined || !PeerAddress.isIpv4(place.host) || node.client.destroyed) return onAnswer(false)
  const own = NodeId.fromBytes(node.rpc.id)
  const isOwn = (id: NodeId.NodeId) => NodeId.equals(id, own)
  const request = KrpcQuestions.write({ _tag: "FindNode", target: own }, node.rpc.id)
  node.socket.request(request, place.host, place.port, ANSWER_TIMEOUT_MS, (reply) => {
    const answer = reply === undefined || node.client.destroyed ? undefined : KrpcQuestions.read(reply, isOwn)
    if (answer?._tag !== "Found" || isOwn(answer.id)) return onAnswer(false)
    DhtNode.hear(node, NodeId.toBytes(answer.id), place, node.now())
    for (const { address: named } of answer.nodes) {
      const next = DhtNode.parseAddress(named)
      if (next !== undefined && node.client.nodes.count() < TABLE_SMALL) node.client.addNode(next)
    }
    onAnswer(true)
  })
}
