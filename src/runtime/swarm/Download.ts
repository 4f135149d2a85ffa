/**
 * Fetches one torrent: peers are looked up and dialled while the content is opened and checked, the
 * info dictionary is asked of a peer where it is not known (BEP 9), and a session does the rest.
 * Ends when every piece is written, or when it is clear that it will not be.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Infohash from "../../protocol/core/Infohash.ts"
import type { DownloadRequest, Progress } from "../../protocol/swarm/Swarm.ts"
import { CorruptPeers, DownloadStalled, NoPeers, SwarmError } from "../../protocol/swarm/SwarmError.ts"
import { fromInfo, InvalidTorrent, type Torrent } from "../../protocol/swarm/Torrent.ts"
import { DownloadPeers } from "./DownloadPeers.ts"
import type { DownloadSession, Setting } from "./DownloadSession.ts"
import { Fibers } from "./Fibers.ts"
import { dialKnown, HEAD_START, isCorrupt, search } from "./PeerSearch.ts"
import * as ProgressReports from "./ProgressReports.ts"
import type { SwarmNode } from "./SwarmNode.ts"
import { after, every } from "./Timer.ts"

/** How often owed blocks are looked after. */
const TICK = Duration.millis(250)

const swarmError = (reason: SwarmError["reason"]) => new SwarmError({ reason })

/** Makes the session of one download: whoever decides what to ask of whom. */
export type MakeSession = (setting: Setting) => DownloadSession

interface Ending {
  readonly torrent: Torrent
  readonly progress: Progress
}

/** A download, and what it takes to begin and to end it. */
interface Attempt {
  readonly ended: Deferred.Deferred<Ending, SwarmError>
  readonly start: Effect.Effect<void>
  readonly stop: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

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
  const { progress, torrent } = yield* Effect.acquireUseRelease(
    Effect.contextWith((context: Context.Context<never>) =>
      Effect.sync(() => prepare(node, request, makeSession, context))
    ),
    ({ ended, start }) => Effect.andThen(start, Deferred.await(ended)),
    ({ stop }, exit) => stop(exit)
  )
  if (request.onProgress !== undefined) yield* request.onProgress(progress)
  return torrent
})

const atDeadline = (
  infohash: string,
  waitedMs: number,
  peers: DownloadPeers,
  { receivedBytes, totalBytes }: Progress
): SwarmError["reason"] => {
  if (isCorrupt(peers)) return new CorruptPeers({ infohash, peers: peers.bans.names })
  if (!peers.reached) return new NoPeers({ infohash, waitedMs })
  return new DownloadStalled({ infohash, receivedBytes, totalBytes, waitedMs })
}

const prepare = (
  node: SwarmNode,
  request: DownloadRequest,
  makeSession: MakeSession,
  context: Context.Context<never>
): Attempt => {
  const { onProgress } = request
  const infohash = Infohash.toHex(request.infohash)
  const startedAt = node.now()
  const known = Deferred.makeUnsafe<Torrent, SwarmError>()
  const ended = Deferred.makeUnsafe<Ending, SwarmError>()
  const files = Scope.makeUnsafe()
  const fibers = new Fibers(context)
  const random = Context.get(context, Random.Random)

  const report = Effect.suspend(() => onProgress?.(session.progress) ?? Effect.void)
  const onMoved = ProgressReports.make(
    fibers.run,
    Effect.onError(report, (cause) => Deferred.failCause(ended, cause))
  )
  const session = makeSession({
    infohash: request.infohash,
    now: node.now,
    run: fibers.run,
    random: () => random.nextDoubleUnsafe(),
    requestTimeoutMs: node.settings.requestTimeoutMs,
    outcome: {
      onInfo: (info) =>
        fibers.run(Effect.asVoid(Deferred.into(Effect.mapError(fromInfo(info, infohash), swarmError), known))),
      onProgress: onProgress === undefined ? () => {} : onMoved,
      onComplete: (torrent) => {
        peers.noteGivers()
        const ending = Effect.succeed({ torrent, progress: session.progress })
        // When the fiber that wrote the last piece has ended, too: to interrupt it would cost more.
        queueMicrotask(() => Deferred.doneUnsafe(ended, ending))
      },
      onStorageFailed: (error) => void Deferred.doneUnsafe(ended, Effect.fail(swarmError(error)))
    }
  })
  const peers = new DownloadPeers(node, request.infohash, fibers.run, (connection) => session.onConnection(connection))
  session.join(peers)
  if (request.torrent !== undefined) Deferred.doneUnsafe(known, Effect.succeed(request.torrent))

  /** From then on the session does the rest. */
  const openContent = Effect.gen(function* () {
    const torrent = yield* Deferred.await(known)
    session.setTorrent(torrent)
    // Nobody is asked for anything while the content is looked through.
    peers.idleFrom = Infinity
    const content = yield* Effect.mapError(request.open(torrent), swarmError)
    yield* session.fetch(torrent, content)
    peers.idleFrom = node.now()
  }).pipe(Effect.provideService(Scope.Scope, files))

  /** What is thrown in a timer ends the download, and not the process. */
  const guarded = (work: () => void) => () => {
    try {
      work()
    } catch (defect) {
      Deferred.doneUnsafe(ended, Effect.die(defect))
    }
  }
  const stopTicking = every(
    TICK,
    guarded(() => session.tick())
  )
  const forgetTimeout = after(Duration.fromInputUnsafe(request.timeout), () => {
    const reason = atDeadline(infohash, node.now() - startedAt, peers, session.progress)
    Deferred.doneUnsafe(ended, Effect.fail(swarmError(reason)))
  })
  // Whatever fails first decides.
  const run = (work: Effect.Effect<void, SwarmError>) =>
    fibers.run(Effect.catchCause(work, (cause) => Effect.asVoid(Deferred.failCause(ended, cause))))
  let forgetSearch = () => {}
  return {
    ended,
    start: Effect.map(dialKnown(request, peers), () => {
      forgetSearch = peers.whenIdle(HEAD_START, () => run(search(node, request, peers, session, startedAt)))
      run(openContent)
    }),
    stop: (exit) => {
      stopTicking()
      forgetTimeout()
      forgetSearch()
      peers.closeAll()
      // The content last, when nobody writes to it any more.
      return Effect.andThen(fibers.end, Scope.close(files, exit))
    }
  }
}
