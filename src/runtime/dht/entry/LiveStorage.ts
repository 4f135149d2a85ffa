/**
 * The node that an entry opens, and opens again under another id: a storage node that tells who asked it, how others
 * see it and whom it asked, and whose table takes in whom the policy lets in.
 */
import * as Effect from "effect/Effect"
import { peerName } from "../KrpcTransactions.ts"
import * as MainlineDht from "../MainlineDht.ts"
import type { ItemArchive } from "../items/ItemArchive.ts"
import * as StorageNode from "../items/StorageNode.ts"
import type { Opened, Opening } from "./CurrentNode.ts"
import type { ExternalAddress } from "./ExternalAddress.ts"
import type { Reach } from "./Reach.ts"
import { TablePolicy } from "./TablePolicy.ts"
import * as WatchedMachine from "./WatchedMachine.ts"

export interface Options extends Opening {
  readonly host: string
  readonly archive: ItemArchive | undefined
  readonly reach: Reach
  readonly votes: ExternalAddress
  /** Own targets, 40 hex digits each. */
  readonly pinned: Iterable<string>
  /** A port that is tried first where any will do. */
  readonly portHint: number | undefined
  /** Told of what the library or a handler threw; see `Defects`. */
  readonly onDefect: (defect: unknown) => void
  /** Told of each node (`host:port`) that the table has taken in. */
  readonly onNode: (address: string) => void
}

export interface LiveStorage extends Opened {
  readonly node: StorageNode.StorageNode
  readonly policy: TablePolicy
}

const isSame = (self: Uint8Array, that: Uint8Array): boolean => Buffer.compare(self, that) === 0

/** Until the scope closes. Fails with `SocketFailed` when the address cannot be bound. */
export const open = Effect.fnUntraced(function* (options: Options) {
  const { archive, bootstrap, host, nodeId, onDefect, onNode, pinned, port, portHint, reach, votes } = options
  const openAt = (at: number) =>
    StorageNode.make({
      host,
      port: at,
      bootstrap,
      nodeId,
      readOnly: reach.role === "client",
      archive,
      pinned,
      machine: WatchedMachine.make({
        nodeId,
        onAsk: (address) => reach.noteAsked(address),
        onDefect
      }),
      onQuery: ({ id }, from) => reach.noteQuery(peerName(from.address, from.port), isSame(id, nodeId)),
      onExternalAddress: (ip, seenPort, from) => votes.vote(peerName(from.address, from.port), ip, seenPort)
    })
  const anyPort = port === 0 && portHint !== undefined
  const node = yield* anyPort ? openAt(portHint).pipe(Effect.catch(() => openAt(port))) : openAt(port)
  const { client } = node
  const policy = new TablePolicy(() => client.nodes.toArray(), node.now)
  client.on("node", (met) => {
    if (policy.isWelcome(met)) onNode(peerName(met.host, met.port))
    else client.removeNode(met.id)
  })
  const dht = yield* MainlineDht.fromNode(node)
  return { node, dht, policy, port: node.port, known: () => MainlineDht.nodesOf(node) } satisfies LiveStorage
})
