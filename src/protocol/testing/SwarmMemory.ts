/**
 * A `Swarm` in memory: several layers over one network are several hosts on it. Pieces are read from
 * the seeders' contents and checked as over TCP: liars are banned, the info dictionary comes from a
 * seeder where it is not known, what the content holds already is kept. Time is that of `Clock`.
 */
import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { sha1 } from "../core/Digest.ts"
import * as Infohash from "../core/Infohash.ts"
import { PeerAddress } from "../core/PeerAddress.ts"
import { Dht } from "../dht/Dht.ts"
import { DhtError, PutRefused } from "../dht/DhtError.ts"
import type { Content } from "../swarm/Content.ts"
import { type DownloadRequest, Swarm } from "../swarm/Swarm.ts"
import { ContentDamaged, CorruptPeers, DownloadStalled, NoPeers, SwarmError } from "../swarm/SwarmError.ts"
import { fromInfo, hashOfPiece, InvalidTorrent, lengthOfPiece, pieceCount, type Torrent } from "../swarm/Torrent.ts"

/** What a host offers. Tests may put a torrent here that is not true. */
export interface Offer {
  readonly torrent: Torrent
  readonly content: Content
}

/** Offers by `host:port` and infohash (hex). */
export interface Network {
  readonly offers: Map<string, Map<string, ReadonlyArray<Offer>>>
}

export interface Options {
  readonly host: string
  readonly port: number
  /** Between look-ups of peers. Default 5 s. */
  readonly lookupInterval?: Duration.Input | undefined
}

/** Look-ups that bring nobody, one after another, before a download gives up. */
const FRUITLESS_LOOKUPS_MAX = 3
const ANNOUNCE_INTERVAL = "15 minutes"

export const make = (): Network => ({ offers: new Map() })

const swarmError = (reason: SwarmError["reason"]) => new SwarmError({ reason })

const isTrue = (torrent: Torrent, piece: number, bytes: Uint8Array): boolean =>
  bytes.length === lengthOfPiece(torrent, piece) && Bytes.Equivalence(sha1(bytes), hashOfPiece(torrent, piece))

const readPiece = ({ content, torrent }: Offer, piece: number) =>
  content.read(piece * torrent.pieceLength, lengthOfPiece(torrent, piece))

/** The state of one download. */
class Download {
  readonly banned = new Set<string>()
  readonly #network: Network
  readonly #self: string
  readonly #infohash: string
  /** Peers that were told of and serve the torrent, whoever of them is still there. */
  #known: ReadonlyArray<string> = []
  reached = false
  hadHonest = false
  torrent: Torrent | undefined
  receivedBytes = 0

  constructor(network: Network, self: string, infohash: string) {
    this.#network = network
    this.#self = self
    this.#infohash = infohash
  }

  meet(addresses: ReadonlyArray<PeerAddress>): void {
    const names = addresses.map(String).filter((name) => name !== this.#self)
    this.#known = [...new Set([...this.#known, ...names])]
    if (this.offers.length > 0) this.reached = true
  }

  /** Whoever serves the torrent now and is not banned. */
  get offers(): ReadonlyArray<readonly [string, Offer]> {
    return this.#known.flatMap((name) => {
      const offer = this.#network.offers.get(name)?.get(this.#infohash)?.[0]
      return offer === undefined || this.banned.has(name) ? [] : [[name, offer] as const]
    })
  }

  get isCorrupt(): boolean {
    return this.banned.size > 0 && this.offers.length === 0 && !this.hadHonest
  }

  corrupt(): SwarmError {
    return swarmError(new CorruptPeers({ infohash: this.#infohash, peers: [...this.banned] }))
  }

  atDeadline(waitedMs: number): SwarmError {
    if (this.isCorrupt) return this.corrupt()
    const infohash = this.#infohash
    if (!this.reached) return swarmError(new NoPeers({ infohash, waitedMs }))
    const totalBytes = this.torrent?.totalLength ?? 0
    return swarmError(new DownloadStalled({ infohash, receivedBytes: this.receivedBytes, totalBytes, waitedMs }))
  }
}

/** The info dictionary from the first seeder that has the right one. */
const learn = Effect.fnUntraced(function* (download: Download, infohash: Infohash.Infohash) {
  for (const [name, { torrent }] of download.offers) {
    if (Bytes.Equivalence(sha1(torrent.info), infohash)) {
      return yield* fromInfo(torrent.info, Infohash.toHex(infohash)).pipe(Effect.mapError(swarmError))
    }
    download.banned.add(name)
  }
  return undefined
})

/** One piece from whoever sends it true; `undefined` when nobody does. */
const fetch = Effect.fnUntraced(function* (download: Download, torrent: Torrent, piece: number) {
  const offers = download.offers
  for (let i = 0; i < offers.length; i++) {
    const [name, { content }] = offers[(piece + i) % offers.length]!
    const read = yield* Effect.result(readPiece({ torrent, content }, piece))
    if (Result.isFailure(read)) continue
    if (isTrue(torrent, piece, read.success)) {
      download.hadHonest = true
      return read.success
    }
    download.banned.add(name)
  }
  return undefined
})

const transfer = Effect.fnUntraced(function* (
  options: Options,
  dht: Dht["Service"],
  download: Download,
  request: DownloadRequest
): Effect.fn.Return<Torrent, SwarmError, Scope.Scope> {
  const infohash = Infohash.toHex(request.infohash)
  const startedAt = yield* Clock.currentTimeMillis
  const missing = new Set<number>()
  let content: Content | undefined
  let fruitless = 0
  let onlyLiars = false

  const report = (torrent: Torrent) =>
    request.onProgress?.({
      receivedBytes: download.receivedBytes,
      totalBytes: torrent.totalLength,
      peers: download.offers.length
    }) ?? Effect.void
  const count = (torrent: Torrent, piece: number) => {
    missing.delete(piece)
    download.receivedBytes += lengthOfPiece(torrent, piece)
    return report(torrent)
  }
  const open = Effect.fnUntraced(function* (torrent: Torrent) {
    download.torrent = torrent
    const opened = yield* request.open(torrent)
    for (let piece = 0; piece < pieceCount(torrent); piece++) {
      missing.add(piece)
      const held = yield* Effect.result(readPiece({ torrent, content: opened }, piece))
      if (Result.isSuccess(held) && isTrue(torrent, piece, held.success)) yield* count(torrent, piece)
    }
    return opened
  }, Effect.mapError(swarmError))

  download.torrent = request.torrent
  download.meet(request.hints ?? [])
  while (true) {
    download.torrent ??= yield* learn(download, request.infohash)
    const torrent = download.torrent
    if (torrent !== undefined) {
      content ??= yield* open(torrent)
      for (const piece of missing) {
        const bytes = yield* fetch(download, torrent, piece)
        if (bytes === undefined) break
        yield* content.write(piece * torrent.pieceLength, bytes).pipe(Effect.mapError(swarmError))
        yield* count(torrent, piece)
      }
      if (missing.size === 0) return torrent
    }
    const found = yield* Effect.result(dht.findPeers(request.infohash))
    if (Result.isSuccess(found)) download.meet(found.success)
    if (download.offers.length > 0) {
      fruitless = 0
      onlyLiars = false
      // Seeders that are there and cannot read what they offer may recover.
      yield* Effect.sleep(1)
      continue
    }
    if (download.isCorrupt) {
      if (onlyLiars) return yield* download.corrupt()
      onlyLiars = true
    } else if (!download.hadHonest && ++fruitless >= FRUITLESS_LOOKUPS_MAX) {
      if (Result.isFailure(found) && !download.reached) return yield* swarmError(found.failure)
      const waitedMs = (yield* Clock.currentTimeMillis) - startedAt
      return yield* swarmError(new NoPeers({ infohash, waitedMs }))
    }
    yield* Effect.sleep(options.lookupInterval ?? "5 seconds")
  }
})

const announce = Effect.fnUntraced(function* (dht: Dht["Service"], infohash: Infohash.Infohash, port: number) {
  const acks = yield* dht.announcePeer(infohash, port).pipe(Effect.mapError(swarmError))
  if (acks > 0) return
  const target = Infohash.toHex(infohash)
  const reason = new PutRefused({ target, problem: "none acknowledged that this node serves the torrent" })
  return yield* swarmError(new DhtError({ reason }))
})

/** Keeps an offer on the network until the scope closes. */
const offer = (network: Network, self: string, offered: Offer) => {
  const key = Infohash.toHex(offered.torrent.infohash)
  const mine = () => network.offers.get(self) ?? new Map<string, ReadonlyArray<Offer>>()
  const set = (change: (offers: ReadonlyArray<Offer>) => ReadonlyArray<Offer>) =>
    Effect.sync(() => {
      const offers = change(mine().get(key) ?? [])
      const others = [...mine()].filter(([infohash]) => infohash !== key)
      network.offers.set(self, new Map(offers.length === 0 ? others : [...others, [key, offers]]))
    })
  return Effect.acquireRelease(
    set((offers) => [...offers, offered]),
    () => set((offers) => offers.filter((other) => other !== offered))
  )
}

/** A host on the network. It is found under `host` when its `Dht` announces it under the same. */
export const layerOn = (network: Network, options: Options): Layer.Layer<Swarm, never, Dht> =>
  Layer.effect(
    Swarm,
    Effect.gen(function* () {
      const dht = yield* Dht
      const address = new PeerAddress({ host: options.host, port: options.port })
      const self = String(address)
      return Swarm.of({
        address,
        seed: Effect.fnUntraced(function* (torrent, content) {
          for (let piece = 0; piece < pieceCount(torrent); piece++) {
            const bytes = yield* readPiece({ torrent, content }, piece).pipe(Effect.mapError(swarmError))
            const infohash = Infohash.toHex(torrent.infohash)
            if (!isTrue(torrent, piece, bytes)) return yield* swarmError(new ContentDamaged({ infohash, piece }))
          }
          yield* offer(network, self, { torrent, content })
          yield* announce(dht, torrent.infohash, options.port)
          const again = Effect.ignore(announce(dht, torrent.infohash, options.port))
          yield* Effect.forkScoped(Effect.schedule(again, Schedule.jittered(Schedule.spaced(ANNOUNCE_INTERVAL))))
        }),
        download: Effect.fnUntraced(function* (request) {
          const infohash = Infohash.toHex(request.infohash)
          if (request.torrent !== undefined && !Infohash.equals(request.torrent.infohash, request.infohash)) {
            const problem = "the given torrent has another infohash"
            return yield* swarmError(new InvalidTorrent({ infohash, problem }))
          }
          const startedAt = yield* Clock.currentTimeMillis
          const download = new Download(network, self, infohash)
          return yield* Effect.scoped(transfer(options, dht, download, request)).pipe(
            Effect.timeoutOrElse({
              duration: request.timeout,
              orElse: () =>
                Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fail(download.atDeadline(now - startedAt)))
            })
          )
        })
      })
    })
  )

/** A host on a network of its own, for whoever builds the layer. */
export const layer: Layer.Layer<Swarm, never, Dht> = Layer.suspend(() =>
  layerOn(make(), { host: "127.0.0.1", port: 6881 })
)
