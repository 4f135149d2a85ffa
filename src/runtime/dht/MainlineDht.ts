/**
 * `Dht` on the BitTorrent Mainline DHT, over UDP: the client of `protocol/dht/client` on a node
 * that holds items for others, over the routing table of bittorrent-dht.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Ed25519 } from "../../protocol/core/Ed25519.ts"
import * as Client from "../../protocol/dht/client/Client.ts"
import { Dht } from "../../protocol/dht/Dht.ts"
import type { DhtError } from "../../protocol/dht/DhtError.ts"
import type * as DhtNode from "./DhtNode.ts"
import * as StorageNode from "./items/StorageNode.ts"
import { peerName } from "./KrpcTransactions.ts"
import * as UdpTransport from "./UdpTransport.ts"

/** The client of a node that is there already; there may be one to a node. */
export const fromNode = (node: DhtNode.DhtNode): Effect.Effect<Dht["Service"], never, Ed25519> =>
  Effect.map(Ed25519, (ed25519) =>
    // The socket remembers what it has found valid: most look-ups bring a record that was there before.
    Client.make(UdpTransport.make(node), { ...ed25519, verify: node.socket.verify })
  )

/** The nodes of the routing table (`host:port`). */
export const nodesOf = ({ client }: DhtNode.Library): ReadonlyArray<string> =>
  client.nodes.toArray().map(({ host, port }) => peerName(host, port))

export interface Options<R = never> extends StorageNode.Options {
  /** Told of the nodes in the routing table (`host:port`) before the node closes. */
  readonly onClose?: ((nodes: ReadonlyArray<string>) => Effect.Effect<void, never, R>) | undefined
}

/** A node of its own on the Mainline DHT, until the scope closes. Fails with `SocketFailed` when the address cannot be bound. */
export const layer = <R = never>(options: Options<R>): Layer.Layer<Dht, DhtError, Ed25519 | R> =>
  Layer.effect(
    Dht,
    Effect.gen(function* () {
      const { onClose, ...rest } = options
      const node = yield* StorageNode.make(rest)
      if (onClose !== undefined) {
        yield* Effect.addFinalizer(() => Effect.suspend(() => onClose(nodesOf(node))))
      }
      return yield* fromNode(node)
    })
  )
