import { assert, describe, it } from "@effect/vitest"
import {
  BLOCK_BYTES,
  EXTENDED_MAX_BYTES,
  MESSAGE_MAX_BYTES,
  PeerWireGuard
} from "../../../src/runtime/swarm/PeerWireGuard.ts"
import { message } from "./RawPeer.ts"

/** Ten pieces, the last one of 1,000 bytes. */
const shape = { pieceCount: 10, pieceLength: 32_768, totalLength: 9 * 32_768 + 1_000 }

const judgeFast = (...messages: ReadonlyArray<Uint8Array>) => {
  const guard = new PeerWireGuard({ fast: true })
  guard.fit(shape)
  return guard.push(Buffer.concat(messages))
}

const judge = (...messages: ReadonlyArray<Uint8Array>) => {
  const guard = new PeerWireGuard()
  guard.fit(shape)
  return guard.push(Buffer.concat(messages))
}

describe("PeerWireGuard", () => {
  it("passes a block of 16 KiB, and no byte more", () => {
    const [verdict] = [judge(message(7, 0, 16_384, Buffer.alloc(BLOCK_BYTES, 1)))]
    assert.strictEqual(verdict.problem, undefined)
    const [piece] = verdict.messages
    assert.isTrue(piece?._tag === "Piece" && piece.offset === 16_384 && piece.block.length === BLOCK_BYTES)
    assert.strictEqual(judge(message(7, 0, 0, Buffer.alloc(BLOCK_BYTES + 1))).problem, "message of a wrong length")
  })

  it("passes requests to the last byte of the torrent, and no further", () => {
    assert.strictEqual(judge(message(6, 9, 0, 1_000)).messages.length, 1)
    assert.strictEqual(judge(message(6, 9, 1, 1_000)).problem, "block out of range")
    assert.strictEqual(judge(message(6, 9, 999, 1)).messages.length, 1)
    assert.strictEqual(judge(message(6, 9, 1_000, 1)).problem, "block out of range")
    assert.strictEqual(judge(message(6, 10, 0, 1)).problem, "index out of range")
    assert.strictEqual(judge(message(6, 0, 0, BLOCK_BYTES)).messages.length, 1)
    assert.strictEqual(judge(message(6, 0, 0, BLOCK_BYTES + 1)).problem, "block out of range")
    assert.strictEqual(judge(message(6, 0, 0, 0)).problem, "block out of range")
  })

  it("passes bitfields that fit, and later ones as aria2 sends them instead of many haves", () => {
    assert.strictEqual(judge(message(5, Uint8Array.of(0xff, 0xc0))).messages.length, 1)
    assert.strictEqual(judge(message(5, Uint8Array.of(0xff, 0xe0))).problem, "bitfield with spare bits set")
    assert.strictEqual(judge(message(5, Uint8Array.of(0xff))).problem, "bitfield of a wrong length")
    const later = message(5, Uint8Array.of(0, 0x40))
    assert.strictEqual(judge(message(5, Uint8Array.of(0, 0)), later).messages.length, 2)
    assert.strictEqual(judge(message(4, 0), later).messages.length, 2)
    assert.strictEqual(judge(later, message(5, Uint8Array.of(0, 0, 0))).problem, "bitfield of a wrong length")
    assert.strictEqual(judge(message(20, Uint8Array.of(0)), message(5, Uint8Array.of(0, 0))).problem, undefined)
  })

  it("judges a bitfield that came before the torrent was known", () => {
    const guard = new PeerWireGuard()
    assert.strictEqual(guard.push(message(5, Uint8Array.of(0xff))).problem, undefined)
    assert.strictEqual(guard.fit(shape), "bitfield of a wrong length")
    assert.deepStrictEqual(guard.push(message(0)), { messages: [], problem: "bitfield of a wrong length" })
  })

  it("refuses by the length prefix alone, before a byte of the body has come", () => {
    const prefix = Buffer.alloc(4)
    prefix.writeUInt32BE(MESSAGE_MAX_BYTES + 1)
    assert.strictEqual(judge(prefix).problem, "message too long")
    prefix.writeUInt32BE(14)
    assert.strictEqual(judge(prefix, Uint8Array.of(6)).problem, "message of a wrong length")
  })

  it("skips messages of unknown kinds, and reads on behind them", () => {
    const unknown = message(21, Buffer.alloc(EXTENDED_MAX_BYTES))
    const { messages, problem } = judge(unknown, Buffer.alloc(40), message(1))
    assert.strictEqual(problem, undefined)
    assert.deepStrictEqual(messages, [{ _tag: "Unchoke" }])
  })

  it("reads the port of the peer's DHT node", () => {
    assert.deepStrictEqual(judge(message(9, Uint8Array.of(0x1a, 0xe1))).messages, [{ _tag: "Port", port: 6881 }])
    assert.strictEqual(judge(message(9, Uint8Array.of(1))).problem, "message of a wrong length")
  })

  it("gives the messages that stand before a problem", () => {
    const { messages, problem } = judge(message(2), message(4, 99), message(3))
    assert.deepStrictEqual(messages, [{ _tag: "Interested" }])
    assert.strictEqual(problem, "index out of range")
  })

  it("passes the messages of the fast extension where it was agreed on, and nowhere else (BEP 6)", () => {
    const messages = [message(14), message(13, 9), message(16, 9, 0, 1_000), message(17, 9)]
    assert.deepStrictEqual(judgeFast(...messages).messages, [
      { _tag: "HaveAll" },
      { _tag: "Suggest", index: 9 },
      { _tag: "Reject", index: 9, offset: 0, length: 1_000 },
      { _tag: "AllowedFast", index: 9 }
    ])
    assert.deepStrictEqual(judgeFast(message(15)).messages, [{ _tag: "HaveNone" }])
    for (const each of [...messages, message(15)]) {
      assert.strictEqual(judge(each).problem, "message of an extension that was not agreed on")
    }
  })

  it("refuses messages of the fast extension that do not fit the torrent, or are of a wrong length", () => {
    for (const id of [13, 17]) assert.strictEqual(judgeFast(message(id, 10)).problem, "index out of range")
    assert.strictEqual(judgeFast(message(16, 10, 0, 1)).problem, "index out of range")
    assert.strictEqual(judgeFast(message(16, 9, 0, 1_001)).problem, "block out of range")
    for (const id of [14, 15]) {
      assert.strictEqual(judgeFast(message(id, Uint8Array.of(0))).problem, "message of a wrong length")
    }
    for (const id of [13, 16, 17]) assert.strictEqual(judgeFast(message(id)).problem, "message of a wrong length")
  })

  it("passes have all at any time, have none only first", () => {
    for (const before of [message(5, Uint8Array.of(0xff, 0xc0)), message(14), message(15), message(4, 0)]) {
      assert.strictEqual(judgeFast(before, message(14)).problem, undefined)
      assert.strictEqual(judgeFast(before, message(15)).problem, "have none not first")
    }
    assert.strictEqual(judgeFast(message(15), message(4, 0)).problem, undefined)
  })

  it("judges what was suggested or allowed before the torrent was known", () => {
    for (const id of [13, 17]) {
      const guard = new PeerWireGuard({ fast: true })
      assert.strictEqual(guard.push(message(id, 10)).problem, undefined)
      assert.strictEqual(guard.fit(shape), "index out of range")
    }
  })
})
