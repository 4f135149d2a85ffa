/**
 * One bittorrent-dht node behind a guarded socket, opened and closed with a scope.
 *
 * The library has traps that this file and `MainlineDht` step around: it binds every interface
 * unless told otherwise, and dies of one malformed packet without the guard.
 */
import Client from "bittorrent-dht"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Ed25519 } from "../../protocol/core/Ed25519.ts"
import { DhtError, SocketFailed } from "../../protocol/dht/DhtError.ts"
import krpc, { type Rpc } from "k-rpc"
import * as GuardedSocket from "./GuardedSocket.ts"
import { NODE_ID_BYTES } from "./KrpcMessage.ts"
import { SilentNodes } from "./SilentNodes.ts"

/** How long a node may take to answer one query, in ms. On today's Mainline most answers come within half of it. */
export const QUERY_TIMEOUT_MS = 1000

export interface Options {
  /** IPv4 address to bind. */
  readonly host: string
  /** UDP port; 0 takes a free one. */
  readonly port: number
  /** `host:port` of nodes to start from; host names are resolved. */
  readonly bootstrap: ReadonlyArray<string>
  readonly queryTimeoutMs?: number | undefined
  /** Items that the node stores for others; the library's 1,000 by default. */
  readonly maxValues?: number | undefined
  /**
   * Take no place in the routing tables of others (BEP 43). A host that is up for one command, or
   * cannot be reached from outside, would only be a dead end there. It still answers who asks it.
   */
  readonly readOnly?: boolean | undefined
  /** This computer unless given. */
  readonly machine?: Machine | undefined
}

/** The library's two halves. */
export interface Library {
  readonly client: Client
  readonly rpc: Rpc
}

/** What a node runs on where that is not this computer: a simulated machine has chance and datagrams of its own. */
export interface Machine {
  /** 20 bytes. */
  readonly nodeId: Uint8Array
  readonly randomBytes: (length: number) => Uint8Array
  readonly datagrams: () => GuardedSocket.Datagrams
  /** Told of what the library threw in a handler. */
  readonly onDefect: (defect: unknown) => void
  /** Constructs the library, once, wherever its timers are to live. */
  readonly build: (construct: () => Library) => Library
}

/** A node that is not yet bound. */
export interface Unbound extends Library {
  readonly socket: GuardedSocket.GuardedSocket
}

/** `rpc` holds the routing table and makes the queries of the same node. */
export interface DhtNode extends Unbound {
  readonly silent: SilentNodes
  /** The address that was bound. */
  readonly host: string
  readonly port: number
}

const isWildcard = (host: string): boolean => host === "0.0.0.0"

/** The library behind a guarded socket. `now` in ms. */
export const open = (options: Options, verify: GuardedSocket.Options["verify"], now: () => number): Unbound => {
  const { machine } = options
  const socket = GuardedSocket.make({
    host: options.host,
    verify,
    now,
    readOnly: options.readOnly,
    datagrams: machine?.datagrams,
    randomBytes: machine?.randomBytes,
    onDefect: machine?.onDefect
  })
  const bootstrap = options.bootstrap.length === 0 ? false : options.bootstrap
  const construct = (): Library => {
    const timeout = options.queryTimeoutMs ?? QUERY_TIMEOUT_MS
    const rpc = krpc({
      idLength: NODE_ID_BYTES,
      socket,
      bootstrap,
      timeout,
      ...(machine === undefined ? {} : { nodeId: machine.nodeId })
    })
    const client = new Client({
      krpc: rpc,
      verify: socket.verify,
      bootstrap,
      ...(options.maxValues === undefined ? {} : { maxValues: options.maxValues }),
      // A node that is asked for peers answers from its own store too, where it must have its own address.
      ...(isWildcard(options.host) ? {} : { host: options.host })
    })
    return { client, rpc }
  }
  return { socket, ...(machine === undefined ? construct() : machine.build(construct)) }
}

/** Succeeds when the socket is bound. The node is not bootstrapped yet; its first query will do that. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const ed25519 = yield* Ed25519
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const { client, rpc, socket } = yield* Effect.acquireRelease(
    Effect.sync(() => open(options, ed25519.verify, now)),
    ({ client }) => Effect.callback<void>((resume) => client.destroy(() => resume(Effect.void)))
  )
  yield* Effect.callback<void, DhtError>((resume) => {
    const onError = (error: Error) => {
      const address = `${options.host}:${options.port}`
      resume(Effect.fail(new DhtError({ reason: new SocketFailed({ address, problem: error.message }) })))
    }
    client.on("error", onError)
    // The library takes most errors for warnings, an address that is not ours among them.
    socket.on("error", onError)
    client.listen(options.port, options.host, () => resume(Effect.void))
  })
  return {
    client,
    rpc,
    silent: new SilentNodes(now),
    socket,
    host: options.host,
    port: client.address().port
  } satisfies DhtNode
})

/** Waits until the node has looked for its neighbours; with unreachable bootstrap nodes that takes a query timeout. */
export const ready = ({ client }: DhtNode): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (client.ready) return resume(Effect.void)
    const done = () => resume(Effect.void)
    client.once("ready", done)
    return Effect.sync(() => client.off("ready", done))
  })
