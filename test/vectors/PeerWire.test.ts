/** Threat 24: what a hostile peer sends behind its handshake closes that peer and touches nobody else. */
import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Socket } from "node:net"
import * as ExtensionMessage from "../../src/runtime/swarm/ExtensionMessage.ts"
import { PeerWireGuard } from "../../src/runtime/swarm/PeerWireGuard.ts"
import { contentOf, into, same, sample } from "../protocol/swarm/SwarmSuite.ts"
import * as LoopbackWorld from "../runtime/swarm/LoopbackWorld.ts"
import * as RawPeer from "../runtime/swarm/RawPeer.ts"
import * as Vectors from "./Vectors.ts"

interface Case {
  readonly id: string
  readonly after_handshake_hex: string
  readonly expect: string
}

/** What follows a huge length prefix: a node that buffered by it would grow by so much, per peer. */
const FILLER_BYTES = 8 * 1024 * 1024
const GROWTH_MAX_BYTES = 64 * 1024 * 1024

/** An extension handshake whose sender takes metadata messages: an answer shows that all before it was handled. */
const HANDSHAKE = ExtensionMessage.encodeHandshake({ names: [ExtensionMessage.UT_METADATA], reqq: 1 })

/** The vectors are meant for a torrent of one piece. */
const release = sample(10_000)

/** Whether the guard alone sees a fault; what it lets through the peer may say. */
const isFault = (bytes: Uint8Array): boolean => {
  const guard = new PeerWireGuard()
  guard.fit({ pieceCount: 1, pieceLength: release.torrent.pieceLength, totalLength: release.torrent.totalLength })
  return guard.push(bytes).problem !== undefined
}

/** Sends a case, with filler where its message never ends. */
const send = (socket: Socket, bytes: Uint8Array) => {
  socket.write(bytes)
  if (Buffer.from(bytes).readUInt32BE(0) > 64 * 1024) socket.write(Buffer.alloc(FILLER_BYTES))
}

/** A round trip through the node: what was sent before has been handled. */
const roundTrip = (socket: Socket) =>
  Effect.callback<void>((resume) => {
    socket.once("close", () => resume(Effect.void))
    RawPeer.listen(socket, (message) => {
      if (message._tag === "Unchoke") resume(Effect.void)
    })
    socket.write(RawPeer.message(2))
  })

const isPeerWire = (file: string) => file.startsWith("peer_wire")

Vectors.topic("bep", ({ file }) => {
  file<ReadonlyArray<Case>>(
    "peer_wire_malformed.json",
    (cases) => {
      for (const { after_handshake_hex: hex, expect, id } of cases) {
        const bytes = Vectors.fromHex(hex)
        const mustClose = expect.startsWith("close") && !expect.includes("or ignore")

        it(`${id}: the guard ${mustClose ? "refuses" : "survives"} it`, () => {
          if (mustClose) assert.isTrue(isFault(bytes))
          else isFault(bytes)
        })

        it.live(`${id}: a seeder that gets it lives, and serves others`, () =>
          Effect.gen(function* () {
            const world = yield* LoopbackWorld.make()
            const seeder = yield* world.node()
            yield* seeder.seed(release.torrent, contentOf(release.bytes))
            const before = process.memoryUsage().rss
            const hostile = yield* RawPeer.dial(seeder.address, release.torrent.infohash)
            send(hostile, bytes)
            if (isFault(bytes)) yield* RawPeer.closed(hostile)
            else yield* roundTrip(hostile)
            const { received, request } = into(release)
            yield* (yield* world.node()).download(request)
            assert.isTrue(same(received, release.bytes))
            assert.isBelow(process.memoryUsage().rss - before, GROWTH_MAX_BYTES)
          })
        )

        for (const known of [true, false]) {
          const knowing = known ? "that knows the torrent" : "that asks for the info dictionary"
          it.live(`${id}: a downloader ${knowing} gets it from whom it dialled, lives, and finishes with others`, () =>
            Effect.gen(function* () {
              const world = yield* LoopbackWorld.make()
              const handled = yield* Deferred.make<void>()
              const hostile = yield* RawPeer.serve((socket) => {
                RawPeer.greet(socket, release.torrent.infohash, () => {
                  send(socket, bytes)
                  socket.write(RawPeer.message(20, Uint8Array.of(0), HANDSHAKE))
                  socket.write(RawPeer.message(20, Uint8Array.of(1), ExtensionMessage.encodeRequest(0)))
                })
                socket.once("close", () => Deferred.doneUnsafe(handled, Effect.void))
                RawPeer.listen(socket, (message) => {
                  if (message._tag === "Extended" && message.id !== 0) Deferred.doneUnsafe(handled, Effect.void)
                })
              })
              const torrent = known ? release.torrent : undefined
              const bystander = yield* RawPeer.bystander(release.torrent.infohash)
              const { received, request } = into(release, { torrent, hints: [hostile, bystander] })
              const download = yield* Effect.forkChild((yield* world.node()).download(request))
              yield* Deferred.await(handled)
              yield* (yield* world.node()).seed(release.torrent, contentOf(release.bytes))
              yield* Fiber.join(download)
              assert.isTrue(same(received, release.bytes))
            })
          )
        }
      }
    },
    isPeerWire
  )
})
