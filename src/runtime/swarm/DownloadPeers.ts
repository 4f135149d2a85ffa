/**
 * The peers of one download: addresses are dialled, a bounded number at a time, again after a pause
 * when a connection ends, and given up after a few fruitless attempts. Banned ones are left alone.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { Infohash } from "../../protocol/core/Infohash.ts"
import type * as PeerAddress from "../../protocol/core/PeerAddress.ts"
import { RecentMap } from "../../protocol/core/RecentMap.ts"
import { type Address, Bans } from "./Bans.ts"
import { Dialers, type Fate } from "./Dialers.ts"
import { mayDial } from "./DialRule.ts"
import type { Run } from "./Fibers.ts"
import { HostShares } from "./HostShares.ts"
import type { OpenPeer, PeerConnection } from "./PeerConnection.ts"
import { DIALLED_MAX, INCOMING_PER_TORRENT_MAX } from "./SwarmOptions.ts"
import type { SwarmNode } from "./SwarmNode.ts"
import { after } from "./Timer.ts"
import { TorrentPlaces } from "./TorrentPlaces.ts"

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
  readonly #dialers: Dialers
  /** Connections that we opened, and to where. */
  readonly #dialled = new Map<PeerConnection, PeerAddress.PeerAddress>()
  /** Who waits for {@link isIdle}. */
  readonly #idleWaiters = new Set<() => void>()
  readonly #onConnection: (connection: PeerConnection) => void
  /** Addresses whose peers broke the protocol: not dialled again by this download. */
  readonly #broken = new Set<string>()
  readonly #places: TorrentPlaces
  readonly #shares = new HostShares(ADDRESSES_PER_HOST_MAX)
  /** Hosts of which more addresses were offered than may be used at a time. */
  readonly #crowded = new Set<string>()
  /** Addresses of peers that had to make room: others are tried before them. */
  readonly #useless = new RecentMap<string, true>(ADDRESSES_MAX)
  readonly #unregister: () => void
  #live = 0

  /** Lets peers of the torrent in at once. `run` ends with the download. */
  constructor(node: SwarmNode, infohash: Infohash, run: Run, onConnection: (connection: PeerConnection) => void) {
    this.#node = node
    this.#infohash = infohash
    this.#dialers = new Dialers({
      most: DIALLED_MAX,
      run,
      dial: (address) => node.dial(address, infohash),
      connect: (peer, address) => this.#connectDialled(peer, address),
      isWelcome: (address) => this.#isWelcome(address)
    })
    this.#onConnection = onConnection
    this.#places = new TorrentPlaces(INCOMING_PER_TORRENT_MAX, node.now)
    this.#unregister = node.register(infohash, {
      mayAccept: (host) => this.mayAccept(host),
      accept: (peer) => void this.connect(peer)
    })
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

  /** Calls `run` once, when {@link isIdle} holds or after that time; the result takes that back. */
  whenIdle(atMost: Duration.Duration, run: () => void): () => void {
    if (this.isIdle) {
      run()
      return () => {}
    }
    const stop = () => {
      forget()
      this.#idleWaiters.delete(end)
    }
    const end = () => {
      stop()
      run()
    }
    const forget = after(atMost, end)
    this.#idleWaiters.add(end)
    return stop
  }

  /** {@link whenIdle} as an effect. */
  awaitIdle(atMost: Duration.Duration): Effect.Effect<void> {
    return Effect.callback((resume) => Effect.sync(this.whenIdle(atMost, () => resume(Effect.void))))
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
    return this.#offer(addresses, (address) => ({
      mayRetry: () => !this.#wasUseless(address),
      onLost: () => {}
    }))
  }

  /**
   * Dials peers that gave other torrents, once: they may well not have this one. A small torrent is there before a
   * second one would be of use.
   */
  guess(isSmall: boolean): Effect.Effect<void> {
    const { likely } = this.#node
    return this.#offer(isSmall ? likely.one(this.#infohash[0]!) : likely.all, (address) => ({
      mayRetry: () => false,
      onLost: () => likely.forget(address)
    }))
  }

  /** Whoever of those that are here has given something and was not found to lie is likely to have other torrents, too. */
  noteGivers(): void {
    for (const [{ wire }, address] of this.#dialled) {
      if (wire.downloaded > 0 && this.bans.mayDial(address)) this.#node.likely.note(address)
    }
  }

  #offer(
    addresses: Iterable<PeerAddress.PeerAddress>,
    fateOf: (address: PeerAddress.PeerAddress) => Pick<Fate, "mayRetry" | "onLost">
  ): Effect.Effect<void> {
    return Effect.map(Random.shuffle(addresses), (shuffled) => {
      const ranked = shuffled.toSorted((a, b) => Number(this.#wasUseless(a)) - Number(this.#wasUseless(b)))
      for (const address of ranked) this.#offerOne(address, fateOf(address))
    })
  }

  #offerOne(peer: PeerAddress.PeerAddress, fate: Pick<Fate, "mayRetry" | "onLost">): void {
    const { address, settings } = this.#node
    const own = { host: address.host, port: address.port, allowPrivatePeers: settings.allowPrivatePeers }
    if (!mayDial(peer, own) || !this.#isWelcome(peer) || this.#live >= ADDRESSES_MAX) return
    if (this.#dialers.has(peer)) return
    if (!this.#shares.enter(peer.host)) return void this.#crowded.add(peer.host)
    this.#enter()
    const onEnd = () => {
      this.#shares.leave(peer.host)
      this.#crowded.delete(peer.host)
      this.#leave()
    }
    this.#dialers.add(peer, { ...fate, onEnd })
  }

  /** Lets waiting addresses have the turn of peers that give nothing, as many as there are. */
  makeRoom(now: number): void {
    let wanted = this.#dialers.waiting
    const patienceMs = Math.max(USELESS_MIN_MS, USELESS_MS / (1 + wanted))
    // A copy: with each that is closed another may come.
    const connections = [...this.connections]
    for (const connection of connections) {
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
    this.#unregister()
    this.#dialers.stop()
    this.#idleWaiters.clear()
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
  }

  #leave(): void {
    if (--this.#live > 0) return
    const waiters = [...this.#idleWaiters]
    for (const tell of waiters) tell()
  }

  #connectDialled(peer: OpenPeer, address: PeerAddress.PeerAddress): PeerConnection {
    const connection = this.connect(peer)
    this.#dialled.set(connection, address)
    connection.onClosed(() => {
      this.#dialled.delete(connection)
      if (connection.faulted) this.#broken.add(connection.name)
    })
    return connection
  }
}
