import { assert, describe, it } from "@effect/vitest"
import type { Message } from "../../../src/runtime/swarm/PeerWireGuard.ts"
import { PeerWireGuard } from "../../../src/runtime/swarm/PeerWireGuard.ts"
import { PeerWire, PIPELINE_MAX, PIPELINE_MIN, UNREQUESTED_MAX } from "../../../src/runtime/swarm/PeerWire.ts"
import { OUTBOX_MAX_BYTES, REQUEST_QUEUE_MAX } from "../../../src/runtime/swarm/UploadQueue.ts"

const BLOCK = 16_384
/** What torrent-stream takes for a full pipeline. */
const FULL = 5

/** A wire whose clock, outbox and peer are the test's. */
const wired = (name = "192.0.2.1:1") => {
  const guard = new PeerWireGuard()
  const state = { now: 0, pending: 0, sent: new Array<Message>(), faults: new Array<string>() }
  const wire = new PeerWire(name, {
    send: (...parts) => void state.sent.push(...guard.push(Buffer.concat(parts)).messages),
    pendingBytes: () => state.pending,
    close: () => {},
    fault: (problem) => void state.faults.push(problem),
    now: () => state.now
  })
  return { wire, state }
}

/** A wire whose peer has every piece of a torrent and lets us ask. */
const generous = (name?: string) => {
  const wiring = wired(name)
  wiring.wire.receive({ _tag: "Bitfield", bytes: new Uint8Array(64).fill(0xff) })
  wiring.wire.receive({ _tag: "Unchoke" })
  return wiring
}

const block = (index: number): Message => ({ _tag: "Piece", index, offset: 0, block: new Uint8Array(BLOCK) })

/** Orders as the engine does, until the wire says that it is full. Gives how many. */
const fill = (wire: PeerWire, from: number, answers: Array<Error | null> = []): number => {
  let count = 0
  while (wire.requests.length < FULL) wire.request(from + count++, 0, BLOCK, (error) => void answers.push(error))
  return count
}

describe("PeerWire", () => {
  it("orders few blocks from a peer that has not shown its speed, and more the faster it is", () => {
    const { wire } = generous()
    assert.strictEqual(fill(wire, 0), PIPELINE_MIN)
    for (let i = 0; i < PIPELINE_MIN; i++) wire.receive(block(i))
    assert.strictEqual(fill(wire, 100), 2 * PIPELINE_MIN)
    for (let i = 0; i < 200; i++) {
      wire.request(200 + i, 0, BLOCK, () => {})
      wire.receive(block(200 + i))
    }
    fill(wire, 400)
    assert.strictEqual(wire.ordered, PIPELINE_MAX)
  })

  it("orders few again from a peer that became slow", () => {
    const { state, wire } = generous()
    for (let i = 0; i < 50; i++) {
      wire.request(i, 0, BLOCK, () => {})
      wire.receive(block(i))
    }
    state.now = 10_000
    assert.strictEqual(fill(wire, 100), PIPELINE_MIN)
  })

  it("answers every order when the peer chokes", () => {
    const { wire } = generous()
    const answers: Array<Error | null> = []
    fill(wire, 0, answers)
    wire.receive({ _tag: "Choke" })
    assert.strictEqual(answers.length, PIPELINE_MIN)
    assert.isTrue(answers.every((error) => error !== null))
  })

  it("times a peer out that owes blocks and sends none, and no other", () => {
    const { state, wire } = generous()
    let timeouts = 0
    wire.setTimeout(1_000, () => void timeouts++)
    state.now = 5_000
    wire.tick(state.now)
    assert.strictEqual(timeouts, 0)
    fill(wire, 0)
    state.now = 5_900
    wire.receive(block(0))
    state.now = 6_800
    wire.tick(state.now)
    assert.strictEqual(timeouts, 0)
    state.now = 6_901
    wire.tick(state.now)
    assert.strictEqual(timeouts, 1)
  })

  it("hands back its orders for a rest, asks for nothing while it lasts, and is not blamed for what still comes", () => {
    const { state, wire } = generous()
    const answers: Array<Error | null> = []
    fill(wire, 0, answers)
    wire.rest(1_000)
    assert.strictEqual(answers.length, PIPELINE_MIN)
    assert.strictEqual(wire.requests.length, FULL)
    for (let i = 0; i < PIPELINE_MIN; i++) wire.receive(block(i))
    for (let i = 0; i < UNREQUESTED_MAX; i++) wire.receive(block(0))
    assert.deepStrictEqual(state.faults, [])
    let woken = 0
    wire.on("unchoke", () => void woken++)
    wire.tick(1_000)
    assert.strictEqual(woken, 1)
    assert.strictEqual(wire.requests.length, 0)
  })

  it("can help another peer that owes blocks only with pieces that it has, when it has nothing else to do", () => {
    const slow = generous("192.0.2.1:1").wire
    const { wire } = generous("192.0.2.2:2")
    assert.isFalse(wire.couldHelp(slow))
    slow.request(3, 0, BLOCK, () => {})
    assert.isFalse(wire.couldHelp(slow))
    wire.request(0, 0, BLOCK, () => {})
    wire.receive(block(0))
    assert.isTrue(wire.couldHelp(slow))
    wire.isVisible = (index) => index !== 3
    wire.refresh(3)
    assert.isFalse(wire.couldHelp(slow))
  })

  it("closes a peer that sends blocks nobody asked for", () => {
    const { state, wire } = generous()
    for (let i = 0; i < UNREQUESTED_MAX; i++) wire.receive(block(0))
    assert.deepStrictEqual(state.faults, [])
    wire.receive(block(0))
    assert.strictEqual(state.faults.length, 1)
    assert.strictEqual(wire.downloaded, 0)
  })

  it("serves nothing while the peer is choked or slow to read, and goes on when it has read", () => {
    const { state, wire } = wired()
    wire.on("request", (_index: number, _offset: number, length: number, respond: (e: null, b: Uint8Array) => void) =>
      respond(null, new Uint8Array(length))
    )
    const pieces = () => state.sent.filter(({ _tag }) => _tag === "Piece").length
    wire.receive({ _tag: "Request", index: 0, offset: 0, length: BLOCK })
    wire.unchoke()
    assert.strictEqual(pieces(), 0)
    state.pending = OUTBOX_MAX_BYTES
    wire.receive({ _tag: "Request", index: 1, offset: 0, length: BLOCK })
    wire.receive({ _tag: "Request", index: 2, offset: 0, length: BLOCK })
    wire.receive({ _tag: "Cancel", index: 1, offset: 0, length: BLOCK })
    assert.strictEqual(pieces(), 0)
    state.pending = 0
    wire.drained()
    assert.strictEqual(pieces(), 1)
  })

  it("closes a peer that queues more requests than it was told", () => {
    const { state, wire } = wired()
    wire.unchoke()
    state.pending = OUTBOX_MAX_BYTES
    for (let i = 0; i <= REQUEST_QUEUE_MAX; i++) wire.receive({ _tag: "Request", index: i, offset: 0, length: BLOCK })
    assert.strictEqual(state.faults.length, 1)
  })

  it("sends no bitfield that says nothing", () => {
    const { state, wire } = wired()
    wire.bitfield({ buffer: Uint8Array.of(0, 0) })
    assert.deepStrictEqual(state.sent, [])
    wire.bitfield({ buffer: Uint8Array.of(0, 0x80) })
    assert.strictEqual(state.sent.length, 1)
  })
})
