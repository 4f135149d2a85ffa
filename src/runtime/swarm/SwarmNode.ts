/**
 * One node of the swarm: a TCP listener on one port for all torrents, and every connection of the
 * node. Who may come in is decided by the torrent that a handshake names; what happens then is the
 * business of that torrent's {@link Acceptor}.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { createServer, type Server, type Socket } from "node:net"
import * as Infohash from "../../protocol/core/Infohash.ts"
import * as PeerAddress from "../../protocol/core/PeerAddress.ts"
import { Dht } from "../../protocol/dht/Dht.ts"
import { NodeOffers } from "../dht/entry/NodeOffers.ts"
import { ListenFailed, SwarmError } from "../../protocol/swarm/SwarmError.ts"
import * as Dialling from "./Dialling.ts"
import * as Handshake from "./Handshake.ts"
import * as HandshakeExchange from "./HandshakeExchange.ts"
import { IncomingPlaces, type Place } from "./IncomingPlaces.ts"
import { KeyExchangePace } from "./KeyExchangePace.ts"
import { LikelyPeers } from "./LikelyPeers.ts"
import { type OpenPeer, PeerConnection } from "./PeerConnection.ts"
import { EVICTABLE, IDLE_MAX, INCOMING_MAX, INCOMING_PER_HOST_AND_TORRENT_MAX, type Settings } from "./SwarmOptions.ts"
import { type Acceptor, TorrentTable } from "./TorrentTable.ts"
import { NodeBacklog } from "./SendBacklog.ts"
import { after } from "./Timer.ts"
import * as UtpRefusal from "./UtpRefusal.ts"

export type { Acceptor } from "./TorrentTable.ts"

/** How often silent connections are looked for. */
const SWEEP_INTERVAL = Duration.seconds(30)

/** Connections that were closed by the peer's fault, by fault. */
export const peerProblems = Metric.frequency("libreseed_swarm_peer_problems", {
  description: "Peers that were disconnected, by what they did"
})

export interface SwarmNode {
  readonly settings: Settings
  readonly address: PeerAddress.PeerAddress
  /** 20 bytes, drawn anew for every node: by it a node knows that it has dialled itself. */
  readonly peerId: Uint8Array
  readonly dht: Dht["Service"]
  /** Whether peers are told of a DHT node of ours (BEP 5), and theirs are of use. */
  readonly hasDhtNode: boolean
  /** In ms. */
  readonly now: () => number
  /** Who lately gave a torrent, and may give the next. */
  readonly likely: LikelyPeers
  /** Dials a peer for a torrent or a topic and exchanges handshakes, encrypted or not as the settings say. */
  readonly dial: (
    address: PeerAddress.PeerAddress,
    infohash: Infohash.Infohash
  ) => Effect.Effect<OpenPeer, HandshakeExchange.HandshakeFailed>
  /** Takes a connection on. It is closed with the node, or when it has been silent for long. */
  readonly adopt: (peer: OpenPeer) => PeerConnection
  /**
   * Lets peers of a torrent, or of a topic that is no torrent, in; the result ends that. Of several acceptors the first
   * that agrees takes a peer.
   */
  readonly register: (infohash: Infohash.Infohash, acceptor: Acceptor) => () => void
}

/** BEP 20: client letters and version, then 12 random characters. */
const makePeerId = Effect.map(
  Effect.replicateEffect(Random.nextIntBetween(0, 35), 12),
  (digits) => new Uint8Array(Buffer.from(`-LS0100-${digits.map((digit) => digit.toString(36)).join("")}`, "latin1"))
)

const listen = (settings: Settings, onSocket: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<Server, SwarmError>((resume) => {
      const server = createServer({ noDelay: true, pauseOnConnect: true }, onSocket)
      server.once("error", (error) => {
        const reason = new ListenFailed({ address: `${settings.host}:${settings.port}`, problem: error.message })
        resume(Effect.fail(new SwarmError({ reason })))
      })
      server.listen(settings.port, settings.host, () => {
        server.removeAllListeners("error")
        // Accepting may fail later, for want of file descriptors: the node lives on.
        server.on("error", () => {})
        resume(Effect.succeed(server))
      })
    }),
    (server) => Effect.sync(() => server.close())
  )

const addressOf = (server: Server, settings: Settings): Effect.Effect<PeerAddress.PeerAddress, SwarmError> => {
  const bound = server.address()
  const port = typeof bound === "object" && bound !== null ? bound.port : settings.port
  return Option.match(PeerAddress.make(settings.host, port), {
    onSome: Effect.succeed,
    onNone: () => {
      const address = `${settings.host}:${settings.port}`
      return Effect.fail(new SwarmError({ reason: new ListenFailed({ address, problem: "not an IPv4 address" }) }))
    }
  })
}

/** A connection that another opened: its place, and what it has come for, as far as that is known. */
interface IncomingConnection extends Place {
  readonly port: number
  /** 40 hex digits. */
  infohash: string | undefined
  /** Once somebody has taken it on. */
  connection: PeerConnection | undefined
}

/** Tells the DHT of the peer's node, and the peer of ours. */
const exchangePorts = (connection: PeerConnection, offers: NodeOffers): void => {
  connection.onPort = (port) => {
    if (port > 0) offers.offer(`${connection.peer.host}:${port}`)
  }
  connection.onSettled = () => {
    const port = connection.peer.dht ? offers.port() : undefined
    if (port !== undefined) connection.wire.port(port)
  }
}

/** Opens the listener and keeps it, and every connection, until the scope closes. */
export const make = Effect.fnUntraced(function* (
  settings: Settings
): Effect.fn.Return<SwarmNode, SwarmError, Dht | Scope.Scope> {
  const dht = yield* Dht
  const offers = yield* NodeOffers
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<never>()
  const peerId = yield* makePeerId
  const now = () => clock.currentTimeMillisUnsafe()
  const run = yield* FiberSet.makeRuntime()
  const torrents = new TorrentTable()
  const connections = new Set<PeerConnection>()
  const backlog = new NodeBacklog()
  /** Connections that others opened, from their first byte on. */
  const incoming = new Map<Socket, IncomingConnection>()
  const places = new IncomingPlaces({ most: INCOMING_MAX, evictableMs: Duration.toMillis(EVICTABLE), now })
  const pace = new KeyExchangePace(now)

  const countProblem = (problem: string) => peerProblems.updateUnsafe(problem, context)

  const adopt = (peer: OpenPeer): PeerConnection => {
    const connection = new PeerConnection(peer, { now, onProblem: countProblem, port: address.port, backlog })
    const place = incoming.get(peer.socket)
    if (place !== undefined) place.connection = connection
    connections.add(connection)
    if (offers !== undefined) exchangePorts(connection, offers)
    connection.onClosed(() => connections.delete(connection))
    return connection
  }

  /** Whether an address has room left among the connections of one torrent. */
  const hasShare = (host: string, infohash: string): boolean => {
    let held = 0
    for (const other of incoming.values()) if (other.host === host && other.infohash === infohash) held++
    return held < INCOMING_PER_HOST_AND_TORRENT_MAX
  }

  /** Gives a peer with its handshake to whoever serves that torrent; or says why nobody does. */
  const admit = (socket: Socket, connection: IncomingConnection, received: HandshakeExchange.Received) => {
    const { host, port } = connection
    const { cipher, handshake, rest } = received
    if (Buffer.compare(handshake.peerId, peerId) === 0) return "it is this node itself"
    const acceptor = torrents.acceptorsOf(handshake.infohash).find((candidate) => candidate.mayAccept(host))
    if (acceptor === undefined) return "it asks for a torrent that is not served"
    const infohash = Infohash.toHex(handshake.infohash)
    if (!hasShare(host, infohash)) return "its address has too many connections for this torrent"
    connection.infohash = infohash
    const reply = Handshake.encode(handshake.infohash, peerId, { dht: offers !== undefined, fast: true })
    HandshakeExchange.reply(socket, received, reply)
    const { dht: hasDht, extended, fast } = handshake
    acceptor.accept({ socket, rest, cipher, host, port, incoming: true, extended, dht: hasDht, fast })
    return undefined
  }

  const answer = (socket: Socket, connection: IncomingConnection) => {
    const { host } = connection
    const forgetTimeout = after(settings.handshakeTimeout, () => socket.destroy())
    const listening = {
      encryption: settings.encryption,
      find: (mark: Uint8Array) => torrents.find(mark),
      mayExchangeKeys: () => pace.allows(host)
    }
    HandshakeExchange.receive(socket, host, listening, (outcome) => {
      forgetTimeout()
      let problem: unknown
      try {
        problem = Result.isSuccess(outcome) ? admit(socket, connection, outcome.success) : outcome.failure.problem
      } catch (defect) {
        problem = defect
      }
      // Whatever went wrong: a socket that nobody has taken on is closed.
      if (socket.listenerCount("data") === 0) socket.destroy()
      if (problem !== undefined) run(Effect.logDebug(`The peer ${host} dialled and was not let in`, problem))
    })
  }

  const onSocket = (socket: Socket) => {
    Dialling.quiet(socket)
    const begunAt = now()
    const connection: IncomingConnection = {
      host: socket.remoteAddress ?? "",
      port: socket.remotePort ?? 0,
      infohash: undefined,
      connection: undefined,
      lastActiveAt: () => connection.connection?.lastActiveAt ?? begunAt,
      close: () => {
        incoming.delete(socket)
        if (connection.connection === undefined) socket.destroy()
        else connection.connection.close()
      }
    }
    if (!places.enter(connection)) return void socket.destroy()
    incoming.set(socket, connection)
    socket.once("close", () => {
      incoming.delete(socket)
      places.leave(connection)
    })
    answer(socket, connection)
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const connection of connections) connection.close()
      for (const socket of incoming.keys()) socket.destroy()
    })
  )
  const server = yield* listen(settings, onSocket)
  const address = yield* addressOf(server, settings)
  yield* UtpRefusal.listen(address)

  const sweep = Effect.sync(() => {
    const oldest = now() - Duration.toMillis(IDLE_MAX)
    for (const connection of connections) if (connection.lastActiveAt < oldest) connection.close()
  })
  yield* Effect.forkScoped(Effect.schedule(sweep, Schedule.spaced(SWEEP_INTERVAL)))

  const localAddress = address.host === "0.0.0.0" ? undefined : address.host
  const dial = (peer: PeerAddress.PeerAddress, infohash: Infohash.Infohash) =>
    Dialling.dial({
      address: peer,
      localAddress,
      infohash,
      peerId,
      dht: offers !== undefined,
      encryption: settings.encryption,
      patience: Duration.times(settings.handshakeTimeout, 1 / 2),
      timeout: settings.handshakeTimeout
    })

  return {
    settings,
    address,
    peerId,
    dht,
    hasDhtNode: offers !== undefined,
    now,
    likely: new LikelyPeers(),
    adopt,
    dial,
    register: (infohash, acceptor) => {
      torrents.add(infohash, acceptor)
      return () => torrents.remove(infohash, acceptor)
    }
  }
})
