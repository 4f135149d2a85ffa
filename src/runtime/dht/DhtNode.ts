/**
 * One bittorrent-dht node behind a guarded socket, opened and closed with a scope.
 *
 * The library has traps that this file and `MainlineDht` step around: it binds every interface
 * unless told otherwise, and dies of one malformed packet without the guard.
 */
import { randomBytes } from "node:crypto"
import Client, { type Address } from "bittorrent-dht"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Ed25519 } from "../../protocol/core/Ed25519.ts"
import { DhtError, SocketFailed } from "../../protocol/dht/DhtError.ts"
import krpc, { type Rpc } from "k-rpc"
import * as GuardedSocket from "./GuardedSocket.ts"
import { isBytesOfLength, NODE_ID_BYTES } from "./KrpcMessage.ts"
import { type After, realAfter } from "./KrpcRequests.ts"
import { peerName, type Reply } from "./KrpcTransactions.ts"
import { Newcomers, PING_TIMEOUT_MS } from "./Newcomers.ts"
import * as TableUpkeep from "./TableUpkeep.ts"

/** How long the library's own queries (bootstrap, checks of buckets) wait for an answer, in ms. */
export const LIBRARY_TIMEOUT_MS = 1000

/** Nodes to start from, at most: about as many as a client remembers, twice. */
export const BOOTSTRAP_MAX = 128

/**
 * How long the library gives out an announced peer, ms: from two thirds to four thirds of this, at least the half hour
 * within which clients announce themselves again (libtorrent: 15 to 30 minutes).
 */
export const PEER_AGE_MS = 45 * 60_000

/**
 * Announced peers, each for some 400 bytes: past this number the library forgets those that did not announce
 * themselves since it last made room, so that it holds twice as many at most.
 */
export const PEERS_MAX = 2_000

/** A table with fewer nodes takes in new ones to start from at once: the K of the library. */
const TABLE_SMALL = 20

export interface Options {
  /** IPv4 address to bind. */
  readonly host: string
  /** UDP port; 0 takes a free one. */
  readonly port: number
  /** `host:port` of nodes to start from; host names are resolved. */
  readonly bootstrap: ReadonlyArray<string>
  /** 20 bytes; random unless given. */
  readonly nodeId?: Uint8Array | undefined
  /**
   * Take no place in the routing tables of others (BEP 43). A host that is up for one command, or
   * cannot be reached from outside, would only be a dead end there. It still answers who asks it.
   */
  readonly readOnly?: boolean | undefined
  /** As in `GuardedSocket.Options`. */
  readonly serve?: GuardedSocket.Options["serve"]
  readonly onQuery?: GuardedSocket.Options["onQuery"]
  readonly onExternalAddress?: GuardedSocket.Options["onExternalAddress"]
  /** This computer unless given. */
  readonly machine?: Machine | undefined
}

/** The library's two halves. */
export interface Library {
  readonly client: Client
  readonly rpc: Rpc
}

/** What a node runs on where that is not this computer: a simulated machine has chance, timers and datagrams of its own. */
export interface Machine {
  /** 20 bytes. */
  readonly nodeId: Uint8Array
  readonly after: After
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

/** `rpc` holds the routing table and makes the library's own queries. */
export interface DhtNode extends Unbound {
  /** Milliseconds. */
  readonly now: () => number
  /** Timers. */
  readonly after: After
  /** The address that was bound. */
  readonly host: string
  readonly port: number
  /** Nodes to start from (`host:port`), as of now. */
  readonly bootstrap: () => ReadonlyArray<string>
  /** More of them, as they become known. Those past {@link BOOTSTRAP_MAX} are passed over. */
  readonly addBootstrap: (addresses: ReadonlyArray<string>) => void
}

const PORT_MAX = 65_535

const isWildcard = (host: string): boolean => host === "0.0.0.0"

/** Notes that a node of the routing table was heard just now (`seen`, Unix ms); `false` where it is not there, or elsewhere. */
const refresh = ({ rpc }: Library, id: Uint8Array, { host, port }: Address, seen: number): boolean => {
  const known = rpc.nodes.get(id)
  if (known === null || known.host !== host || known.port !== port) return false
  known.seen = seen
  return true
}

/** Notes in the routing table who has answered just now (`seen`, Unix ms). Under one id the first address stays until it is silent; nobody else has ours. */
export const hear = (library: Library, id: Uint8Array, { host, port }: Address, seen: number): void => {
  const { client, rpc } = library
  if (rpc.id.equals(id)) return
  if (!refresh(library, id, { host, port }, seen) && rpc.nodes.get(id) === null) {
    client.addNode({ id: Buffer.from(id), host, port, seen })
  }
}

/** The id under which a node has answered. */
const idIn = (reply: Reply | undefined): Uint8Array | undefined => {
  const id = reply?._tag === "Response" ? reply.values["id"] : undefined
  return isBytesOfLength(id, NODE_ID_BYTES) ? id : undefined
}

/** Whole numbers below another one that is small beside 2³². */
const chanceOf =
  (bytes: Machine["randomBytes"]) =>
  (below: number): number =>
    new DataView(Uint8Array.from(bytes(4)).buffer).getUint32(0) % below

/**
 * The library cuts the six bytes of a peer out of a buffer that Node shares among all who need a small one: kept for
 * long, one peer a minute would hold on to 64 KiB each.
 */
const unpool = ({ _peers: peers }: Client): void => {
  const { add } = peers
  peers.add = (infohash, peer) => Reflect.apply(add, peers, [infohash, Buffer.from(Uint8Array.from(peer).buffer)])
}

/** The library behind a guarded socket. `now` in ms. */
export const open = (options: Options, verify: GuardedSocket.Options["verify"], now: () => number): Unbound => {
  const { machine } = options
  let library: Library | undefined
  const newcomers = new Newcomers({
    now,
    random: chanceOf(machine?.randomBytes ?? randomBytes),
    ping: ({ host, port }, onId) => {
      if (library === undefined) return onId(undefined)
      const { id } = library.rpc
      socket.request({ method: "ping", args: { id } }, host, port, PING_TIMEOUT_MS, (reply) => onId(idIn(reply)))
    },
    refresh: (id, place) => library !== undefined && refresh(library, id, place, now()),
    list: (id, place) => {
      if (library !== undefined) hear(library, id, place, now())
    }
  })
  const socket: GuardedSocket.GuardedSocket = GuardedSocket.make({
    host: options.host,
    verify,
    now,
    readOnly: options.readOnly,
    serve: options.serve,
    onQuery: options.onQuery,
    onExternalAddress: options.onExternalAddress,
    onSender: (id, { address, port }) => newcomers.meet(id, { host: address, port }),
    after: machine?.after,
    datagrams: machine?.datagrams,
    randomBytes: machine?.randomBytes,
    onDefect: machine?.onDefect
  })
  const bootstrap = options.bootstrap.length === 0 ? false : options.bootstrap.slice(0, BOOTSTRAP_MAX)
  const nodeId = options.nodeId ?? machine?.nodeId
  const construct = (): Library => {
    const rpc = krpc({
      idLength: NODE_ID_BYTES,
      socket,
      bootstrap,
      timeout: LIBRARY_TIMEOUT_MS,
      ...(nodeId === undefined ? {} : { nodeId })
    })
    const client = new Client({
      krpc: rpc,
      verify: socket.verify,
      bootstrap,
      maxAge: PEER_AGE_MS,
      maxPeers: PEERS_MAX,
      // A node that is asked for peers answers from its own store too, where it must have its own address.
      ...(isWildcard(options.host) ? {} : { host: options.host })
    })
    unpool(client)
    return { client, rpc }
  }
  library = machine === undefined ? construct() : machine.build(construct)
  return { socket, ...library }
}

/** `undefined` unless it is `host:port`; the host may be a name. */
export const parseAddress = (text: string): Address | undefined => {
  const colon = text.lastIndexOf(":")
  const [host, port] = [text.slice(0, Math.max(0, colon)), Number(text.slice(colon + 1))]
  return host !== "" && Number.isInteger(port) && port > 0 && port <= PORT_MAX ? { host, port } : undefined
}

const bootstrapOf = ({ rpc }: Library): ReadonlyArray<string> =>
  rpc.bootstrap.map(({ host, port }) => peerName(host, port))

const addBootstrap = (library: Library, addresses: ReadonlyArray<string>): void => {
  const { client, rpc } = library
  const known = new Set(bootstrapOf(library))
  for (const text of addresses) {
    const address = parseAddress(text)
    if (address === undefined || known.has(text) || rpc.bootstrap.length >= BOOTSTRAP_MAX) continue
    known.add(text)
    rpc.bootstrap.push(address)
    if (client.nodes.count() < TABLE_SMALL && !client.destroyed) client.addNode(address)
  }
}

/** Succeeds when the socket is bound. The node is not bootstrapped yet; its first query will do that. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const ed25519 = yield* Ed25519
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const unbound = yield* Effect.acquireRelease(
    Effect.sync(() => open(options, ed25519.verify, now)),
    ({ client }) => Effect.callback<void>((resume) => client.destroy(() => resume(Effect.void)))
  )
  const { client, socket } = unbound
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
  const node: DhtNode = {
    ...unbound,
    now,
    after: options.machine?.after ?? realAfter,
    host: options.host,
    port: client.address().port,
    bootstrap: () => bootstrapOf(unbound),
    addBootstrap: (addresses) => addBootstrap(unbound, addresses)
  }
  yield* Effect.forkScoped(TableUpkeep.keep(node))
  return node
})

/** Waits until the node has looked for its neighbours; with unreachable bootstrap nodes that takes a query timeout. */
export const ready = ({ client }: DhtNode): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (client.ready) return resume(Effect.void)
    const done = () => resume(Effect.void)
    client.once("ready", done)
    return Effect.sync(() => client.off("ready", done))
  })
