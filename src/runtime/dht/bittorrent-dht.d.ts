/**
 * The part of bittorrent-dht 11.0.12 that this package uses. It ships no types of its own.
 * Ids, infohashes and targets are 20 bytes or 40 hex digits; ages and timeouts are milliseconds.
 */
declare module "bittorrent-dht" {
  import type { EventEmitter } from "node:events"
  import type { AddressInfo } from "node:net"
  import type { RemoteInfo } from "node:dgram"
  import type { Rpc } from "k-rpc"

  /** What k-rpc-socket asks of a socket. */
  export interface Socket {
    on(event: "message", listener: (datagram: Buffer, from: RemoteInfo) => void): this
    on(event: "listening" | "close", listener: () => void): this
    on(event: "error", listener: (error: Error) => void): this
    bind(port?: number, address?: string, listening?: () => void): unknown
    bind(port?: number, listening?: () => void): unknown
    address(): AddressInfo
    send(
      message: Uint8Array,
      offset: number,
      length: number,
      port: number,
      address: string,
      callback?: (error: Error | null, bytes: number) => void
    ): void
    close(): unknown
  }

  export interface Address {
    readonly host: string
    readonly port: number
  }

  /** A node of the routing table. `seen` is Unix milliseconds, absent for nodes added by hand. */
  export interface Node extends Address {
    readonly id: Buffer
    seen?: number
    readonly distance?: number
  }

  /** Whoever sent a message; nodes that were found in a table have `host`, senders of datagrams have `address`. */
  export interface Sender {
    readonly address?: string
    readonly host?: string
    readonly port: number
  }

  /** A bencoded value as the library gives it: byte strings are Buffers, dictionaries plain objects. */
  export type Value = Buffer | number | ReadonlyArray<Value> | { readonly [key: string]: Value }

  export type Verify = (signature: Buffer, message: Uint8Array, publicKey: Buffer) => boolean

  export interface Options {
    /** `false`: no bootstrap. Absent: the public routers. */
    readonly bootstrap?: false | ReadonlyArray<string | Address>
    readonly nodeId?: Uint8Array | string
    /** Owned by the library from here on: it is closed by `destroy`. */
    readonly socket?: Socket
    /** A k-rpc-socket made elsewhere, in place of `socket`. */
    readonly krpcSocket?: EventEmitter
    /** A k-rpc made elsewhere, in place of `socket`, `bootstrap`'s addresses and `timeout`. */
    readonly krpc?: Rpc
    /** Without it mutable items are refused with error 400. */
    readonly verify?: Verify
    /** Our own address, told to those who ask for peers that we announced. */
    readonly host?: string
    /** Queries in flight for one lookup; 16 by default. */
    readonly concurrency?: number
    /** Of one query; 2,000 by default, up to a quarter more in effect. */
    readonly timeout?: number
    /** Lookups whose closest nodes and tokens are kept, each for 5 minutes; 1,000 by default. */
    readonly maxTables?: number
    /** Items stored for others and for us together; 1,000 by default. */
    readonly maxValues?: number
    readonly maxPeers?: number
    /** Of announced peers; 0 (the default) is for ever. */
    readonly maxAge?: number
    readonly timeBucketOutdated?: number
  }

  export interface PutImmutable {
    readonly v: Uint8Array | string
  }

  /** `seq` and `cas` are safe integers; `k` has 32 bytes, `salt` at most 64. */
  export interface PutMutable {
    readonly v: Uint8Array | Value
    readonly k: Buffer
    readonly seq: number
    readonly salt?: Buffer
    readonly cas?: number
    /** One of the two; `sig` wins nothing when `sign` is there. */
    readonly sig?: Buffer
    readonly sign?: (message: Uint8Array) => Buffer
  }

  export interface GetOptions {
    readonly salt?: Uint8Array | string
    readonly verify?: Verify
    /** `false` asks the network even when the item is stored here. */
    readonly cache?: boolean
  }

  export interface Item {
    readonly id: Buffer
    readonly v: Value
    readonly k?: Buffer
    readonly sig?: Buffer
    readonly seq?: number
    readonly salt?: Buffer
    readonly token?: Buffer | null
  }

  export interface State {
    readonly nodes: ReadonlyArray<Address>
    /** By target in hex; everything in hex. */
    readonly values: {
      readonly [target: string]: {
        readonly v: string
        readonly id: string
        readonly seq?: number
        readonly sig?: string
        readonly k?: string
      }
    }
  }

  interface Events {
    readonly ready: []
    readonly listening: []
    readonly close: []
    readonly error: [Error]
    readonly warning: [Error]
    readonly node: [Node]
    readonly peer: [peer: Address, infoHash: Buffer, from: Sender | null]
    readonly announce: [peer: Address, infoHash: Buffer, from: Address]
    readonly announce_peer: [infoHash: Buffer, from: Address]
    readonly find_node: [target: Buffer]
    readonly get_peers: [infoHash: Buffer]
    readonly get: [target: Buffer, item: Item | undefined]
    readonly put: [target: Buffer, value: Value]
  }

  /** An error of the network carries the KRPC code; 0 when there was none, `ETIMEDOUT` for silence. */
  export interface QueryError extends Error {
    readonly code?: number | string
  }

  /** Peers that were announced: a `RecordCache` of the package `record-cache`. */
  export interface Peers {
    readonly size: number
    /** `infohash` in hex; six bytes of address and port. */
    add: (infohash: string, peer: Buffer) => void
    get(infohash: string): ReadonlyArray<Buffer>
  }

  export class Client extends EventEmitter<Events> {
    constructor(options?: Options)
    readonly nodeId: Buffer
    readonly listening: boolean
    readonly destroyed: boolean
    readonly ready: boolean
    /** The routing table. */
    readonly nodes: { toArray(): Array<Node>; count(): number }
    listen(port?: number, address?: string, listening?: () => void): void
    listen(port?: number, listening?: () => void): void
    address(): AddressInfo
    /** With an id it is added at once, else after it has answered a ping. */
    addNode(node: Address & { readonly id?: Uint8Array | string; readonly seen?: number }): void
    removeNode(id: Uint8Array | string): void
    /** `stored` nodes acknowledged. Throws on arguments out of range; gives the target. */
    put(
      item: PutImmutable | PutMutable,
      callback?: (error: QueryError | null, target: Buffer | undefined, stored: number | undefined) => void
    ): Buffer
    get(
      target: Uint8Array | string,
      options: GetOptions,
      callback: (error: QueryError | null, item: Item | null) => void
    ): void
    get(target: Uint8Array | string, callback: (error: QueryError | null, item: Item | null) => void): void
    /** Without a port, or with 0, others see the port that our datagrams come from. */
    announce(
      infoHash: Uint8Array | string,
      port?: number,
      callback?: (error: QueryError | null, acknowledged: number | undefined) => void
    ): void
    /** Peers come as `peer` events. The function returned ends the lookup. */
    lookup(infoHash: Uint8Array | string, callback?: (error: QueryError | null, visited: number) => void): () => void
    toJSON(): State
    /** Not public: what tokens are made with, the present secret and the one before. */
    _secrets: [Uint8Array, Uint8Array] | null
    /** Not public. */
    readonly _peers: Peers
    destroy(callback?: () => void): void
  }

  export default Client
}
