/** Message Stream Encryption between two ends of a socket, and what hostile ends get for their trouble. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Socket } from "node:net"
import * as EncryptedHandshake from "../../../src/runtime/swarm/EncryptedHandshake.ts"
import * as Encryption from "../../../src/runtime/swarm/Encryption.ts"
import * as KeyExchange from "../../../src/runtime/swarm/KeyExchange.ts"
import { SocketReader } from "../../../src/runtime/swarm/SocketReader.ts"
import * as Nodes from "./Nodes.ts"

const { plaintext, rc4 } = Encryption.Method
const infohash = Nodes.infohashOf("a torrent")
const greeting = Buffer.from("the first bytes of the stream")

const find = (mark: Uint8Array) =>
  Encryption.torrentMark(infohash).every((b, i) => b === mark[i]) ? infohash : undefined

/** Listens as a node does. */
const respond = (reader: SocketReader, choose = (provided: number) => provided) =>
  Effect.flatMap(reader.run(reader.take(KeyExchange.KEY_BYTES)), (key) =>
    reader.run(EncryptedHandshake.respond(reader, key, { find, choose }))
  )

/** Dials as a node does. */
const initiate = (reader: SocketReader, provide: number) =>
  reader.run(EncryptedHandshake.initiate(reader, { infohash, provide, first: greeting }))

const ends = Effect.map(Nodes.pair, ([a, b]) => [new SocketReader(a, "a"), new SocketReader(b, "b")] as const)

/** Who dials by hand: sends a key, reads the other's, and knows the secret. */
const dialler = Effect.fnUntraced(function* (reader: SocketReader, padding: number) {
  const keys = KeyExchange.generate()
  reader.socket.write(Buffer.concat([keys.publicKey, Buffer.alloc(padding, 0x55)]))
  const secret = KeyExchange.secret(keys, yield* reader.run(reader.take(KeyExchange.KEY_BYTES)))
  if (secret === undefined) return yield* Effect.die("no secret")
  const cipher = Encryption.streamCipher(secret, infohash, "dialled")
  return {
    cipher,
    /** The two hashes, and then `opening` as it is encrypted. */
    say: (opening: Uint8Array, meant = infohash) =>
      reader.socket.write(
        Buffer.concat([
          Encryption.syncMark(secret),
          Encryption.masked(Encryption.torrentMark(meant), secret),
          cipher.outgoing.apply(Uint8Array.from(opening))
        ])
      )
  }
})

/** VC, methods, pad of a length that need not be true, length of the first bytes. */
const opening = (options: { vc?: number; provide?: number; pad?: number; first?: number } = {}) => {
  const { first = 0, pad = 0, provide = 3, vc = 0 } = options
  return Buffer.concat([
    Buffer.alloc(8, vc),
    Uint8Array.of(0, 0, 0, provide, pad >> 8, pad & 0xff),
    Buffer.alloc(Math.min(pad, 512)),
    Uint8Array.of(first >> 8, first & 0xff)
  ])
}

describe("EncryptedHandshake", () => {
  for (const [name, provide, isEncrypted] of [
    ["RC4", rc4, true],
    ["plaintext", plaintext, false]
  ] as const) {
    it.live(`agrees on ${name}, and the first bytes of the stream come with the handshake`, () =>
      Effect.gen(function* () {
        const [a, b] = yield* ends
        const dialled = yield* Effect.forkChild(initiate(a, provide))
        const opened = yield* respond(b)
        assert.deepStrictEqual(Buffer.from(opened.first), greeting)
        assert.deepStrictEqual(opened.infohash, infohash)
        const cipher = yield* Fiber.join(dialled)
        assert.strictEqual(cipher !== undefined, isEncrypted)
        assert.strictEqual(opened.cipher !== undefined, isEncrypted)
        if (cipher === undefined || opened.cipher === undefined) return
        for (const [from, to] of [
          [cipher, opened.cipher],
          [opened.cipher, cipher]
        ] as const) {
          const sent = from.outgoing.apply(Buffer.from("there and back"))
          assert.notInclude(sent.toString("latin1"), "there")
          assert.strictEqual(to.incoming.apply(sent).toString(), "there and back")
        }
      })
    )
  }

  it.live("comes about however the bytes are cut on their way", () =>
    Effect.gen(function* () {
      const [a, inner] = yield* Nodes.pair
      const [outer, b] = yield* Nodes.pair
      const relay = (from: Socket, to: Socket) => {
        let size = 0
        from.on("data", (chunk: Buffer) => {
          for (let at = 0; at < chunk.length; at += size) to.write(chunk.subarray(at, at + (size = (size % 7) + 1)))
        })
        from.resume()
      }
      relay(inner, outer)
      relay(outer, inner)
      const dialled = yield* Effect.forkChild(initiate(new SocketReader(a, "a"), rc4))
      const opened = yield* respond(new SocketReader(b, "b"))
      assert.deepStrictEqual(Buffer.from(opened.first), greeting)
      assert.isDefined(yield* Fiber.join(dialled))
    })
  )

  it.live("finds where the other begins behind any padding up to 512 bytes", () =>
    Effect.gen(function* () {
      for (const padding of [0, 1, 511, 512]) {
        const [a, b] = yield* ends
        const opened = yield* Effect.forkChild(respond(b, () => rc4))
        const { say } = yield* dialler(a, padding)
        say(opening({ pad: padding }))
        assert.deepStrictEqual((yield* Fiber.join(opened)).infohash, infohash)
      }
    })
  )

  const refused = (title: string, act: (end: Effect.Success<ReturnType<typeof dialler>>) => void, problem: string) =>
    it.live(`refuses ${title}`, () =>
      Effect.gen(function* () {
        const [a, b] = yield* ends
        const opened = yield* Effect.forkChild(Effect.flip(respond(b, (provided) => provided & rc4)))
        act(yield* dialler(a, 0))
        assert.include((yield* Fiber.join(opened)).message, problem)
      })
    )

  refused("a torrent that it does not have", ({ say }) => say(opening(), Nodes.infohashOf("another")), "not served")
  refused("a verification constant that is none", ({ say }) => say(opening({ vc: 1 })), "does not know the torrent")
  refused("more padding than there may be", ({ say }) => say(opening({ pad: 513 })), "more padding")
  refused("no method that it knows", ({ say }) => say(opening({ provide: 4 })), "no way to go on")
  refused("a method that it does not want", ({ say }) => say(opening({ provide: plaintext })), "no way to go on")
  refused(
    "more of the stream than a handshake needs, by its length alone",
    ({ say }) => say(opening({ first: EncryptedHandshake.INITIAL_MAX_BYTES + 1 })),
    "too much"
  )

  it.live("gives up when the mark does not come within 512 bytes, and reads no further", () =>
    Effect.gen(function* () {
      const [a, b] = yield* ends
      const opened = yield* Effect.forkChild(Effect.flip(respond(b)))
      const { say } = yield* dialler(a, 513)
      say(opening())
      assert.include((yield* Fiber.join(opened)).message, "another protocol")
      assert.isTrue(b.socket.isPaused())
    })
  )

  for (const [name, key] of [
    ["zero", Buffer.alloc(96)],
    ["one", Buffer.concat([Buffer.alloc(95), Uint8Array.of(1)])],
    ["larger than the prime", Buffer.alloc(96, 0xff)]
  ] as const) {
    it.live(`refuses a key that is ${name}, from either side`, () =>
      Effect.gen(function* () {
        const [a, b] = yield* ends
        a.socket.write(key)
        assert.include((yield* Effect.flip(respond(b))).message, "its key is none")
        const [c, d] = yield* ends
        d.socket.write(key)
        assert.include((yield* Effect.flip(initiate(c, rc4))).message, "its key is none")
      })
    )
  }

  it.live("the side that dialled takes no method that it did not offer", () =>
    Effect.gen(function* () {
      const [a, b] = yield* ends
      const dialled = yield* Effect.forkChild(Effect.flip(initiate(a, rc4)))
      yield* respond(b, () => plaintext)
      assert.include((yield* Fiber.join(dialled)).message, "no way to go on")
    })
  )

  it.live("the side that dialled gives up when the other's padding does not end", () =>
    Effect.gen(function* () {
      const [a, b] = yield* ends
      b.socket.write(Buffer.concat([KeyExchange.generate().publicKey, Buffer.alloc(1024, 7)]))
      assert.include((yield* Effect.flip(initiate(a, rc4))).message, "another protocol")
    })
  )
})
