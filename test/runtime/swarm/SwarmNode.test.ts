/** One listening port: plain and encrypted handshakes beside each other, and who is kept from keeping others out. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { connect, type Socket } from "node:net"
import * as KeyExchange from "../../../src/runtime/swarm/KeyExchange.ts"
import { type EncryptionPolicy, INCOMING_PER_HOST_AND_TORRENT_MAX } from "../../../src/runtime/swarm/SwarmOptions.ts"
import * as Handshake from "../../../src/runtime/swarm/Handshake.ts"
import * as Nodes from "./Nodes.ts"
import * as RawPeer from "./RawPeer.ts"

const infohash = Nodes.infohashOf("a torrent")

const stranger = (address: { readonly host: string; readonly port: number }, ...bytes: ReadonlyArray<Uint8Array>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const socket = connect({ ...address, noDelay: true }).on("error", () => {})
      if (bytes.length > 0) socket.write(Buffer.concat(bytes))
      return socket
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

const answered = (socket: Socket) =>
  Effect.callback<boolean>((resume) => {
    socket.once("data", () => resume(Effect.succeed(true)))
    socket.once("close", () => resume(Effect.succeed(false)))
  })

const policies: ReadonlyArray<EncryptionPolicy> = ["plain-first", "encrypted-first", "required"]

describe("a node that dials another", () => {
  for (const ours of policies) {
    for (const theirs of policies) {
      const isEncrypted = ours !== "plain-first" || theirs === "required"
      it.live(`${ours} and ${theirs} understand each other${isEncrypted ? ", encrypted" : ""}`, () =>
        Effect.gen(function* () {
          const host = yield* Nodes.node({ encryption: theirs })
          const heard = yield* Deferred.make<string>()
          const peers = yield* Nodes.welcoming(host, infohash, (peer) => {
            const connection = host.adopt(peer)
            connection.extensions.register({
              name: "test",
              onMessage: (payload) => void Deferred.doneUnsafe(heard, Effect.succeed(String.fromCharCode(...payload)))
            })
            connection.start()
          })
          const guest = yield* Nodes.node({ encryption: ours })
          const connection = guest.adopt(yield* guest.dial(host.address, infohash))
          const channel = connection.extensions.register({
            name: "test",
            onMessage: () => {},
            onHandshake: () => void channel.send(Buffer.from("hello"))
          })
          connection.start()
          assert.strictEqual(yield* Deferred.await(heard), "hello")
          // A peer that leaves the choice gets what the listener prefers.
          const wanted = ours === "required" || theirs !== "plain-first"
          assert.strictEqual(connection.peer.cipher !== undefined, isEncrypted && wanted)
          assert.strictEqual(peers[0]?.cipher !== undefined, connection.peer.cipher !== undefined)
          assert.isTrue(connection.peer.fast && peers[0]?.fast === true)
        })
      )
    }
  }

  it.live("tries the other dialect at once when a peer hangs up, and once only", () =>
    Effect.gen(function* () {
      for (const encryption of ["plain-first", "encrypted-first"] as const) {
        const firsts: Array<boolean> = []
        const peer = yield* RawPeer.serve((socket) =>
          socket.once("data", (chunk: Buffer) => {
            firsts.push(Handshake.isPrefix(chunk))
            socket.destroy()
          })
        )
        const node = yield* Nodes.node({ encryption })
        yield* Effect.flip(node.dial(peer, infohash))
        assert.deepStrictEqual(firsts, encryption === "plain-first" ? [true, false] : [false, true])
      }
    })
  )

  it.live("tries the other dialect when a peer does not answer, within the time for a handshake", () =>
    Effect.gen(function* () {
      const peer = yield* RawPeer.serve((socket) =>
        socket.once("data", (chunk: Buffer) => {
          if (Handshake.isPrefix(chunk)) socket.write(Handshake.encode(infohash, RawPeer.PEER_ID))
        })
      )
      const node = yield* Nodes.node({ encryption: "encrypted-first", handshakeTimeout: "400 millis" })
      assert.strictEqual((yield* node.dial(peer, infohash)).cipher, undefined)
    })
  )

  it.live("dials nobody twice who is not there", () =>
    Effect.gen(function* () {
      const closed = yield* Effect.scoped(RawPeer.serve(() => {}))
      const node = yield* Nodes.node()
      assert.include((yield* Effect.flip(node.dial(closed, infohash))).message, "ECONNREFUSED")
    })
  )

  it.live("finds one of many torrents by its mark alone", () =>
    Effect.gen(function* () {
      const host = yield* Nodes.node()
      const reached: Array<number> = []
      for (let i = 0; i < 500; i++) {
        yield* Nodes.welcoming(host, Nodes.infohashOf(`torrent ${i}`), () => void reached.push(i))
      }
      const guest = yield* Nodes.node({ encryption: "required" })
      yield* guest.dial(host.address, Nodes.infohashOf("torrent 423"))
      assert.deepStrictEqual(reached, [423])
      yield* Effect.flip(guest.dial(host.address, Nodes.infohashOf("torrent 500")))
    })
  )

  it.live("is let in under an infohash for as long as its acceptor is there", () =>
    Effect.gen(function* () {
      const host = yield* Nodes.node()
      const guest = yield* Nodes.node({ encryption: "required" })
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Nodes.welcoming(host, infohash)
          yield* guest.dial(host.address, infohash)
        })
      )
      yield* Effect.flip(guest.dial(host.address, infohash))
    })
  )
})

describe("a node that others dial", () => {
  it.live("closes whoever speaks neither protocol, within 1,128 bytes", () =>
    Effect.gen(function* () {
      const node = yield* Nodes.node()
      const socket = yield* stranger(node.address, Buffer.alloc(KeyExchange.KEY_BYTES + 532, "GET / HTTP/1.1\r\n"))
      yield* RawPeer.closed(socket)
    })
  )

  it.live("closes whoever comes without encryption where that is required", () =>
    Effect.gen(function* () {
      const node = yield* Nodes.node({ encryption: "required" })
      yield* Nodes.welcoming(node, infohash)
      yield* RawPeer.closed(yield* RawPeer.dial(node.address, infohash))
    })
  )

  for (const [what, bytes] of [
    ["nothing", Buffer.alloc(0)],
    ["half of a handshake", Handshake.encode(infohash, RawPeer.PEER_ID).subarray(0, 40)],
    ["half of a key", KeyExchange.generate().publicKey.subarray(0, 50)],
    ["a key, and then nothing", KeyExchange.generate().publicKey],
    ["a key and some padding, and then nothing", Buffer.concat([KeyExchange.generate().publicKey, Buffer.alloc(100)])]
  ] as const) {
    it.live(`closes whoever says ${what}, when the time for a handshake is up`, () =>
      Effect.gen(function* () {
        const node = yield* Nodes.node({ handshakeTimeout: "50 millis" })
        yield* RawPeer.closed(yield* stranger(node.address, bytes))
      })
    )
  }

  it.live("closes whoever sends a handshake byte by byte, when the time is up", () =>
    Effect.gen(function* () {
      const node = yield* Nodes.node({ handshakeTimeout: "100 millis" })
      yield* Nodes.welcoming(node, infohash)
      const socket = yield* stranger(node.address)
      const bytes = Handshake.encode(infohash, RawPeer.PEER_ID)
      let at = 0
      const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), 10)
      yield* RawPeer.closed(socket).pipe(Effect.ensuring(Effect.sync(() => clearInterval(timer))))
      assert.isBelow(at, bytes.length)
    })
  )

  it.live("gives one address so many connections of one torrent, and no more", () =>
    Effect.gen(function* () {
      const node = yield* Nodes.node()
      yield* Nodes.welcoming(node, infohash)
      yield* Nodes.welcoming(node, Nodes.infohashOf("another"))
      const outcomes: Array<boolean> = []
      for (let i = 0; i <= INCOMING_PER_HOST_AND_TORRENT_MAX; i++) {
        outcomes.push(yield* answered(yield* RawPeer.dial(node.address, infohash)))
      }
      assert.strictEqual(outcomes.filter(Boolean).length, INCOMING_PER_HOST_AND_TORRENT_MAX)
      assert.isTrue(yield* answered(yield* RawPeer.dial(node.address, Nodes.infohashOf("another"))))
    })
  )
})
