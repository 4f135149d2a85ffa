/** One download in memory by the engine that a node has, whose peers are a test's. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { BitTorrentSession } from "../../../src/runtime/swarm/BitTorrentSession.ts"
import type { DownloadPeers } from "../../../src/runtime/swarm/DownloadPeers.ts"
import { type OpenPeer, PeerConnection } from "../../../src/runtime/swarm/PeerConnection.ts"
import { PeerWireGuard } from "../../../src/runtime/swarm/PeerWireGuard.ts"
import { shapeOf } from "../../../src/runtime/swarm/Shape.ts"
import { TopicExchange } from "../../../src/runtime/swarm/topic/TopicExchange.ts"
import { contentOf, type Sample } from "../../protocol/swarm/SwarmSuite.ts"
import type { Chance } from "../dht/FuzzChance.ts"
import * as FakeSocket from "./FakeSocket.ts"
import { message } from "./RawPeer.ts"

export interface FuzzedDownload {
  readonly session: BitTorrentSession
  readonly received: Uint8Array
  /** Why connections ended by their peers' fault. */
  readonly problems: Array<string>
  /** Ports of the peers that were banned. */
  readonly banned: Array<number>
  readonly complete: Effect.Effect<void>
  readonly connect: (peer: OpenPeer) => PeerConnection
  /** Time goes by, in ms. */
  readonly pass: (ms: number) => void
}

export const make = Effect.fnUntraced(function* (
  { bytes, torrent }: Sample,
  chance: Chance
): Effect.fn.Return<FuzzedDownload, never, Scope.Scope> {
  const received = new Uint8Array(bytes.length)
  const runFork = yield* FiberSet.makeRuntime()
  const done = yield* Deferred.make<void>()
  const connections = new Set<PeerConnection>()
  const problems: Array<string> = []
  const banned: Array<number> = []
  let now = 0
  const session = new BitTorrentSession({
    infohash: torrent.infohash,
    now: () => now,
    run: (effect) => runFork(effect),
    random: () => chance.below(2 ** 30) / 2 ** 30,
    requestTimeoutMs: 8000,
    outcome: {
      onInfo: () => {},
      onProgress: () => {},
      onComplete: () => void Deferred.doneUnsafe(done, Effect.void),
      onStorageFailed: (error) => void problems.push(`storage: ${error.message}`)
    }
  })
  const peers: Pick<DownloadPeers, "connections" | "ban" | "makeRoom"> = {
    connections,
    makeRoom: () => {},
    ban: ({ port }) => {
      banned.push(port)
      for (const connection of connections) if (connection.peer.port === port) connection.close()
    }
  }
  session.join(peers as DownloadPeers)
  session.setTorrent(torrent)
  yield* session.fetch(torrent, { ...contentOf(received), isNew: true })
  return {
    session,
    received,
    problems,
    banned,
    complete: Deferred.await(done),
    connect: (peer) => {
      const connection = new PeerConnection(peer, {
        now: () => now,
        onProblem: (problem) => void problems.push(problem)
      })
      connections.add(connection)
      connection.onClosed(() => connections.delete(connection))
      const topics = new TopicExchange(connection, undefined)
      session.onConnection(connection)
      // So that some answers are of what was asked.
      runFork(Effect.asVoid(topics.ask(torrent.infohash)))
      return connection
    },
    pass: (ms) => {
      now += ms
      session.tick()
    }
  }
})

/** A peer that has all, and answers each request by `answer`: with a block, `undefined` for nothing. */
export const answering = (
  { torrent }: Sample,
  options: {
    readonly port: number
    readonly isFast: boolean
    readonly answer: (at: number, length: number) => Uint8Array | undefined
  }
): FakeSocket.FakePeer => {
  const guard = new PeerWireGuard({ fast: options.isFast })
  guard.fit(shapeOf(torrent))
  const fake: FakeSocket.FakePeer = FakeSocket.make({
    ...options,
    onSent: (sent) => {
      for (const each of guard.push(sent).messages) {
        if (each._tag !== "Request") continue
        const block = options.answer(each.index * torrent.pieceLength + each.offset, each.length)
        if (block !== undefined) fake.say(message(7, each.index, each.offset, block))
      }
    }
  })
  return fake
}
