/**
 * Serves this process's DHT node to the other commands of its user, over the Unix socket of its
 * home: what took minutes to find out about the network is there at once for each of them.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RpcServer from "effect/rpc/RpcServer"
import { Dht } from "../../protocol/dht/Dht.ts"
import { DhtError } from "../../protocol/dht/DhtError.ts"
import * as Record from "../../protocol/dht/Record.ts"
import * as DaemonClient from "./DaemonClient.ts"
import * as DaemonConnections from "./DaemonConnections.ts"
import * as DaemonPlace from "./DaemonPlace.ts"
import * as DaemonSocket from "./DaemonSocket.ts"
import * as DhtRpc from "./DhtRpc.ts"
import type * as Errand from "./Errand.ts"

/** Questions of all connections that are worked on at a time; each may ask a hundred nodes. */
export const QUESTIONS_OF_ALL_MAX = 256

export interface Standing {
  /** How the node takes part. */
  readonly mode: DhtRpc.Status["mode"]
  /** What it is at the moment. */
  readonly role: DhtRpc.Status["role"]
  /** `host:port` of its UDP socket; `undefined` while it has none. */
  readonly address: string | undefined
}

export interface Options {
  /** Whose socket it is: an absolute path. */
  readonly home: string
  /** The command that serves, such as `daemon`. */
  readonly command: string
  /** Of the product. */
  readonly version: string
  readonly network: DhtRpc.Network
  /** How the node stands at the moment. */
  readonly standing: Effect.Effect<Standing>
  /** What the process measures, in the text format of Prometheus; nothing unless given. */
  readonly metrics?: Effect.Effect<string> | undefined
  /** Ends the process's work when a client asks for that; where absent it is asked in vain. */
  readonly onStop?: Effect.Effect<void> | undefined
  /** Runs a command in this process, if it can be run here. */
  readonly onErrand?: ((args: ReadonlyArray<string>) => Effect.Effect<Errand.Done | undefined>) | undefined
  readonly limits?: DaemonConnections.Options | undefined
}

/** A record that arrived, verified; from here on it is one. */
const recordOf = (bytes: Uint8Array) =>
  Record.fromBytes(bytes, "a command on this machine").pipe(Effect.mapError((reason) => new DhtError({ reason })))

const handlers = (options: Options, connections: DaemonConnections.Connections) =>
  Effect.gen(function* () {
    const dht = yield* Dht
    const started = yield* Clock.currentTimeMillis
    return DhtRpc.DhtRpc.of({
      hello: () =>
        Effect.map(dht.nodeCount, (nodes) => ({
          protocol: DhtRpc.PROTOCOL_VERSION,
          version: options.version,
          pid: process.pid,
          command: options.command,
          network: options.network,
          nodes
        })),
      status: Effect.fnUntraced(function* () {
        const { dropped, open, questions } = connections.counters()
        const { address, mode, role } = yield* options.standing
        const now = yield* Clock.currentTimeMillis
        return {
          upMs: Math.max(0, now - started),
          connections: open,
          dropped,
          questions,
          mode,
          role,
          ...(address === undefined ? {} : { address })
        }
      }),
      metrics: () => options.metrics ?? Effect.succeed(""),
      errand: ({ args, home, version }) =>
        options.onErrand === undefined || version !== options.version || home !== options.home
          ? Effect.succeed(null)
          : Effect.map(options.onErrand(args), (done) => done ?? null),
      stop: () => Effect.as(options.onStop ?? Effect.void, options.onStop !== undefined),
      lookup: ({ publicKey, salt, options }) =>
        Effect.map(dht.lookup(publicKey, salt, DhtRpc.optionsFrom(options)), (answer) =>
          DhtRpc.answerTo(answer, Record.toBytes)
        ),
      get: ({ publicKey, salt, options }) =>
        Effect.map(dht.get(publicKey, salt, DhtRpc.optionsFrom(options)), (record) =>
          Option.getOrNull(Option.map(record, Record.toBytes))
        ),
      holders: ({ publicKey, salt }) => Effect.map(dht.holders(publicKey, salt), DhtRpc.holdersTo),
      put: ({ record, ...rest }) =>
        Effect.flatMap(recordOf(record), (verified) => dht.put(verified, rest)).pipe(Effect.map(DhtRpc.receiptTo)),
      lookupImmutable: ({ options, target }) =>
        Effect.map(dht.lookupImmutable(target, DhtRpc.optionsFrom(options)), (answer) =>
          DhtRpc.answerTo(answer, (value) => value)
        ),
      getImmutable: ({ options, target }) =>
        Effect.map(dht.getImmutable(target, DhtRpc.optionsFrom(options)), Option.getOrNull),
      holdersImmutable: ({ target }) => Effect.map(dht.holdersImmutable(target), DhtRpc.holdersTo),
      putImmutable: ({ value, ...rest }) => Effect.map(dht.putImmutable(value, rest), DhtRpc.receiptTo),
      announcePeer: ({ infohash, port }) => dht.announcePeer(infohash, port),
      findPeers: ({ infohash }) =>
        Effect.map(dht.findPeers(infohash), (peers) => peers.slice(0, DhtRpc.ANSWER_PEERS_MAX)),
      nodeCount: () => dht.nodeCount
    })
  })

/**
 * Serves until the scope closes. Fails with `DaemonRunning` where another process serves this home, with
 * `DaemonExposed` where the socket would be open to others, and with `DaemonSocketFailed`.
 */
export const serve = Effect.fn("DaemonServer.serve")(function* (options: Options) {
  const place = DaemonPlace.placeOf(options.home)
  const server = yield* DaemonSocket.listen(place, DaemonClient.holderAt)
  const connections = yield* DaemonConnections.make(server, options.limits)
  yield* RpcServer.make(DhtRpc.DhtRpc, {
    concurrency: QUESTIONS_OF_ALL_MAX,
    // A fault in one answer is that answer's alone.
    disableFatalDefects: true
  }).pipe(
    Effect.provideService(RpcServer.Protocol, connections.protocol),
    Effect.provide(DhtRpc.DhtRpc.toLayer(handlers(options, connections))),
    Effect.forkScoped({ startImmediately: true })
  )
  return { place, counters: connections.counters }
})
