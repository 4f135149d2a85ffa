/**
 * Finds nodes on the same LAN (BEP 14): says now and then on which port this one listens, and hears what others
 * say. Who is found is a node to ask and nothing else. Off unless wished for: it tells all neighbours who takes part.
 */
import * as Clock from "effect/Clock"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Dgram from "node:dgram"
import { sha1 } from "../../../protocol/core/Digest.ts"
import { ExitCode } from "../../../protocol/core/Errors.ts"
import * as PeerAddress from "../../../protocol/core/PeerAddress.ts"
import { RecentMap } from "../../../protocol/core/RecentMap.ts"
import * as LanAnnouncement from "./LanAnnouncement.ts"
import * as SteadyClock from "./SteadyClock.ts"

/** Between announcements of our own, in ms: what clients do; BEP 14 asks for no more than one a minute. */
export const ANNOUNCE_INTERVAL_MS = 5 * 60 * 1000
export const ANNOUNCE_MIN_INTERVAL_MS = 60 * 1000

/** One neighbour is heard once within this, in ms. */
export const SENDER_INTERVAL_MS = 60 * 1000

/** Neighbours that are told apart. A flood from forged addresses only uses up {@link FOUND_PER_MINUTE_MAX}. */
const SENDERS_MAX = 256
export const FOUND_PER_MINUTE_MAX = 30

const COOKIE_BYTES = 8

/** An announcement stays on the LAN. */
const TTL = 1

/** What is below: announcements out to the group, datagrams of the group in. */
export interface LanSocket {
  readonly send: (datagram: Uint8Array) => void
  readonly onDatagram: (listener: (datagram: Uint8Array, host: string) => void) => void
}

/** The node listens where no neighbour can reach it, so there is nothing to announce. */
export class LanUnreachable extends Schema.TaggedError<LanUnreachable>()("LanUnreachable", { host: Schema.String }) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Listen on all interfaces, or on an address that this computer has on its LAN."
  override get message() {
    return `Neighbours on the LAN are not looked for: a node that listens on ${this.host} is out of their reach`
  }
}

/** Fails where a node that is bound to `boundHost` has no LAN. */
export const check = (boundHost: string): Effect.Effect<void, LanUnreachable> =>
  PeerAddress.reachOf(boundHost) === "loopback" ? Effect.fail(new LanUnreachable({ host: boundHost })) : Effect.void

const ALL_INTERFACES = "0.0.0.0"

/**
 * Linux hands a socket that is bound to the group only what was sent to the group, so that nobody reaches it from
 * afar; elsewhere such a socket cannot send, or not be bound.
 */
const ADDRESS = process.platform === "linux" ? LanAnnouncement.GROUP : ALL_INTERFACES

/**
 * A socket in the group, on the interface that has `boundHost` where that is one, until the scope closes. It is deaf
 * and mute where the group cannot be joined.
 */
export const multicast = (boundHost: string): Effect.Effect<LanSocket, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Dgram.Socket>((resume) => {
        const socket = Dgram.createSocket({ type: "udp4", reuseAddr: true })
        // No network, no permission: the node lives on without neighbours.
        socket.on("error", () => resume(Effect.succeed(socket)))
        socket.bind({ port: LanAnnouncement.PORT, address: ADDRESS }, () => {
          try {
            join(socket, boundHost)
          } catch {
            // No interface has multicast.
          }
          resume(Effect.succeed(socket))
        })
        socket.unref()
      }),
      (socket) =>
        Effect.sync(() => {
          socket.removeAllListeners("message")
          socket.close()
        })
    ),
    (socket) => ({
      send: (datagram) => socket.send(datagram, LanAnnouncement.PORT, LanAnnouncement.GROUP, () => {}),
      onDatagram: (listener) => void socket.on("message", (datagram, { address }) => listener(datagram, address))
    })
  )

const join = (socket: Dgram.Socket, boundHost: string): void => {
  if (boundHost === ALL_INTERFACES) socket.addMembership(LanAnnouncement.GROUP)
  else {
    socket.addMembership(LanAnnouncement.GROUP, boundHost)
    socket.setMulticastInterface(boundHost)
  }
  socket.setMulticastTTL(TTL)
}

export interface Options {
  /** Which network is meant: nodes of one meet under one infohash. `undefined` is the public one. */
  readonly network: string | undefined
  /** The IPv4 address that is bound. */
  readonly boundHost: string
  /** UDP port that this node listens on, as of now. */
  readonly port: () => number
  readonly socket: LanSocket
  /** `host:port` of a neighbour. */
  readonly onFound: (address: string) => void
}

/** What nodes of a network announce themselves under, 40 hex digits. */
export const meetingPoint = (network: string | undefined): string =>
  Hex.encode(sha1(new TextEncoder().encode(`libreseed:lan:${network ?? "mainline"}`)))

/** Whether `host` can be a neighbour: nobody on the Internet is, whatever its datagrams say. */
const isNeighbour = (host: string, boundHost: string): boolean => {
  const reach = PeerAddress.reachOf(host)
  if (reach === "loopback") return PeerAddress.reachOf(boundHost) === "loopback"
  return reach === "private" || reach === "linkLocal"
}

/** Goes on for as long as it is not interrupted. */
export const run = Effect.fnUntraced(function* ({ boundHost, network, onFound, port, socket }: Options) {
  const clock = yield* Clock.Clock
  const now = SteadyClock.make(() => clock.currentTimeMillisUnsafe())
  const cookie = Hex.encode(yield* (yield* SecureRandom).randomBytes(COOKIE_BYTES))
  const meeting = meetingPoint(network)
  const heardAt = new RecentMap<string, number>(SENDERS_MAX)
  let announcedAt = -Infinity
  let minute = { since: -Infinity, found: 0 }

  const announce = (): void => {
    if (now() - announcedAt < ANNOUNCE_MIN_INTERVAL_MS) return
    announcedAt = now()
    socket.send(LanAnnouncement.encode({ port: port(), infohashes: [meeting], cookie }))
  }

  const isTooMany = (host: string): boolean => {
    const at = now()
    if (at - (heardAt.get(host) ?? -Infinity) < SENDER_INTERVAL_MS) return true
    heardAt.set(host, at)
    if (at - minute.since >= SENDER_INTERVAL_MS) minute = { since: at, found: 0 }
    return ++minute.found > FOUND_PER_MINUTE_MAX
  }

  socket.onDatagram((datagram, host) => {
    if (!isNeighbour(host, boundHost)) return
    const announcement = Option.getOrUndefined(LanAnnouncement.decode(datagram))
    if (announcement === undefined || announcement.cookie === cookie) return
    const isOurs = announcement.infohashes.includes(meeting)
    // Any client of the Mainline is a way into it, mostly on the port that it names; into a network apart only its own are.
    if ((!isOurs && network !== undefined) || isTooMany(host)) return
    onFound(`${host}:${announcement.port}`)
    // A newcomer would otherwise wait for our next announcement.
    if (isOurs) announce()
  })

  for (;;) {
    announce()
    yield* Effect.sleep(ANNOUNCE_INTERVAL_MS)
  }
})
