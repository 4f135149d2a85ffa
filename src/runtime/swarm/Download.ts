/**
 * Fetches one torrent: peers are looked up and dialled while the content is opened and checked, the
 * info dictionary is asked of a peer where it is not known (BEP 9), and a session does the rest.
 * Ends when every piece is written, or when it is clear that it will not be.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Infohash from "../../protocol/core/Infohash.ts"
import type { DhtError } from "../../protocol/dht/DhtError.ts"
import type { StorageFailed } from "../../protocol/swarm/Content.ts"
import type { DownloadRequest, Progress } from "../../protocol/swarm/Swarm.ts"
import { CorruptPeers, DownloadStalled, NoPeers, SwarmError } from "../../protocol/swarm/SwarmError.ts"
import { fromInfo, InvalidTorrent, type Torrent } from "../../protocol/swarm/Torrent.ts"
import * as DownloadPeers from "./DownloadPeers.ts"
import type { DownloadSession, Setting } from "./DownloadSession.ts"
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
const HEAD_START = Duration.millis(200)
/** Bytes of a torrent for which one peer will do, unless it is slow. */
const SMALL_BYTES = 1024 * 1024
/** How often owed blocks are looked after. */
const TICK = Duration.millis(250)

const swarmError = (reason: SwarmError["reason"]) => new SwarmError({ reason })

/** Makes the session of one download: whoever decides what to ask of whom. */
export type MakeSession = (setting: Setting) => DownloadSession

/** See `Swarm.download`. */
export const run = Effect.fn("Download.run")(function* (
  node: SwarmNode,
  request: DownloadRequest,
  makeSession: MakeSession
): Effect.fn.Return<Torrent, SwarmError> {
  const infohash = Infohash.toHex(request.infohash)
  if (request.torrent !== undefined && !Infohash.equals(request.torrent.infohash, request.infohash)) {
    return yield* swarmError(new InvalidTorrent({ infohash, problem: "the given torrent has another infohash" }))
  }
  return yield* Effect.scoped(attempt(node, request, makeSession))
})

const atDeadline = (
  infohash: string,
  waitedMs: number,
  peers: DownloadPeers.DownloadPeers,
  { receivedBytes, totalBytes }: Progress
): SwarmError["reason"] => {
  if (isCorrupt(peers)) return new CorruptPeers({ infohash, peers: peers.bans.names })
  if (!peers.reached) return new NoPeers({ infohash, waitedMs })
  return new DownloadStalled({ infohash, receivedBytes, totalBytes, waitedMs })
}

/** Everyone who ever gave anything lied, and nobody else is there. */
const isCorrupt = (peers: DownloadPeers.DownloadPeers): boolean =>
  peers.bans.names.length > 0 && peers.connections.size === 0 && !peers.hadHonest

const attempt = Effect.fnUntraced(function* (node: SwarmNode, request: DownloadRequest, makeSession: MakeSession) {
  const infohash = Infohash.toHex(request.infohash)
  const startedAt = node.now()
  const done = yield* Deferred.make<void, SwarmError>()
  const known = yield* Deferred.make<Torrent, SwarmError>()
  const moved = yield* Latch.make()
  const runFork = yield* FiberSet.makeRuntime()

  const random = yield* Random.Random
  const session = makeSession({
    infohash: request.infohash,
    now: node.now,
    run: runFork,
    random: () => random.nextDoubleUnsafe(),
    requestTimeoutMs: node.settings.requestTimeoutMs,
    outcome: {
      onInfo: (info) =>
        void runFork(
          Deferred.completeWith(known, fromInfo(info, infohash).pipe(Effect.mapError((reason) => swarmError(reason))))
        ),
      onProgress: () => void moved.openUnsafe(),
      onComplete: () => void Deferred.doneUnsafe(done, Effect.void),
      onStorageFailed: (error) => void Deferred.doneUnsafe(done, Effect.fail(swarmError(error)))
    }
  })
  const peers = yield* DownloadPeers.make(node, request.infohash, (connection) => session.onConnection(connection))
  session.join(peers)
  if (request.torrent !== undefined) yield* Deferred.succeed(known, request.torrent)

  const transfer = Effect.gen(function* () {
    const torrent = yield* Deferred.await(known)
    session.setTorrent(torrent)
    // Nobody is asked for anything while the content is looked through.
    peers.idleFrom = Infinity
    const content = yield* request.open(torrent).pipe(Effect.mapError((error: StorageFailed) => swarmError(error)))
    yield* session.fetch(torrent, content)
    peers.idleFrom = node.now()
    yield* Deferred.await(done)
    peers.noteGivers()
    return torrent
  })

  yield* Effect.forkScoped(
    Effect.schedule(
      Effect.sync(() => session.tick()),
      Schedule.spaced(TICK)
    )
  )
  const { onProgress } = request
  const report = onProgress === undefined ? Effect.void : Effect.suspend(() => onProgress(session.progress))
  // One report at a time, of the newest state: a slow listener holds nothing up.
  const reports = moved.await.pipe(
    Effect.andThen(Effect.sync(() => moved.closeUnsafe())),
    Effect.andThen(report),
    Effect.forever
  )
  const deadline = Effect.suspend(() => {
    const waitedMs = node.now() - startedAt
    return Effect.fail(swarmError(atDeadline(infohash, waitedMs, peers, session.progress)))
  }).pipe(Effect.delay(request.timeout))
  const all = [transfer, search(node, request, peers, session), deadline]
  const torrent = yield* Effect.raceAllFirst(onProgress === undefined ? all : [...all, reports])
  yield* report
  return torrent
})

/** Waits while enough peers give blocks, and pieces come of it. */
const whileEnough = Effect.fnUntraced(function* (
  node: SwarmNode,
  peers: DownloadPeers.DownloadPeers,
  session: DownloadSession
) {
  let before = -1
  while (peers.givers(node.now()) >= ENOUGH_PEERS && session.progress.receivedBytes > before) {
    before = session.progress.receivedBytes
    yield* Effect.sleep(node.settings.lookupInterval)
  }
})

/** Looks peers up while there are too few. Never succeeds; fails when nobody can be hoped for. */
const search = Effect.fnUntraced(function* (
  node: SwarmNode,
  request: DownloadRequest,
  peers: DownloadPeers.DownloadPeers,
  session: DownloadSession
): Effect.fn.Return<never, SwarmError> {
  const infohash = Infohash.toHex(request.infohash)
  const { lookupInterval } = node.settings
  const startedAt = node.now()
  let fruitless = 0
  let onlyLiars = false
  let answered = false
  let lastError: DhtError | undefined

  yield* peers.offer(request.hints ?? [])
  yield* peers.guess((request.torrent?.totalLength ?? Infinity) <= SMALL_BYTES)
  yield* Effect.timeoutOption(peers.awaitIdle, HEAD_START)
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
    yield* Effect.timeoutOption(peers.awaitIdle, lookupInterval)
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
