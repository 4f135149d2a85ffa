/** Threats 24 and 25 over real connections: who gets thrown out, and that nobody else notices. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { connect, type Socket } from "node:net"
import * as BitTorrentSwarm from "../../../src/runtime/swarm/BitTorrentSwarm.ts"
import * as ExtensionMessage from "../../../src/runtime/swarm/ExtensionMessage.ts"
import * as Handshake from "../../../src/runtime/swarm/Handshake.ts"
import type { Message } from "../../../src/runtime/swarm/PeerWireGuard.ts"
import * as TorrentStreamSwarm from "../../../src/runtime/swarm/TorrentStreamSwarm.ts"
import { contentOf, into, lying, reasonOf, same, sample } from "../../protocol/swarm/SwarmSuite.ts"
import * as LoopbackWorld from "./LoopbackWorld.ts"
import * as RawPeer from "./RawPeer.ts"

type Request = Extract<Message, { _tag: "Request" | "Cancel" }>

/** What a seeder of one piece says and does; its blocks are up to `answer`. */
const pretend = (socket: Socket, answer: (request: Request) => void) => {
  socket.write(RawPeer.message(5, Uint8Array.of(0x80)))
  return (message: Message) => {
    if (message._tag === "Interested") socket.write(RawPeer.message(1))
    if (message._tag === "Request") answer(message)
  }
}

const plain = (address: { readonly host: string; readonly port: number }) =>
  Effect.acquireRelease(
    Effect.sync(() => connect({ ...address }).on("error", () => {})),
    (socket) => Effect.sync(() => socket.destroy())
  )

describe("a node", () => {
  const release = sample(10_000)

  it.live("closes whoever speaks another protocol, when neither of ours can follow", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const node = yield* world.node()
      const socket = yield* plain(node.address)
      socket.write(Buffer.alloc(1_024, "GET / HTTP/1.1\r\n"))
      yield* RawPeer.closed(socket)
    })
  )

  it.live("closes whoever is silent when the time for a handshake is up", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make({ handshakeTimeout: "50 millis" })
      const node = yield* world.node()
      const socket = yield* plain(node.address)
      socket.write(Handshake.encode(release.torrent.infohash, RawPeer.PEER_ID).subarray(0, 67))
      yield* RawPeer.closed(socket)
    })
  )

  it.live("closes whoever asks for a torrent that it does not serve", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const node = yield* world.node()
      yield* node.seed(release.torrent, contentOf(release.bytes))
      const socket = yield* RawPeer.dial(node.address, sample(10_000, 2).torrent.infohash)
      yield* RawPeer.closed(socket)
    })
  )

  it.live("tells the total size with each piece of metadata (BEP 9)", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const node = yield* world.node()
      yield* node.seed(release.torrent, contentOf(release.bytes))
      const socket = yield* RawPeer.dial(node.address, release.torrent.infohash)
      const payload = yield* Effect.callback<Uint8Array>((resume) => {
        RawPeer.listen(socket, (message) => {
          if (message._tag === "Extended" && message.id === 7) resume(Effect.succeed(message.payload))
        })
        socket.write(RawPeer.message(20, Uint8Array.of(0), Buffer.from("d1:md11:ut_metadatai7eee")))
        socket.write(RawPeer.message(20, Uint8Array.of(1), ExtensionMessage.encodeRequest(0)))
      })
      const size = release.torrent.info.length
      const head = `d8:msg_typei1e5:piecei0e10:total_sizei${size}ee`
      assert.strictEqual(Buffer.from(payload).toString("latin1", 0, head.length), head)
      assert.isTrue(same(payload.subarray(head.length), release.torrent.info))
    })
  )

  it.live("closes a peer that asks for ever more and reads nothing", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const node = yield* world.node()
      const large = sample(200_000)
      yield* node.seed(large.torrent, contentOf(large.bytes))
      const before = process.memoryUsage().rss
      const socket = yield* RawPeer.dial(node.address, large.torrent.infohash)
      socket.pause()
      socket.write(RawPeer.message(2))
      const requests = Buffer.concat(Array.from({ length: 20_000 }, () => RawPeer.message(6, 0, 0, 16_384)))
      socket.write(requests)
      yield* RawPeer.closed(socket)
      assert.isBelow(process.memoryUsage().rss - before, 64 * 1024 * 1024)
    })
  )

  it.live("closes a peer that has it refuse ever more and reads nothing", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const node = yield* world.node()
      const large = sample(200_000)
      yield* node.seed(large.torrent, contentOf(large.bytes))
      const socket = yield* RawPeer.dial(node.address, large.torrent.infohash, false, true)
      socket.pause()
      // The outbox is full; each further request waits, and is refused when it is cancelled.
      socket.write(Buffer.concat(Array.from({ length: 600 }, () => RawPeer.message(6, 0, 0, 16_384))))
      const pair = Buffer.concat([RawPeer.message(6, 1, 0, 16_384), RawPeer.message(8, 1, 0, 16_384)])
      const flood = Buffer.concat(Array.from({ length: 2_000 }, () => pair))
      const before = process.memoryUsage().rss
      // Who does not read learns by writing that it was closed.
      yield* Effect.callback<void>((resume) => {
        const go = () => void socket.write(flood, (error) => (error instanceof Error ? resume(Effect.void) : go()))
        go()
      })
      assert.isBelow(process.memoryUsage().rss - before, 64 * 1024 * 1024)
    })
  )

  it.live("does not download from itself", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const node = yield* world.node()
      yield* node.seed(release.torrent, contentOf(release.bytes))
      const { request } = into(release, { hints: [node.address] })
      assert.strictEqual(reasonOf(yield* Effect.exit(node.download(request)))?._tag, "NoPeers")
    })
  )
})

const layers = { "our engine": BitTorrentSwarm.layer, "torrent-stream": TorrentStreamSwarm.layer }

describe.each(Object.entries(layers))("a download by %s", (_, layer) => {
  it.live("throws out a liar that dialled it, and does not let it in again", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make({}, layer)
      const release = sample(10_000)
      const waiting = yield* Deferred.make<void>()
      const bystander = yield* RawPeer.bystander(
        release.torrent.infohash,
        () => void Deferred.doneUnsafe(waiting, Effect.void)
      )
      const node = yield* world.node()
      const { received, request } = into(release, { hints: [bystander] })
      const download = yield* Effect.forkChild(node.download(request))
      yield* Deferred.await(waiting)

      const liar = yield* RawPeer.dial(node.address, release.torrent.infohash)
      const lie = ({ index, offset, length }: Request) =>
        liar.write(RawPeer.message(7, index, offset, Buffer.alloc(length, 1)))
      RawPeer.listen(liar, pretend(liar, lie))
      yield* RawPeer.closed(liar)
      const again = yield* RawPeer.dial(node.address, release.torrent.infohash)
      yield* RawPeer.closed(again)
      assert.isTrue(received.every((byte) => byte === 0))

      yield* (yield* world.node()).seed(release.torrent, contentOf(release.bytes))
      yield* Fiber.join(download)
      assert.isTrue(same(received, release.bytes))
    })
  )

  it.live("does not ban the one honest seeder whose pieces a liar had a hand in", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make({}, layer)
      const release = sample(6_000_000)
      const lie = lying(release)
      yield* (yield* world.node()).seed(lie.torrent, contentOf(lie.bytes))
      yield* (yield* world.node()).seed(release.torrent, contentOf(release.bytes))
      const { received, request } = into(release)
      yield* (yield* world.node()).download(request)
      assert.isTrue(same(received, release.bytes))
    })
  )

  it.live("takes its orders from a peer that sends nothing to one that does", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make({ requestTimeout: "100 millis" }, layer)
      const release = sample(10_000)
      const ordered = yield* Deferred.make<void>()
      const stalled = yield* RawPeer.serve((socket) =>
        RawPeer.greet(socket, release.torrent.infohash, () =>
          RawPeer.listen(
            socket,
            pretend(socket, () => void Deferred.doneUnsafe(ordered, Effect.void)),
            0
          )
        )
      )
      const { received, request } = into(release, { hints: [stalled] })
      const download = yield* Effect.forkChild((yield* world.node()).download(request))
      yield* Deferred.await(ordered)
      yield* (yield* world.node()).seed(release.torrent, contentOf(release.bytes))
      yield* Fiber.join(download)
      assert.isTrue(same(received, release.bytes))
    })
  )

  it.live("asks nobody who announces more metadata than any release has", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make({}, layer)
      const release = sample(10_000)
      const asked: Array<Option.Option<ExtensionMessage.MetadataMessage>> = []
      const answered = yield* Deferred.make<void>()
      const greedy = yield* RawPeer.serve((socket) =>
        RawPeer.greet(socket, release.torrent.infohash, () => {
          const onMessage = (message: Message) => {
            if (message._tag !== "Extended" || message.id === 0) return
            asked.push(ExtensionMessage.decodeMetadata(message.payload))
            Deferred.doneUnsafe(answered, Effect.void)
          }
          RawPeer.listen(socket, onMessage, 0)
          const handshake = ExtensionMessage.encodeHandshake({
            names: [ExtensionMessage.UT_METADATA],
            metadataSize: 2 ** 32,
            reqq: 1
          })
          socket.write(RawPeer.message(20, Uint8Array.of(0), handshake))
          // Its answer shows that the handshake before has been read.
          socket.write(RawPeer.message(20, Uint8Array.of(1), ExtensionMessage.encodeRequest(0)))
        })
      )
      const { received, request } = into(release, { torrent: undefined, hints: [greedy] })
      const download = yield* Effect.forkChild((yield* world.node()).download(request))
      yield* Deferred.await(answered)
      assert.deepStrictEqual(asked, [Option.some({ _tag: "Reject", piece: 0 })])
      yield* (yield* world.node()).seed(release.torrent, contentOf(release.bytes))
      yield* Fiber.join(download)
      assert.isTrue(same(received, release.bytes))
    })
  )
})
