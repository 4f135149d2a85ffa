/**
 * Serves one torrent from its content (BEP 3): everyone who is interested is unchoked at once, and
 * gets the blocks that it asks for. This needs no engine: an idle seed costs its torrent in memory
 * and nothing else, so one node can hold ten thousand.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import * as Infohash from "../../protocol/core/Infohash.ts"
import { DhtError, PutRefused } from "../../protocol/dht/DhtError.ts"
import type { Content } from "../../protocol/swarm/Content.ts"
import { ContentDamaged, SwarmError } from "../../protocol/swarm/SwarmError.ts"
import { hashOfPiece, lengthOfPiece, pieceCount, type Torrent } from "../../protocol/swarm/Torrent.ts"
import * as MetadataExchange from "./MetadataExchange.ts"
import type { OpenPeer, PeerConnection } from "./PeerConnection.ts"
import { shapeOf } from "./Shape.ts"
import { INCOMING_PER_TORRENT_MAX } from "./SwarmOptions.ts"
import type { SwarmNode } from "./SwarmNode.ts"

/** DHT nodes forget peers after half an hour or so; BEP 5 implementations announce every 15 minutes. */
export const ANNOUNCE_INTERVAL = "15 minutes"

const fail = (reason: SwarmError["reason"]) => Effect.fail(new SwarmError({ reason }))

/** Every piece of the content against its hash; fails with the first that is wrong. */
const verify = Effect.fnUntraced(function* (torrent: Torrent, content: Content) {
  for (let piece = 0; piece < pieceCount(torrent); piece++) {
    const bytes = yield* content
      .read(piece * torrent.pieceLength, lengthOfPiece(torrent, piece))
      .pipe(Effect.mapError((reason) => new SwarmError({ reason })))
    const digest = createHash("sha1").update(bytes).digest()
    if (Buffer.compare(digest, hashOfPiece(torrent, piece)) !== 0) {
      return yield* fail(new ContentDamaged({ infohash: Infohash.toHex(torrent.infohash), piece }))
    }
  }
})

/** One bit for each piece, all set. */
const fullBitfield = (count: number): Uint8Array => {
  const bytes = new Uint8Array(Math.ceil(count / 8)).fill(0xff)
  bytes[bytes.length - 1] = 0xff << (bytes.length * 8 - count)
  return bytes
}

/** Tells the DHT where the torrent is served. Nobody who stored it is as good as a failure: nobody could find us. */
const announce = Effect.fnUntraced(function* (node: SwarmNode, infohash: Infohash.Infohash) {
  const acks = yield* node.dht
    .announcePeer(infohash, node.address.port)
    .pipe(Effect.mapError((reason) => new SwarmError({ reason })))
  if (acks > 0) return
  const target = Infohash.toHex(infohash)
  const reason = new PutRefused({ target, problem: "none acknowledged that this node serves the torrent" })
  return yield* fail(new DhtError({ reason }))
})

/** Serves until the scope closes. See `Swarm.seed`. */
export const seed = Effect.fn("Seeding.seed")(function* (
  node: SwarmNode,
  torrent: Torrent,
  content: Content
): Effect.fn.Return<void, SwarmError, Scope.Scope> {
  yield* verify(torrent, content)
  const run = yield* FiberSet.makeRuntime()
  const peers = new Set<PeerConnection>()
  const infohash = Infohash.toHex(torrent.infohash)
  const bitfield = { buffer: fullBitfield(pieceCount(torrent)) }

  const read = (
    index: number,
    offset: number,
    length: number,
    respond: (error: Error | null, b?: Uint8Array) => void
  ) =>
    run(
      content.read(index * torrent.pieceLength + offset, length).pipe(
        Effect.matchEffect({
          onSuccess: (bytes) => Effect.sync(() => respond(null, bytes)),
          onFailure: (error) =>
            Effect.andThen(
              Effect.logWarning(`Cannot serve the torrent ${infohash}: ${error.message}`),
              Effect.sync(() => respond(error))
            )
        })
      )
    )

  const accept = (peer: OpenPeer) => {
    const connection = node.adopt(peer)
    const { wire } = connection
    peers.add(connection)
    connection.onClosed(() => peers.delete(connection))
    connection.fit(shapeOf(torrent))
    wire.on("interested", () => wire.unchoke())
    wire.on("request", read)
    wire.bitfield(bitfield)
    MetadataExchange.start(connection, { info: () => torrent.info, onInfo: () => {} })
    connection.start()
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const connection of peers) connection.close()
    })
  )
  yield* node.register(torrent.infohash, { mayAccept: () => peers.size < INCOMING_PER_TORRENT_MAX, accept })
  yield* announce(node, torrent.infohash)
  const again = announce(node, torrent.infohash).pipe(
    Effect.catch((error) => Effect.logWarning(`Announcing the torrent ${infohash} failed: ${error.message}`))
  )
  yield* Effect.forkScoped(Effect.schedule(again, Schedule.spaced(ANNOUNCE_INTERVAL).pipe(Schedule.jittered)))
})
