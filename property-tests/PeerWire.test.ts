import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as ExtensionMessage from "../src/runtime/swarm/ExtensionMessage.ts"
import {
  BLOCK_BYTES,
  type Message,
  PeerWireGuard,
  type Problem,
  type Shape
} from "../src/runtime/swarm/PeerWireGuard.ts"
import { PeerWire } from "../src/runtime/swarm/PeerWire.ts"
import { message } from "../test/runtime/swarm/RawPeer.ts"

const shape: Shape = { pieceCount: 9, pieceLength: 32 * 1024, totalLength: 8 * 32 * 1024 + 100 }

const u32 = fc.oneof(fc.nat(10), fc.nat(40_000), fc.constant(2 ** 32 - 1))

/** Messages of every kind, most of them legal, some off by a little, some nonsense. */
const frame = fc.oneof(
  fc.nat(3).map((id) => message(id)),
  u32.map((index) => message(4, index)),
  fc.uint8Array({ maxLength: 4 }).map((bits) => message(5, bits)),
  fc.tuple(fc.constantFrom(13, 17), u32).map(([id, index]) => message(id, index)),
  fc.constantFrom(14, 15).map((id) => message(id)),
  fc.tuple(fc.constantFrom(6, 8, 16), u32, u32, u32).map(([id, a, b, c]) => message(id, a, b, c)),
  fc.tuple(u32, u32, fc.uint8Array({ maxLength: 64 })).map(([a, b, block]) => message(7, a, b, block)),
  fc.tuple(fc.nat(2), fc.uint8Array({ maxLength: 64 })).map(([id, bytes]) => message(20, Uint8Array.of(id), bytes)),
  fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 16 })).map(([id, bytes]) => message(id, bytes)),
  fc.constant(Buffer.alloc(4)),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes))
)

const stream = fc.array(frame, { maxLength: 30 }).map((frames) => Buffer.concat(frames))

/** A stream and where to cut it. */
const chunked = fc.tuple(stream, fc.array(fc.nat(200), { minLength: 1, maxLength: 50 })).map(([bytes, sizes]) => {
  const chunks: Array<Buffer> = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = 1 + sizes[i % sizes.length]!
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return { bytes, chunks }
})

/** A message as plain data, whichever array type its bytes have. */
const spelled = (message: Message) =>
  Object.entries(message).map(([key, value]) => [
    key,
    value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value
  ])

const read = (chunks: ReadonlyArray<Uint8Array>, fit: Shape | undefined, fast = false) => {
  const guard = new PeerWireGuard({ fast })
  if (fit !== undefined) guard.fit(fit)
  const messages: Array<Message> = []
  let problem: Problem | undefined
  for (const chunk of chunks) {
    const verdict = guard.push(chunk)
    messages.push(...verdict.messages)
    problem = verdict.problem
  }
  return { messages: messages.map(spelled), problem }
}

describe("PeerWireGuard", () => {
  for (const fit of [shape, undefined]) {
    const when = fit === undefined ? "while the torrent is unknown" : "for a known torrent"
    it(`how a stream is cut into chunks never changes the verdict ${when}`, () => {
      fc.assert(
        fc.property(chunked, fc.boolean(), ({ bytes, chunks }, fast) => {
          assert.deepStrictEqual(read(chunks, fit, fast), read([bytes], fit, fast))
        }),
        { numRuns: 500 }
      )
    })
  }

  it("after a problem nothing comes out any more, and the problem stays", () => {
    fc.assert(
      fc.property(stream, stream, (first, second) => {
        const guard = new PeerWireGuard()
        guard.fit(shape)
        const { problem } = guard.push(first)
        fc.pre(problem !== undefined)
        assert.deepStrictEqual(guard.push(second), { messages: [], problem })
      })
    )
  })

  it("what comes out is within the torrent", () => {
    fc.assert(
      fc.property(stream, (bytes) => {
        const guard = new PeerWireGuard({ fast: true })
        guard.fit(shape)
        for (const message of guard.push(bytes).messages) {
          if ("index" in message) assert.isBelow(message.index, shape.pieceCount)
          if (message._tag === "Request" || message._tag === "Reject") {
            const end = message.index * shape.pieceLength + message.offset + message.length
            assert.isAtMost(end, shape.totalLength)
            assert.isAtMost(message.length, BLOCK_BYTES)
          }
        }
      }),
      { numRuns: 500 }
    )
  })

  it("learning the torrent late refuses whatever knowing it at once would have refused of bitfields and haves", () => {
    const learning = fc.oneof(
      fc.nat(20).map((index) => message(4, index)),
      fc.uint8Array({ minLength: 1, maxLength: 3 }).map((bits) => message(5, bits))
    )
    fc.assert(
      fc.property(fc.array(learning, { maxLength: 6 }), (frames) => {
        const bytes = Buffer.concat(frames)
        const early = read([bytes], shape).problem
        const late = new PeerWireGuard()
        const before = late.push(bytes).problem
        assert.strictEqual((before ?? late.fit(shape)) === undefined, early === undefined)
      })
    )
  })
})

describe("PeerWire", () => {
  it("survives any legal messages in any order, and answers every order exactly once", () => {
    fc.assert(
      fc.property(chunked, fc.array(fc.nat(8), { maxLength: 9 }), fc.boolean(), ({ chunks }, pieces, fast) => {
        const guard = new PeerWireGuard({ fast })
        guard.fit(shape)
        const nothing = () => {}
        const outlet = { send: nothing, hasRoom: () => true, close: nothing, fault: nothing, now: () => 0 }
        const wire = new PeerWire("192.0.2.1:1", outlet, { fast })
        wire.on(
          "request",
          (_index: number, _offset: number, length: number, respond: (error: null, bytes: Uint8Array) => void) =>
            respond(null, new Uint8Array(length))
        )
        wire.unchoke()
        wire.receive({ _tag: "Unchoke" })
        const answers = pieces.map(() => 0)
        ;[...new Set(pieces)].forEach((index, i) => wire.request(index, 0, 100, () => void answers[i]!++))
        for (const chunk of chunks) for (const message of guard.push(chunk).messages) wire.receive(message)
        wire.destroy()
        assert.strictEqual(wire.ordered, 0)
        assert.deepStrictEqual(
          answers.slice(0, new Set(pieces).size),
          [...new Set(pieces)].map(() => 1)
        )
      }),
      { numRuns: 300 }
    )
  })
})

describe("ExtensionMessage", () => {
  it("reading any payload never throws", () => {
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .string({ unit: fc.constantFrom("d", "e", "i", "l", "1", "2", ":", "-", "m"), maxLength: 60 })
        .map((text) => Buffer.from(text)),
      fc
        .tuple(fc.integer(), fc.uint8Array({ maxLength: 50 }))
        .map(([piece, bytes]) => Buffer.concat([Buffer.from(`d8:msg_typei1e5:piecei${piece}ee`), bytes]))
    )
    fc.assert(
      fc.property(payload, (bytes) => {
        ExtensionMessage.decodeHandshake(bytes)
        ExtensionMessage.decodeMetadata(bytes)
      })
    )
  })
})
