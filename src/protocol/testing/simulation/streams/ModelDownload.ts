/**
 * One download of a simulated swarm: peers are looked up and dialled while the content is opened and
 * checked, the info dictionary is asked of a peer where it is not known, and each piece of whoever has
 * least to do, until somebody gives it true. It gives up when and how the swarm over TCP does.
 */
import * as Bytes from "effect/Bytes"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { sha1 } from "../../../core/Digest.ts"
import * as Infohash from "../../../core/Infohash.ts"
import type { Dht } from "../../../dht/Dht.ts"
import type { DhtError } from "../../../dht/DhtError.ts"
import type { Content } from "../../../swarm/Content.ts"
import type { DownloadRequest } from "../../../swarm/Swarm.ts"
import { CorruptPeers, DownloadStalled, NoPeers, SwarmError } from "../../../swarm/SwarmError.ts"
import {
  fromInfo,
  hashOfPiece,
  InvalidTorrent,
  lengthOfPiece,
  pieceCount,
  type Torrent
} from "../../../swarm/Torrent.ts"
import { DownloadPeers } from "./DownloadPeers.ts"
import type { Member } from "../Nodes.ts"
import type { PeerTalk } from "./PeerTalk.ts"

/** Look-ups that bring nobody who serves the torrent, one after another, before the download gives up. */
const FRUITLESS_LOOKUPS_MAX = 3
/** Between the end of the last liar and the look-up that decides whether there is anyone else. */
const CORRUPT_GRACE = Duration.seconds(1)
/** With so many peers a download looks for no more. */
const ENOUGH_PEERS = 8
/** Pieces asked for at a time. */
const PIECES_AT_ONCE_MAX = 16

export interface Options {
  readonly talk: PeerTalk
  readonly member: Member
  readonly dht: Dht["Service"]
  readonly lookupInterval: Duration.Duration
  readonly requestTimeoutMs: number
  /** Virtual ms, whatever the member's clock says. */
  readonly now: () => number
}

const swarmError = (reason: SwarmError["reason"]) => new SwarmError({ reason })

/** Whether bytes are those of the piece. */
export const isTrue = (torrent: Torrent, piece: number, bytes: Uint8Array): boolean =>
  bytes.length === lengthOfPiece(torrent, piece) && Bytes.Equivalence(sha1(bytes), hashOfPiece(torrent, piece))

export const readPiece = (torrent: Torrent, content: Content, piece: number) =>
  content.read(piece * torrent.pieceLength, lengthOfPiece(torrent, piece))

/** How far a download is, for whoever gives up on it. */
interface State {
  totalBytes: number
  receivedBytes: number
  /** Whether there is anything that only a peer can give. */
  needsPeers: boolean
}

/** See `Swarm.download`. */
export const run = Effect.fn("ModelDownload.run")(function* (
  options: Options,
  request: DownloadRequest
): Effect.fn.Return<Torrent, SwarmError> {
  const infohash = Infohash.toHex(request.infohash)
  if (request.torrent !== undefined && !Infohash.equals(request.torrent.infohash, request.infohash)) {
    return yield* swarmError(new InvalidTorrent({ infohash, problem: "the given torrent has another infohash" }))
  }
  const startedAt = options.now()
  return yield* Effect.scoped(attempt(options, request, infohash, startedAt))
})

const attempt = Effect.fnUntraced(function* (
  options: Options,
  request: DownloadRequest,
  infohash: string,
  startedAt: number
): Effect.fn.Return<Torrent, SwarmError, Scope.Scope> {
  const { member, requestTimeoutMs, talk } = options
  const peers = new DownloadPeers({ talk, member, infohash, requestTimeoutMs })
  yield* Effect.addFinalizer(() => Effect.sync(() => peers.close()))
  const state: State = {
    totalBytes: request.torrent?.totalLength ?? 0,
    receivedBytes: 0,
    needsPeers: request.torrent === undefined
  }
  const atDeadline = (waitedMs: number): SwarmError["reason"] => {
    if (peers.isCorrupt) return new CorruptPeers({ infohash, peers: [...peers.banned] })
    if (!peers.isReached) return new NoPeers({ infohash, waitedMs })
    const { receivedBytes, totalBytes } = state
    return new DownloadStalled({ infohash, receivedBytes, totalBytes, waitedMs })
  }
  return yield* Effect.raceFirst(
    transfer(request, infohash, peers, state),
    search(options, request, peers, state, startedAt)
  ).pipe(
    Effect.timeoutOrElse({
      duration: request.timeout,
      orElse: () => Effect.fail(swarmError(atDeadline(options.now() - startedAt)))
    })
  )
})

/** The info dictionary of the first peer that has the right one. */
const learn = Effect.fnUntraced(function* (peers: DownloadPeers, infohash: string, expected: Infohash.Infohash) {
  for (;;) {
    const [peer, answer] = yield* peers.ask({ _tag: "Info", infohash })
    if (answer?._tag !== "Info") continue
    if (Bytes.Equivalence(sha1(answer.info), expected)) {
      return yield* fromInfo(answer.info, infohash).pipe(Effect.mapError(swarmError))
    }
    peers.ban(peer)
  }
})

const transfer = Effect.fnUntraced(function* (
  request: DownloadRequest,
  infohash: string,
  peers: DownloadPeers,
  state: State
): Effect.fn.Return<Torrent, SwarmError, Scope.Scope> {
  const torrent = request.torrent ?? (yield* learn(peers, infohash, request.infohash))
  const { totalLength: totalBytes } = torrent
  state.totalBytes = totalBytes
  state.needsPeers = false
  const content = yield* request.open(torrent).pipe(Effect.mapError(swarmError))

  const oneAtATime = Semaphore.makeUnsafe(1)
  const report = Effect.suspend(() => {
    const { receivedBytes } = state
    return request.onProgress?.({ receivedBytes, totalBytes, peers: peers.connected.size }) ?? Effect.void
  })
  const count = (piece: number) => {
    state.receivedBytes += lengthOfPiece(torrent, piece)
    return oneAtATime.withPermit(report)
  }

  const missing: Array<number> = []
  for (let piece = 0; piece < pieceCount(torrent); piece++) {
    const held = yield* Effect.result(readPiece(torrent, content, piece))
    if (Result.isSuccess(held) && isTrue(torrent, piece, held.success)) yield* count(piece)
    else missing.push(piece)
  }

  const fetch = Effect.fnUntraced(function* (piece: number) {
    for (;;) {
      const length = lengthOfPiece(torrent, piece)
      const [peer, answer] = yield* peers.ask({ _tag: "Piece", infohash, piece, length })
      if (answer?._tag !== "Piece") continue
      if (!isTrue(torrent, piece, answer.bytes)) {
        peers.ban(peer)
        continue
      }
      peers.commend(peer)
      yield* content.write(piece * torrent.pieceLength, answer.bytes).pipe(Effect.mapError(swarmError))
      return yield* count(piece)
    }
  })
  state.needsPeers = missing.length > 0
  yield* Effect.forEach(missing, fetch, { concurrency: PIECES_AT_ONCE_MAX, discard: true })
  return torrent
})

/** Looks peers up while there are too few. Never succeeds; fails when nobody can be hoped for. */
const search = Effect.fnUntraced(function* (
  { dht, lookupInterval, now }: Options,
  request: DownloadRequest,
  peers: DownloadPeers,
  state: State,
  startedAt: number
): Effect.fn.Return<never, SwarmError> {
  const infohash = Infohash.toHex(request.infohash)
  let fruitless = 0
  let onlyLiars = false
  let answered = false
  let lastError: DhtError | undefined

  peers.offer((request.hints ?? []).map(String))
  for (;;) {
    const found = yield* Effect.result(dht.findPeers(request.infohash))
    if (Result.isSuccess(found)) {
      answered = true
      peers.offer(found.success.map(String))
    } else {
      lastError = found.failure
    }
    yield* Effect.timeoutOption(
      peers.until(() => peers.isIdle),
      lookupInterval
    )
    if (peers.isIdle && state.needsPeers && peers.isCorrupt) {
      if (onlyLiars) return yield* swarmError(new CorruptPeers({ infohash, peers: [...peers.banned] }))
      onlyLiars = true
      yield* Effect.sleep(Duration.min(CORRUPT_GRACE, lookupInterval))
      continue
    }
    onlyLiars = false
    if (!peers.isIdle) {
      if (peers.connected.size > 0) fruitless = 0
      yield* peers.until(() => peers.connected.size < ENOUGH_PEERS)
      continue
    }
    // Peers that gave something may come back: then only the deadline ends the wait.
    if (state.needsPeers && !peers.hadHonest && ++fruitless >= FRUITLESS_LOOKUPS_MAX) {
      if (!answered && lastError !== undefined && !peers.isReached) return yield* swarmError(lastError)
      return yield* swarmError(new NoPeers({ infohash, waitedMs: now() - startedAt }))
    }
    yield* Effect.sleep(lookupInterval)
  }
})
