/**
 * The peers of one download: addresses are dialled, a bounded number at a time, again after a pause
 * when a connection ends, and given up after a few fruitless attempts. Banned ones are left alone.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Infohash } from "../../protocol/core/Infohash.ts"
import * as PeerAddress from "../../protocol/core/PeerAddress.ts"
import { RecentMap } from "../../protocol/core/RecentMap.ts"
import { type Address, Bans } from "./Bans.ts"
import { mayDial } from "./DialRule.ts"
import { HandshakeFailed } from "./HandshakeExchange.ts"
import { HostShares } from "./HostShares.ts"
import type { OpenPeer, PeerConnection } from "./PeerConnection.ts"
import { DIALLED_MAX, INCOMING_PER_TORRENT_MAX } from "./SwarmOptions.ts"
import type { SwarmNode } from "./SwarmNode.ts"
import { TorrentPlaces } from "./TorrentPlaces.ts"

/** Pauses before an address is dialled again: 0.2 and 0.8 s. The next look-up may bring it back. */
const RETRY = Schedule.exponential("200 millis", 4).pipe(Schedule.jittered, Schedule.upTo({ times: 2 }))
/** Addresses of one download being dialled or waiting for their turn; a look-up may bring thousands. */
export const ADDRESSES_MAX = 500
/** Addresses of one public host at a time: several users may share one, and one may announce any number. */
export const ADDRESSES_PER_HOST_MAX = 2
/** With others waiting for their turn, a peer that owes blocks and gave none for so long makes room. */
const USELESS_MS = Duration.toMillis("20 seconds")
/** One that owes none makes room the sooner the more others wait, but not before it could show what it has. */
export const USELESS_MIN_MS = Duration.toMillis("2 seconds")
/** A peer whose last block came so long ago, in ms, is of use no more. */
export const GIVING_MS = Duration.toMillis("10 seconds")

export class DownloadPeers {
  readonly bans = new Bans()
  readonly connections = new Set<PeerConnection>()
  /** Time from which peers could have given something, in ms: not while nobody is asked. */
  idleFrom = 0
  /** Whether a handshake with anyone has ever succeeded. */
  reached = false
  readonly #givers = new Set<string>()
  readonly #node: SwarmNode
  readonly #infohash: Infohash
  readonly #dialers: FiberMap.FiberMap<string>
  readonly #turns = Semaphore.makeUnsafe(DIALLED_MAX)
  readonly #idle = Latch.makeUnsafe(true)
  readonly #onConnection: (connection: PeerConnection) => void
  /** Addresses whose peers broke the protocol: not dialled again by this download. */
  readonly #broken = new Set<string>()
  readonly #places: TorrentPlaces
  readonly #shares = new HostShares(ADDRESSES_PER_HOST_MAX)
  /** Hosts of which more addresses were offered than may be used at a time. */
  readonly #crowded = new Set<string>()
  /** Addresses of peers that had to make room: others are tried before them. */
  readonly #useless = new RecentMap<string, true>(ADDRESSES_MAX)
  #live = 0
  #waiting = 0
  #isOver = false

  constructor(
    node: SwarmNode,
    infohash: Infohash,
    dialers: FiberMap.FiberMap<string>,
    onConnection: (connection: PeerConnection) => void
  ) {
    this.#node = node
    this.#infohash = infohash
    this.#dialers = dialers
    this.#onConnection = onConnection
    this.#places = new TorrentPlaces(INCOMING_PER_TORRENT_MAX, node.now)
  }

  /** Whether nobody is connected and nobody is being dialled. */
  get isIdle(): boolean {
    return this.#live === 0
  }

  /** Whether anyone who has not been found to lie has sent a block. */
  get hadHonest(): boolean {
    const liars = new Set(this.bans.names)
    return [...this.#givers].some((name) => !liars.has(name))
  }

  get awaitIdle(): Effect.Effect<void> {
    return this.#idle.await
  }

  mayAccept(host: string): boolean {
    return this.#places.mayEnter(host) && this.bans.mayAccept(host)
  }

  /** Takes on a connection with finished handshakes. */
  connect(peer: OpenPeer): PeerConnection {
    const connection = this.#node.adopt(peer)
    this.reached = true
    this.connections.add(connection)
    this.#enter()
    connection.onClosed(() => {
      this.connections.delete(connection)
      if (connection.wire.downloaded > 0) this.#givers.add(connection.name)
      this.#leave()
    })
    if (peer.incoming) this.#places.enter(connection)
    this.#onConnection(connection)
    return connection
  }

  /** How many peers gave a block lately; those of one public host count as so many as are dialled of it. */
  givers(now: number): number {
    const shares = new HostShares(ADDRESSES_PER_HOST_MAX)
    let count = 0
    for (const { peer, wire } of this.connections) {
      if (wire.downloaded > 0 && now - wire.lastBlockAt < GIVING_MS && shares.enter(peer.host)) count++
    }
    return count
  }

  /** Bans a peer that was proven to lie, and ends its connections. It may have left before. */
  ban(liar: Address): void {
    this.bans.ban(liar)
    for (const connection of this.connections) {
      const { host, incoming, port } = connection.peer
      if (host === liar.host && port === liar.port) connection.fault("corrupt bytes")
      else if (incoming && !this.bans.mayAccept(host)) connection.close()
    }
  }

  /** Dials what may be dialled and is not yet, in any order: the first ones may be those of somebody who floods it. */
  offer(addresses: Iterable<PeerAddress.PeerAddress>): Effect.Effect<void> {
    return this.#offer(addresses, (address) => {
      const again = { schedule: RETRY, until: () => this.#wasUseless(address) }
      return this.#dialer(address).pipe(Effect.retry(again), Effect.ignore)
    })
  }

  /**
   * Dials peers that gave other torrents, once: they may well not have this one. A small torrent is there before a
   * second one would be of use.
   */
  guess(isSmall: boolean): Effect.Effect<void> {
    const { likely } = this.#node
    return this.#offer(isSmall ? likely.one(this.#infohash[0]!) : likely.all, (address) =>
      this.#dialer(address).pipe(Effect.catch(() => Effect.sync(() => likely.forget(address))))
    )
  }

  /** Whoever of those that are here has given something and was not found to lie is likely to have other torrents, too. */
  noteGivers(): void {
    for (const { peer, wire } of this.connections) {
      if (peer.incoming || wire.downloaded === 0 || !this.bans.mayDial(peer)) continue
      Option.map(PeerAddress.make(peer.host, peer.port), (address) => this.#node.likely.note(address))
    }
  }

  #offer(
    addresses: Iterable<PeerAddress.PeerAddress>,
    dialer: (address: PeerAddress.PeerAddress) => Effect.Effect<void>
  ): Effect.Effect<void> {
    const { address, settings } = this.#node
    const own = { host: address.host, port: address.port, allowPrivatePeers: settings.allowPrivatePeers }
    const offerOne = Effect.fnUntraced({ self: this }, function* (peer: PeerAddress.PeerAddress) {
      if (!mayDial(peer, own) || !this.#isWelcome(peer) || this.#live >= ADDRESSES_MAX) return
      if (yield* FiberMap.has(this.#dialers, String(peer))) return
      if (!this.#shares.enter(peer.host)) return void this.#crowded.add(peer.host)
      this.#enter()
      const leave = Effect.sync(() => {
        this.#shares.leave(peer.host)
        this.#crowded.delete(peer.host)
        this.#leave()
      })
      yield* FiberMap.run(this.#dialers, String(peer), Effect.ensuring(dialer(peer), leave))
    })
    return Effect.flatMap(Random.shuffle(addresses), (shuffled) => {
      const ranked = shuffled.toSorted((a, b) => Number(this.#wasUseless(a)) - Number(this.#wasUseless(b)))
      return Effect.forEach(ranked, offerOne, { discard: true })
    })
  }

  /** Lets waiting addresses have the turn of peers that give nothing, as many as there are. */
  makeRoom(now: number): void {
    let wanted = this.#waiting
    const patienceMs = Math.max(USELESS_MIN_MS, USELESS_MS / (1 + this.#waiting))
    for (const connection of this.connections) {
      const { peer, wire } = connection
      if (peer.incoming || (wanted <= 0 && !this.#crowded.has(peer.host))) continue
      const idleMs = now - Math.max(wire.lastBlockAt, this.idleFrom)
      if (idleMs <= (wire.ordered > 0 ? USELESS_MS : patienceMs)) continue
      wanted--
      this.#crowded.delete(peer.host)
      this.#useless.set(connection.name, true)
      connection.close()
    }
  }

  /** The download is over. */
  closeAll(): void {
    this.#isOver = true
    for (const connection of this.connections) connection.close()
  }

  #isWelcome(address: PeerAddress.PeerAddress): boolean {
    return this.bans.mayDial(address) && !this.#broken.has(String(address))
  }

  #wasUseless(address: PeerAddress.PeerAddress): boolean {
    return this.#useless.get(String(address)) === true
  }

  #enter(): void {
    this.#live++
    this.#idle.closeUnsafe()
  }

  #leave(): void {
    if (--this.#live === 0) this.#idle.openUnsafe()
  }

  /** One connection to an address, when its turn has come. Fails where it may be tried again. */
  #dialer(address: PeerAddress.PeerAddress): Effect.Effect<void, HandshakeFailed> {
    const once = Effect.gen({ self: this }, function* () {
      if (!this.#isWelcome(address)) return
      const peer = yield* this.#node.dial(address, this.#infohash)
      const connection = this.connect(peer)
      yield* Effect.callback<void>((resume) => connection.onClosed(() => resume(Effect.void)))
      if (connection.faulted) this.#broken.add(String(address))
      if (!this.#isOver && this.#isWelcome(address))
        return yield* new HandshakeFailed({ peer: String(address), problem: "it left" })
    })
    return Effect.suspend(() => {
      this.#waiting++
      let waiting = true
      const start = () => {
        if (waiting) this.#waiting--
        waiting = false
      }
      return this.#turns.withPermit(Effect.andThen(Effect.sync(start), once)).pipe(
        Effect.ensuring(Effect.sync(start)),
        Effect.tapError((error) => Effect.logDebug(error.message))
      )
    })
  }
}

/** Dialling ends with the scope, and so do the connections. */
export const make = Effect.fnUntraced(function* (
  node: SwarmNode,
  infohash: Infohash,
  onConnection: (connection: PeerConnection) => void
): Effect.fn.Return<DownloadPeers, never, Scope.Scope> {
  const dialers = yield* FiberMap.make<string>()
  const peers = new DownloadPeers(node, infohash, dialers, onConnection)
  yield* Effect.addFinalizer(() => Effect.sync(() => peers.closeAll()))
  yield* node.register(infohash, {
    mayAccept: (host) => peers.mayAccept(host),
    accept: (peer) => void peers.connect(peer)
  })
  return peers
})
