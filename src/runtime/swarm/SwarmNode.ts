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
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { createServer, type Server, type Socket } from "node:net"
import * as Infohash from "../../protocol/core/Infohash.ts"
import * as PeerAddress from "../../protocol/core/PeerAddress.ts"
import { Dht } from "../../protocol/dht/Dht.ts"
import { NodeOffers } from "../dht/entry/NodeOffers.ts"
import { ListenFailed, SwarmError } from "../../protocol/swarm/SwarmError.ts"
import * as Handshake from "./Handshake.ts"
import * as HandshakeExchange from "./HandshakeExchange.ts"
import { type OpenPeer, PeerConnection } from "./PeerConnection.ts"
import { EVICTABLE, IDLE_MAX, INCOMING_MAX, type Settings } from "./SwarmOptions.ts"

/** How often silent connections are looked for. */
const SWEEP_INTERVAL = Duration.seconds(30)

/** Connections that were closed by the peer's fault, by fault. */
export const peerProblems = Metric.frequency("libreseed_swarm_peer_problems", {
  description: "Peers that were disconnected, by what they did"
})

/** Takes the connections of one torrent. */
export interface Acceptor {
  readonly mayAccept: (host: string) => boolean
  readonly accept: (peer: OpenPeer) => void
}

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
  /** Takes a connection on. It is closed with the node, or when it has been silent for long. */
  readonly adopt: (peer: OpenPeer) => PeerConnection
  /** Lets peers of a torrent in until the scope closes. Of several acceptors the first that agrees takes a peer. */
  readonly register: (infohash: Infohash.Infohash, acceptor: Acceptor) => Effect.Effect<void, never, Scope.Scope>
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
  const acceptors = new Map<string, ReadonlyArray<Acceptor>>()
  const connections = new Set<PeerConnection>()
  const incoming = new Set<Socket>()

  const countProblem = (problem: string) => peerProblems.updateUnsafe(problem, context)

  const adopt = (peer: OpenPeer): PeerConnection => {
    const connection = new PeerConnection(peer, { now, onProblem: countProblem })
    connections.add(connection)
    if (offers !== undefined) exchangePorts(connection, offers)
    connection.onClosed(() => connections.delete(connection))
    return connection
  }

  /** Makes room for a newcomer at the cost of whoever has been silent the longest. */
  const evict = () => {
    let idlest: PeerConnection | undefined
    for (const connection of connections) {
      if (connection.peer.incoming && (idlest === undefined || connection.lastActiveAt < idlest.lastActiveAt)) {
        idlest = connection
      }
    }
    if (idlest !== undefined && now() - idlest.lastActiveAt >= Duration.toMillis(EVICTABLE)) idlest.close()
  }

  const answer = Effect.fnUntraced(function* (socket: Socket) {
    const [host, port] = [socket.remoteAddress ?? "", socket.remotePort ?? 0]
    const { handshake, rest } = yield* HandshakeExchange.receive(socket, host)
    const refuse = (problem: string) => new HandshakeExchange.HandshakeFailed({ peer: host, problem })
    if (Buffer.compare(handshake.peerId, peerId) === 0) return yield* refuse("it is this node itself")
    const candidates = acceptors.get(Infohash.toHex(handshake.infohash)) ?? []
    const acceptor = candidates.find((candidate) => candidate.mayAccept(host))
    if (acceptor === undefined) return yield* refuse("it asks for a torrent that is not served")
    socket.write(Handshake.encode(handshake.infohash, peerId, offers !== undefined))
    const { dht: hasDht, extended } = handshake
    acceptor.accept({ socket, rest, host, port, incoming: true, extended, dht: hasDht })
  })

  const onSocket = (socket: Socket) => {
    HandshakeExchange.quiet(socket)
    if (incoming.size >= INCOMING_MAX) evict()
    if (incoming.size >= INCOMING_MAX) return void socket.destroy()
    incoming.add(socket)
    socket.once("close", () => incoming.delete(socket))
    run(
      answer(socket).pipe(
        Effect.timeout(settings.handshakeTimeout),
        Effect.catchCause((cause) => Effect.logDebug("A peer that dialled was not let in", cause)),
        Effect.onExit(() =>
          Effect.sync(() => {
            // Whatever went wrong: a socket that nobody has taken on is closed.
            if (socket.listenerCount("data") === 0) socket.destroy()
          })
        )
      )
    )
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const connection of connections) connection.close()
      for (const socket of incoming) socket.destroy()
    })
  )
  const server = yield* listen(settings, onSocket)
  const address = yield* addressOf(server, settings)

  const sweep = Effect.sync(() => {
    const oldest = now() - Duration.toMillis(IDLE_MAX)
    for (const connection of connections) if (connection.lastActiveAt < oldest) connection.close()
  })
  yield* Effect.forkScoped(Effect.schedule(sweep, Schedule.spaced(SWEEP_INTERVAL)))

  const unregister = (key: string, acceptor: Acceptor) => {
    const others = (acceptors.get(key) ?? []).filter((other) => other !== acceptor)
    if (others.length === 0) acceptors.delete(key)
    else acceptors.set(key, others)
  }

  return {
    settings,
    address,
    peerId,
    dht,
    hasDhtNode: offers !== undefined,
    now,
    adopt,
    register: (infohash, acceptor) => {
      const key = Infohash.toHex(infohash)
      return Effect.acquireRelease(
        Effect.sync(() => void acceptors.set(key, [...(acceptors.get(key) ?? []), acceptor])),
        () => Effect.sync(() => unregister(key, acceptor))
      )
    }
  }
})
