import { assert, describe, it } from "@effect/vitest"
import { CHOKES_MAX, CHOKES_WINDOW_MS } from "../../../src/runtime/swarm/ChokePace.ts"
import type { Message } from "../../../src/runtime/swarm/PeerWireGuard.ts"
import { PeerWireGuard } from "../../../src/runtime/swarm/PeerWireGuard.ts"
import {
  PeerWire,
  PIPELINE_MAX,
  PIPELINE_MIN,
  REFUSED_REST_MS,
  UNREQUESTED_MAX
} from "../../../src/runtime/swarm/PeerWire.ts"
import { OUTBOX_MAX_BYTES, REQUEST_QUEUE_MAX } from "../../../src/runtime/swarm/UploadQueue.ts"

const BLOCK = 16_384
/** What torrent-stream takes for a full pipeline. */
const FULL = 5

/** A wire whose clock, outbox and peer are the test's. */
const wired = (name = "192.0.2.1:1", fast = false) => {
  const guard = new PeerWireGuard({ fast })
  const state = { now: 0, pending: 0, closes: 0, sent: new Array<Message>(), faults: new Array<string>() }
  const outlet = {
    send: (...parts: ReadonlyArray<Uint8Array>) => void state.sent.push(...guard.push(Buffer.concat(parts)).messages),
    hasRoom: () => state.pending < OUTBOX_MAX_BYTES,
    close: () => void state.closes++,
    fault: (problem: string) => void state.faults.push(problem),
    now: () => state.now
  }
  const wire = new PeerWire(name, outlet, { fast })
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

  it("closes a peer that chokes and unchokes without end, and none that does so now and then", () => {
    const { state, wire } = wired()
    const again = () => {
      wire.receive({ _tag: "Unchoke" })
      wire.receive({ _tag: "Choke" })
    }
    for (let i = 0; i < 10 * CHOKES_MAX; i++) {
      state.now += CHOKES_WINDOW_MS / CHOKES_MAX
      again()
    }
    assert.deepStrictEqual(state.faults, [])
    for (let i = 0; i <= 2 * CHOKES_MAX; i++) again()
    assert.isNotEmpty(state.faults)
  })

  it("sends no bitfield that says nothing", () => {
    const { state, wire } = wired()
    wire.bitfield({ buffer: Uint8Array.of(0, 0) })
    assert.deepStrictEqual(state.sent, [])
    wire.bitfield({ buffer: Uint8Array.of(0, 0x80) })
    assert.strictEqual(state.sent.length, 1)
  })
})

describe("PeerWire with the fast extension (BEP 6)", () => {
  const request = (index: number): Message => ({ _tag: "Request", index, offset: 0, length: BLOCK })
  const reject = (index: number): Message => ({ _tag: "Reject", index, offset: 0, length: BLOCK })
  const fast = () => wired("192.0.2.1:1", true)
  type Respond = (error: Error | null, bytes?: Uint8Array) => void

  it("says have all, have none or a bitfield, once, and single pieces afterwards", () => {
    const full = fast()
    full.wire.fit(9)
    full.wire.bitfield({ buffer: Uint8Array.of(0xff, 0x80) })
    assert.deepStrictEqual(full.state.sent, [{ _tag: "HaveAll" }])
    full.wire.open()
    full.wire.bitfield({ buffer: Uint8Array.of(0xff, 0x80) })
    assert.strictEqual(full.state.sent.length, 1)

    const empty = fast()
    empty.wire.bitfield({ buffer: Uint8Array.of(0) })
    assert.deepStrictEqual(empty.state.sent, [{ _tag: "HaveNone" }])
    empty.wire.bitfield({ buffer: Uint8Array.of(0xa0) })
    assert.deepStrictEqual(empty.state.sent.slice(1), [
      { _tag: "Have", index: 0 },
      { _tag: "Have", index: 2 }
    ])

    const some = fast()
    some.wire.bitfield({ buffer: Uint8Array.of(0xa0) })
    assert.strictEqual(some.state.sent[0]?._tag, "Bitfield")

    const silent = fast()
    silent.wire.open()
    assert.deepStrictEqual(silent.state.sent, [{ _tag: "HaveNone" }])
    const old = wired()
    old.wire.open()
    assert.deepStrictEqual(old.state.sent, [])
  })

  it("refuses what it is asked for while it chokes, unless it allowed that", () => {
    const { state, wire } = fast()
    wire.on("request", (_index: number, _offset: number, length: number, respond: Respond) =>
      respond(null, new Uint8Array(length))
    )
    wire.haveAll()
    wire.allowedFast(2)
    wire.receive(request(1))
    wire.receive(request(2))
    assert.deepStrictEqual(
      state.sent.slice(2).map(({ _tag }) => _tag),
      ["Reject", "Piece"]
    )
  })

  it("refuses what waits when it chokes, when it is cancelled, and what it does not have", () => {
    const { state, wire } = fast()
    wire.on("request", () => {})
    wire.bitfield({ buffer: Uint8Array.of(0xe0) })
    wire.unchoke()
    state.pending = OUTBOX_MAX_BYTES
    for (const index of [0, 1, 2, 3]) wire.receive(request(index))
    assert.deepStrictEqual(state.sent.slice(2), [reject(3)])
    wire.receive({ _tag: "Cancel", index: 1, offset: 0, length: BLOCK })
    assert.deepStrictEqual(state.sent.slice(3), [reject(1)])
    wire.choke()
    assert.deepStrictEqual(state.sent.slice(4), [{ _tag: "Choke" }, reject(0), reject(2)])
  })

  it("refuses a block whose reading came to its end after the choke, or failed", () => {
    const { state, wire } = fast()
    const waiting: Array<Respond> = []
    wire.on("request", (_index: number, _offset: number, _length: number, respond: Respond) => waiting.push(respond))
    wire.haveAll()
    wire.unchoke()
    wire.receive(request(0))
    wire.receive(request(1))
    waiting[0]?.(new Error("EIO"))
    wire.choke()
    waiting[1]?.(null, new Uint8Array(BLOCK))
    assert.deepStrictEqual(state.sent.slice(2), [reject(0), { _tag: "Choke" }, reject(1)])
    assert.strictEqual(state.closes, 0)
  })

  it("closes a peer that cannot be told that a block is unreadable", () => {
    const { state, wire } = wired()
    wire.on("request", (_index: number, _offset: number, _length: number, respond: Respond) =>
      respond(new Error("EIO"))
    )
    wire.unchoke()
    wire.receive(request(0))
    assert.strictEqual(state.closes, 1)
  })

  it("takes have all for every piece, also when it learns later how many there are", () => {
    for (const known of [true, false]) {
      const { wire } = fast()
      const heard: Array<string> = []
      for (const event of ["haveAll", "bitfield"]) wire.on(event, () => void heard.push(event))
      if (known) wire.fit(9)
      wire.receive({ _tag: "HaveAll" })
      assert.isTrue(wire.has(8))
      if (!known) wire.fit(9)
      assert.deepStrictEqual(heard, ["haveAll", "bitfield"])
      assert.strictEqual(wire.peerPieces.filter(Boolean).length, 9)
    }
  })

  it("tells of have all once, however often the peer says it", () => {
    const { wire } = fast()
    wire.fit(9)
    let told = 0
    for (const event of ["bitfield", "haveAll"]) wire.on(event, () => void told++)
    for (let i = 0; i < 5; i++) wire.receive({ _tag: "HaveAll" })
    assert.strictEqual(told, 2)
  })

  it("keeps its orders when the peer chokes, until the peer refuses each", () => {
    const { wire } = fast()
    wire.receive({ _tag: "HaveAll" })
    wire.receive({ _tag: "Unchoke" })
    const answers: Array<Error | null> = []
    const refused: Array<number> = []
    wire.on("reject", (index: number) => void refused.push(index))
    for (const index of [0, 1]) wire.request(index, 0, BLOCK, (error) => void answers.push(error))
    wire.receive({ _tag: "Choke" })
    assert.deepStrictEqual(answers, [])
    wire.receive(reject(0))
    wire.receive(block(1))
    assert.deepStrictEqual(
      answers.map((error) => error === null),
      [false, true]
    )
    assert.deepStrictEqual(refused, [0])
    assert.strictEqual(wire.ordered, 0)
  })

  it("hides a piece from the engine for a while when a peer that does not choke refuses it", () => {
    const { state, wire } = fast()
    wire.fit(4)
    wire.receive({ _tag: "HaveAll" })
    wire.receive({ _tag: "Unchoke" })
    const shown: Array<boolean | undefined> = []
    wire.request(3, 0, BLOCK, () => void shown.push(wire.peerPieces[3]))
    wire.receive(reject(3))
    assert.deepStrictEqual(shown, [false])
    const again: Array<number> = []
    wire.on("have", (index: number) => void again.push(index))
    state.now = REFUSED_REST_MS
    wire.tick(state.now)
    assert.deepStrictEqual(again, [3])
    assert.isTrue(wire.peerPieces[3])
  })

  it("asks a peer that chokes for the pieces that it allowed, and for no others", () => {
    const { state, wire } = fast()
    const allowed: Array<number> = []
    wire.on("allowedFast", (index: number) => void allowed.push(index))
    wire.receive({ _tag: "AllowedFast", index: 2 })
    assert.deepStrictEqual(allowed, [2])
    wire.request(1, 0, BLOCK, () => {})
    wire.request(2, 0, BLOCK, () => {})
    assert.deepStrictEqual(state.sent, [request(2)])
  })

  it("closes a peer that refuses what nobody asked for, and none that refuses what was cancelled", () => {
    const { state, wire } = fast()
    wire.receive({ _tag: "Unchoke" })
    const errors: Array<Error | null> = []
    for (let i = 0; i < 100; i++) {
      wire.request(i, 0, BLOCK, (error) => void errors.push(error))
      wire.cancel(i, 0, BLOCK)
      wire.receive(reject(i))
    }
    assert.strictEqual(errors.length, 100)
    for (let i = 0; i < UNREQUESTED_MAX; i++) wire.receive(reject(0))
    assert.deepStrictEqual(state.faults, [])
    wire.receive(reject(0))
    assert.strictEqual(state.faults.length, 1)
  })

  it("keeps no more on order than the peer queues", () => {
    const { wire } = fast()
    wire.receive({ _tag: "Unchoke" })
    wire.setPeerQueue(3)
    assert.strictEqual(fill(wire, 0), 3)
  })
})
