/**
 * Serves torrents (BEP 3) and their metadata (BEP 9) to whoever asks: every peer is unchoked at once,
 * and gets the blocks that it asks for. This needs no engine, and nothing is read
 * before somebody asks for it: an idle seed costs its torrent in memory and nothing else, so one node
 * can hold ten thousand. What they share is the node's: one announcer, one cache of pieces.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type { DhtError } from "../../protocol/dht/DhtError.ts"
import type { Content } from "../../protocol/swarm/Content.ts"
import type { SeedOptions } from "../../protocol/swarm/Swarm.ts"
import { SwarmError } from "../../protocol/swarm/SwarmError.ts"
import type { Torrent } from "../../protocol/swarm/Torrent.ts"
import * as MetadataExchange from "./MetadataExchange.ts"
import type { NodeAnnouncer } from "./NodeAnnouncer.ts"
import type { OpenPeer } from "./PeerConnection.ts"
import { PieceCache } from "./PieceCache.ts"
import { type Damage, ServedContent } from "./ServedContent.ts"
import { shapeOf } from "./Shape.ts"
import { INCOMING_PER_TORRENT_MAX } from "./SwarmOptions.ts"
import type { SwarmNode } from "./SwarmNode.ts"
import { TorrentPlaces } from "./TorrentPlaces.ts"
import type { Respond } from "./UploadQueue.ts"

export interface Seeding {
  /** See `Swarm.seed`. */
  readonly seed: (
    torrent: Torrent,
    content: Content,
    options?: SeedOptions
  ) => Effect.Effect<void, SwarmError, Scope.Scope>
}

const toSwarmError = (reason: DhtError) => new SwarmError({ reason })

/** One torrent that is served, and who is connected for it. */
class Offer {
  readonly served: ServedContent
  readonly #node: SwarmNode
  readonly #run: (effect: Effect.Effect<void>) => void
  readonly #onDamage: NonNullable<SeedOptions["onDamage"]> | undefined
  readonly #places: TorrentPlaces
  #mending = false

  constructor(
    node: SwarmNode,
    torrent: Torrent,
    content: Content,
    cache: PieceCache,
    run: (effect: Effect.Effect<void>) => void,
    onDamage: SeedOptions["onDamage"]
  ) {
    this.#node = node
    this.#places = new TorrentPlaces(INCOMING_PER_TORRENT_MAX, node.now)
    this.#run = run
    this.#onDamage = onDamage
    this.served = new ServedContent(torrent, content, cache, (damage) => this.#report(damage))
  }

  mayAccept(host: string): boolean {
    return this.#places.mayEnter(host)
  }

  accept(peer: OpenPeer): void {
    const { torrent } = this.served
    const connection = this.#node.adopt(peer)
    const { wire } = connection
    this.#places.enter(connection)
    connection.fit(shapeOf(torrent))
    wire.on("request", (index: number, offset: number, length: number, respond: Respond) => {
      // Most blocks: a fiber for each would take longer than sending it.
      const cached = this.served.cached(index, offset, length)
      if (cached !== undefined) return respond(null, cached)
      this.#run(
        Effect.match(this.served.block(index, offset, length), {
          onSuccess: (bytes) => respond(null, bytes),
          onFailure: (damage) => respond(damage)
        })
      )
    })
    wire.bitfield({ buffer: this.served.bitfield })
    // Everyone gets blocks: to wait until it is asked for them would cost a round trip.
    wire.unchoke()
    MetadataExchange.start(connection, { info: () => torrent.info, onInfo: () => {} })
    connection.start()
  }

  close(): void {
    this.#places.closeAll()
  }

  /** A peer that asks for what turns out to be damaged is let go; it may come back for the rest. */
  #report(damage: Damage): void {
    this.#run(Effect.logWarning(`Cannot serve all of the torrent: ${damage.message}`))
    if (this.#onDamage === undefined || this.#mending) return
    this.#mending = true
    const mend = this.#onDamage(damage).pipe(
      Effect.map((isMended) => {
        if (!isMended) return
        const pieces = this.served.forgive()
        for (const { wire } of this.#places.connections) for (const piece of pieces) wire.have(piece)
      }),
      Effect.ensuring(Effect.sync(() => void (this.#mending = false)))
    )
    this.#run(mend)
  }
}

/** For all torrents of a node, until the scope closes. */
export const make = Effect.fnUntraced(function* (
  node: SwarmNode,
  announcer: NodeAnnouncer
): Effect.fn.Return<Seeding, never, Scope.Scope> {
  const cache = new PieceCache()
  const runFork = yield* FiberSet.makeRuntime()
  const run = (effect: Effect.Effect<void>) => void runFork(effect)

  return {
    seed: Effect.fnUntraced(function* (
      torrent,
      content,
      seedOptions = {}
    ): Effect.fn.Return<void, SwarmError, Scope.Scope> {
      const scope = yield* Effect.scope
      const offer = new Offer(node, torrent, content, cache, run, seedOptions.onDamage)
      const enter = Effect.suspend(() => {
        const leave = node.register(torrent.infohash, offer)
        const end = Effect.sync(() => {
          leave()
          offer.close()
        })
        // With no context, which would be kept with its finalizer: there may be ten thousand.
        return Scope.addFinalizer(scope, end)
      })
      yield* Effect.uninterruptible(enter)
      const { onAnnounce } = seedOptions
      yield* announcer.add(
        torrent.infohash,
        onAnnounce === undefined ? undefined : (outcome) => onAnnounce(Result.mapError(outcome, toSwarmError))
      )
      if (seedOptions.announce === "scheduled") return
      yield* announcer.announced(torrent.infohash).pipe(Effect.mapError(toSwarmError))
    })
  }
})
