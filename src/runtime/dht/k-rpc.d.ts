/**
 * The part of k-rpc 5.1.0 that this package uses: the routing table and the queries under
 * bittorrent-dht. It ships no types of its own.
 */
declare module "k-rpc" {
  import type { Address, Node, QueryError, Socket, Value } from "bittorrent-dht"

  export interface Options {
    /** Bytes of a node id. */
    readonly idLength: number
    readonly bootstrap: false | ReadonlyArray<string | Address>
    /** Owned by the library from here on. */
    readonly socket: Socket
    /** Of one query, in ms; up to a quarter more in effect. */
    readonly timeout: number
    /** Random by default. */
    readonly nodeId?: Uint8Array
  }

  export interface Query {
    readonly q: string
    readonly a: { readonly [key: string]: Value }
  }

  export interface Reply {
    /** Absent in error replies. */
    readonly r?: { readonly [key: string]: Value }
  }

  /** Whom a reply came from has `address`; whom a query was sent to has `host`. */
  export interface Peer {
    readonly address?: string
    readonly host?: string
    readonly port: number
  }

  export interface Asked extends Address {
    /** A reply under another id is an error. */
    readonly id?: Buffer
    /** Put into the query's arguments. */
    readonly token?: Buffer
  }

  export interface Rpc {
    readonly id: Buffer
    /** Addresses may be host names. Asked when the node starts, and again when it has lost all others. */
    readonly bootstrap: Array<Address>
    readonly nodes: {
      /** When the table last changed, in ms: a quarter of an hour later bittorrent-dht looks through all of it. */
      readonly metadata: { lastChange: number }
      /** Nearest first. */
      closest(id: Uint8Array, count: number): Array<Node>
      get(id: Uint8Array): Node | null
      remove(id: Uint8Array): void
      /** Each node that leaves the table, for whatever reason. */
      on(event: "removed", listener: (node: Node) => void): unknown
    }
    /** At most 16 queries are in flight, the others wait. `token` is written into `query.a`, so each query needs its own. */
    query(
      node: Asked,
      query: Query,
      callback: (error: QueryError | null, reply?: Reply | null, peer?: Peer | null) => void
    ): void
  }

  export default function krpc(options: Options): Rpc
}
