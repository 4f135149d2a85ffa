/** A DHT of its own on this machine: nodes on loopback that know each other and nobody else. */
import * as Effect from "effect/Effect"
import * as DhtNode from "./DhtNode.ts"
import * as StorageNode from "./items/StorageNode.ts"

export const HOST = "127.0.0.1"

/** Nodes that the others start from: a lost packet or two must not cut anybody off. */
const ENTRANCES = 3

export interface Testnet {
  /** `host:port` of nodes to start from. */
  readonly bootstrap: ReadonlyArray<string>
  readonly nodes: ReadonlyArray<StorageNode.StorageNode>
}

/** `count` nodes that have found each other. `port` is that of the first one; the others take free ones. */
export const make = Effect.fn("Testnet.make")(function* (count: number, options?: { readonly port?: number }) {
  const nodes: Array<StorageNode.StorageNode> = []
  for (let i = 0; i < count; i++) {
    const bootstrap = nodes.slice(0, ENTRANCES).map(({ host, port }) => `${host}:${port}`)
    const port = i === 0 ? (options?.port ?? 0) : 0
    const node = yield* StorageNode.make({ host: HOST, port, bootstrap })
    yield* DhtNode.ready(node)
    nodes.push(node)
  }
  const entrances = nodes.slice(0, ENTRANCES).map(({ host, port }) => `${host}:${port}`)
  return { bootstrap: entrances, nodes } satisfies Testnet
})
