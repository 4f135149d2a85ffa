/** Finds peers for one download: those that are named, those that are likely, and then those that the DHT knows. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Infohash from "../../protocol/core/Infohash.ts"
import type { DhtError } from "../../protocol/dht/DhtError.ts"
import type { DownloadRequest } from "../../protocol/swarm/Swarm.ts"
import { CorruptPeers, NoPeers, SwarmError } from "../../protocol/swarm/SwarmError.ts"
import type { DownloadPeers } from "./DownloadPeers.ts"
import type { DownloadSession } from "./DownloadSession.ts"
import { ENOUGH_PEERS } from "./SwarmOptions.ts"
import type { SwarmNode } from "./SwarmNode.ts"

/** Look-ups that bring nobody who serves the torrent, one after another, before the download gives up. */
export const FRUITLESS_LOOKUPS_MAX = 3
/** Between the end of the last liar and the look-up that decides whether there is anyone else. */
const CORRUPT_GRACE = Duration.seconds(1)
/**
 * How long peers that are named or likely have before the DHT is asked for more: most releases are here by then, and
 * a look-up costs more packets than they do.
 */
export const HEAD_START = Duration.millis(200)
/** Bytes of a torrent for which one peer will do, unless it is slow. */
const SMALL_BYTES = 1024 * 1024

const swarmError = (reason: SwarmError["reason"]) => new SwarmError({ reason })

/** Everyone who ever gave anything lied, and nobody else is there. */
export const isCorrupt = (peers: DownloadPeers): boolean =>
  peers.bans.names.length > 0 && peers.connections.size === 0 && !peers.hadHonest

/** Waits while enough peers give blocks, and pieces come of it. */
const whileEnough = Effect.fnUntraced(function* (node: SwarmNode, peers: DownloadPeers, session: DownloadSession) {
  let before = -1
  while (peers.givers(node.now()) >= ENOUGH_PEERS && session.progress.receivedBytes > before) {
    before = session.progress.receivedBytes
    yield* Effect.sleep(node.settings.lookupInterval)
  }
})

/** Dials peers that are named or likely. */
export const dialKnown = (request: DownloadRequest, peers: DownloadPeers): Effect.Effect<void> =>
  Effect.andThen(
    peers.offer(request.hints ?? []),
    peers.guess((request.torrent?.totalLength ?? Infinity) <= SMALL_BYTES)
  )

/**
 * Looks peers up while there are too few. Never succeeds; fails when nobody can be hoped for. `startedAt`, in ms, is when
 * the download began.
 */
export const search = Effect.fnUntraced(function* (
  node: SwarmNode,
  request: DownloadRequest,
  peers: DownloadPeers,
  session: DownloadSession,
  startedAt: number
): Effect.fn.Return<never, SwarmError> {
  const infohash = Infohash.toHex(request.infohash)
  const { lookupInterval } = node.settings
  let fruitless = 0
  let onlyLiars = false
  let answered = false
  let lastError: DhtError | undefined

  while (true) {
    // Hints again, too: the DHT may not know a peer that has left for a moment.
    yield* peers.offer(request.hints ?? [])
    const found = yield* Effect.result(node.dht.findPeers(request.infohash))
    if (Result.isSuccess(found)) {
      answered = true
      yield* peers.offer(found.success)
    } else {
      lastError = found.failure
      yield* Effect.logDebug(`Looking for peers of ${infohash} failed: ${found.failure.message}`)
    }
    yield* peers.awaitIdle(lookupInterval)
    if (peers.isIdle && session.needsPeers && isCorrupt(peers)) {
      if (onlyLiars) return yield* swarmError(new CorruptPeers({ infohash, peers: peers.bans.names }))
      onlyLiars = true
      yield* Effect.sleep(Duration.min(CORRUPT_GRACE, lookupInterval))
      continue
    }
    onlyLiars = false
    if (!peers.isIdle) {
      if (peers.connections.size > 0) fruitless = 0
      yield* whileEnough(node, peers, session)
      continue
    }
    // Peers that gave something may come back: then only the deadline ends the wait.
    if (session.needsPeers && !peers.hadHonest && ++fruitless >= FRUITLESS_LOOKUPS_MAX) {
      if (!answered && lastError !== undefined && !peers.reached) return yield* swarmError(lastError)
      return yield* swarmError(new NoPeers({ infohash, waitedMs: node.now() - startedAt }))
    }
    yield* Effect.sleep(lookupInterval)
  }
})
