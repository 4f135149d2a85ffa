import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Socket } from "node:net"
import * as Bencode from "../../../../src/protocol/core/Bencode.ts"
import { sha1 } from "../../../../src/protocol/core/Digest.ts"
import * as Infohash from "../../../../src/protocol/core/Infohash.ts"
import type { PeerAddress } from "../../../../src/protocol/core/PeerAddress.ts"
import { ANSWER_ITEMS_MAX, ASK_DEADLINE, type TopicAnswer } from "../../../../src/protocol/dht/TopicPeers.ts"
import * as DhtMemory from "../../../../src/protocol/testing/DhtMemory.ts"
import * as ExtensionMessage from "../../../../src/runtime/swarm/ExtensionMessage.ts"
import type { Message } from "../../../../src/runtime/swarm/PeerWireGuard.ts"
import * as TopicDesk from "../../../../src/runtime/swarm/topic/TopicDesk.ts"
import * as TopicMessage from "../../../../src/runtime/swarm/topic/TopicMessage.ts"
import * as TopicPace from "../../../../src/runtime/swarm/topic/TopicPace.ts"
import * as TopicPeersSuite from "../../../protocol/dht/TopicPeersSuite.ts"
import * as RawPeer from "../RawPeer.ts"
import * as TopicWorld from "./TopicWorld.ts"

TopicPeersSuite.suite(
  "live",
  Effect.sync(() => {
    const network = DhtMemory.make()
    return { host: TopicWorld.host(network), elapse: Effect.void }
  }),
  true
)

const bytesOf = (text: string) => new TextEncoder().encode(text)
const topic = Infohash.Infohash.make(sha1(bytesOf("topic")))
const other = Infohash.Infohash.make(sha1(bytesOf("other")))
const answerOf = (...claims: ReadonlyArray<string>): TopicAnswer => ({ claims: claims.map(bytesOf), records: [] })

const claimsOf = (answers: ReadonlyArray<TopicAnswer>) =>
  answers.flatMap(({ claims }) => claims.map((claim) => new TextDecoder().decode(claim))).toSorted()

/** The id under which raw peers here take messages. */
const THEIR_ID = 7
const EXTENDED = 20

const extended = (id: number, payload: Uint8Array) => RawPeer.message(EXTENDED, Uint8Array.of(id), payload)

const handshakeOf = (m: Record<string, number>) => extended(0, Bencode.encode({ m }))

/** A peer that speaks `ls_topic`, and does with a question what a test wants; announced under the topic. */
const rawServer = Effect.fnUntraced(function* (
  network: DhtMemory.Network,
  onQuestion: (socket: Socket, number: number, ourId: number) => void,
  m: Record<string, number> = { ls_topic: THEIR_ID }
) {
  const address = yield* RawPeer.serve((socket) => {
    let ourId = 0
    RawPeer.greet(socket, topic, () => socket.write(handshakeOf(m)))
    RawPeer.listen(socket, (message: Message) => {
      if (message._tag !== "Extended") return
      if (message.id === ExtensionMessage.HANDSHAKE_ID) {
        const handshake = ExtensionMessage.decodeHandshake(message.payload)
        ourId = handshake._tag === "Some" ? (handshake.value.ids.get(TopicMessage.NAME) ?? 0) : 0
        return
      }
      const question = TopicMessage.decode(message.payload)
      if (question._tag === "Question") onQuestion(socket, question.number, ourId)
    })
  })
  yield* announce(network, address)
  return address
})

const announce = Effect.fnUntraced(function* (network: DhtMemory.Network, address: PeerAddress, under = topic) {
  const dht = yield* TopicWorld.dhtOn(network)
  yield* dht.announcePeer(under, address.port)
})

const part = (number: number, claims: ReadonlyArray<Uint8Array>, isLast: boolean) =>
  TopicMessage.encodePart({ number, claims, records: [], isLast })

/** Somebody who dials a host under the topic and has shaken hands; collects what comes back. */
const rawAsker = Effect.fnUntraced(function* (network: DhtMemory.Network) {
  const dht = yield* TopicWorld.dhtOn(network)
  const [address] = yield* dht.findPeers(topic)
  const socket = yield* RawPeer.dial(address!, topic)
  const parts: Array<TopicMessage.Part> = []
  let ask: (payload: Uint8Array) => void = () => {}
  const ready = Effect.callback<void>((resume) => {
    RawPeer.listen(socket, (message) => {
      if (message._tag !== "Extended") return
      if (message.id === ExtensionMessage.HANDSHAKE_ID) {
        const handshake = ExtensionMessage.decodeHandshake(message.payload)
        const id = handshake._tag === "Some" ? (handshake.value.ids.get(TopicMessage.NAME) ?? 0) : 0
        ask = (payload) => void socket.write(extended(id, payload))
        resume(Effect.void)
        return
      }
      const decoded = TopicMessage.decode(message.payload)
      if (decoded._tag === "Part") parts.push(decoded)
    })
    socket.write(handshakeOf({ ls_topic: THEIR_ID }))
  })
  yield* ready
  return { socket, parts, ask: (payload: Uint8Array) => ask(payload) }
})

const until = (condition: () => boolean) =>
  Effect.gen(function* () {
    while (!condition()) yield* Effect.sleep("2 millis")
  })

describe("TopicPeersLive", () => {
  const test = (title: string, body: (network: DhtMemory.Network) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.scoped(Effect.suspend(() => body(DhtMemory.make()))))

  test("asks without listening, many questions over one connection, whichever topic it came in for", (network) =>
    Effect.gen(function* () {
      const server = yield* TopicWorld.host(network)
      yield* server.serve(topic, Effect.succeed(answerOf("a")))
      yield* server.serve(other, Effect.succeed(answerOf("b")))
      const asker = yield* TopicWorld.asker(network)
      assert.deepStrictEqual(claimsOf(yield* asker.ask(topic)), ["a"])
      const answers = yield* Effect.forEach([other, topic, other, topic], asker.ask, { concurrency: "unbounded" })
      assert.deepStrictEqual(answers.map(claimsOf), [["b"], ["a"], ["b"], ["a"]])
    }))

  test("carries encrypted connections too", (network) =>
    Effect.gen(function* () {
      const server = yield* TopicWorld.host(network, { encryption: "required" })
      yield* server.serve(topic, Effect.succeed(answerOf("a")))
      const asker = yield* TopicWorld.asker(network)
      assert.deepStrictEqual(claimsOf(yield* asker.ask(topic)), ["a"])
    }))

  test("gives an answer that takes many messages, whole", (network) =>
    Effect.gen(function* () {
      const server = yield* TopicWorld.host(network)
      const claims = Array.from({ length: 700 }, (_, i) => new Uint8Array(400).fill(i & 0xff))
      const records = Array.from({ length: 50 }, () => new Uint8Array(1_200).fill(9))
      yield* server.serve(topic, Effect.succeed({ claims, records }))
      const asker = yield* TopicWorld.asker(network)
      const [answer] = yield* asker.ask(topic)
      assert.deepStrictEqual(answer, { claims, records })
    }))

  test("does not wait longer for peers that are not there, and leaves them alone for a while", (network) =>
    Effect.gen(function* () {
      const server = yield* TopicWorld.host(network)
      yield* server.serve(topic, Effect.succeed(answerOf("a")))
      // It takes connections and says nothing.
      let dialled = 0
      yield* announce(network, yield* RawPeer.serve(() => void dialled++))
      const asker = yield* TopicWorld.asker(network)
      const before = yield* Clock.currentTimeMillis
      assert.deepStrictEqual(claimsOf(yield* asker.ask(topic)), ["a"])
      assert.isBelow((yield* Clock.currentTimeMillis) - before, 2_500)
      yield* until(() => dialled > 0)
      const seen = dialled
      const again = yield* Clock.currentTimeMillis
      yield* Effect.sleep("300 millis")
      assert.deepStrictEqual(claimsOf(yield* asker.ask(topic)), ["a"])
      assert.isBelow((yield* Clock.currentTimeMillis) - again, 1_500)
      assert.strictEqual(dialled, seen)
    }))

  const hostile: ReadonlyArray<readonly [string, (socket: Socket, number: number, ourId: number) => void]> = [
    [
      "gives more items than there may be",
      (socket, number, id) => {
        const claims = Array.from({ length: 200 }, () => new Uint8Array(50))
        for (let i = 0; i <= ANSWER_ITEMS_MAX / 200; i++) socket.write(extended(id, part(number, claims, false)))
      }
    ],
    [
      "gives more bytes than there may be",
      (socket, number, id) => {
        const claims = Array.from({ length: 11 }, () => new Uint8Array(1_400))
        for (let i = 0; i < 40; i++) socket.write(extended(id, part(number, claims, false)))
      }
    ],
    ["goes on without saying anything", (socket, number, id) => socket.write(extended(id, emptyPart(number)))],
    ["answers what nobody asked", (socket, _, id) => socket.write(extended(id, part(999, [], true)))],
    ["says what makes no sense", (socket, _, id) => socket.write(extended(id, bytesOf("d1:ai0e1:c")))],
    ["asks somebody who serves nothing", (socket, number, id) => socket.write(extended(id, question(number)))],
    ["hangs up", (socket) => socket.destroy()]
  ]
  const emptyPart = (number: number) => Bencode.encode({ a: number, c: [], r: [] })
  const question = (number: number) => TopicMessage.encodeQuestion({ number, topic })
  for (const [title, onQuestion] of hostile) {
    test(`closes a peer that ${title}, and uses the others`, (network) =>
      Effect.gen(function* () {
        let ended = false
        yield* rawServer(network, (socket, number, id) => {
          socket.once("close", () => (ended = true))
          onQuestion(socket, number, id)
        })
        const honest = yield* TopicWorld.host(network)
        yield* honest.serve(topic, Effect.succeed(answerOf("honest")))
        const asker = yield* TopicWorld.asker(network)
        assert.deepStrictEqual(claimsOf(yield* asker.ask(topic)), ["honest"])
        yield* until(() => ended)
      }))
  }

  test("ends in time with a peer that begins an answer and never ends it", (network) =>
    Effect.gen(function* () {
      yield* rawServer(network, (socket, number, id) => {
        socket.write(extended(id, part(number, [bytesOf("begun")], false)))
      })
      const asker = yield* TopicWorld.asker(network)
      const before = yield* Clock.currentTimeMillis
      assert.deepStrictEqual(yield* asker.ask(topic), [])
      assert.isBelow((yield* Clock.currentTimeMillis) - before, 2_500)
    }))

  test("asks nobody who does not take the extension", (network) =>
    Effect.gen(function* () {
      let asked = 0
      yield* rawServer(network, () => void asked++, { ut_metadata: 3 })
      const asker = yield* TopicWorld.asker(network)
      assert.deepStrictEqual(yield* asker.ask(topic), [])
      assert.strictEqual(asked, 0)
    }))

  test("gives an empty answer about what it does not serve, and to whoever asks too much", (network) =>
    Effect.gen(function* () {
      const server = yield* TopicWorld.host(network)
      yield* server.serve(topic, Effect.succeed(answerOf("a")))
      const { ask, parts } = yield* rawAsker(network)
      ask(TopicMessage.encodeQuestion({ number: 5, topic: other }))
      yield* until(() => parts.length === 1)
      assert.deepInclude(parts[0], { number: 5, claims: [], records: [], isLast: true })
      parts.length = 0
      const beganAt = yield* Clock.currentTimeMillis
      let number = 10
      const askOne = () => ask(TopicMessage.encodeQuestion({ number: number++, topic }))
      for (let i = 0; i < TopicPace.QUESTIONS_BURST + 100; i++) askOne()
      // A refusal that the socket has no room for is not sent.
      yield* until(() => {
        const isRefused = parts.some(({ claims }) => claims.length === 0)
        if (!isRefused) askOne()
        return isRefused
      })
      const elapsedMs = (yield* Clock.currentTimeMillis) - beganAt
      const real = parts.filter(({ claims }) => claims.length > 0).length
      assert.isAtLeast(real, 1)
      assert.isAtMost(real, TopicPace.QUESTIONS_BURST + 1 + (elapsedMs * TopicPace.QUESTIONS_PER_SECOND) / 1_000)
    }))

  test("closes who floods it with questions", (network) =>
    Effect.gen(function* () {
      const server = yield* TopicWorld.host(network)
      yield* server.serve(topic, Effect.succeed(answerOf("a")))
      const { ask, socket } = yield* rawAsker(network)
      const total = TopicPace.QUESTIONS_BURST + TopicDesk.REFUSED_MAX + 400
      for (let number = 0; number < total; number++) ask(TopicMessage.encodeQuestion({ number, topic }))
      yield* RawPeer.closed(socket)
      // It is served again, as far as its address has a share left.
      const asker = yield* TopicWorld.asker(network)
      assert.isAtMost((yield* asker.ask(topic)).length, 1)
    }))

  test("gives one address no more than its share of bytes, however much it asks for", (network) =>
    Effect.gen(function* () {
      const server = yield* TopicWorld.host(network)
      const claims = Array.from({ length: 300 }, () => new Uint8Array(1_300).fill(7))
      yield* server.serve(topic, Effect.succeed({ claims, records: [] }))
      const { ask, parts, socket } = yield* rawAsker(network)
      // One that asks and does not read is waited for, and nothing more is made for it.
      socket.pause()
      for (let number = 0; number < 100; number++) ask(TopicMessage.encodeQuestion({ number, topic }))
      yield* Effect.sleep("100 millis")
      socket.resume()
      yield* until(() => parts.filter(({ isLast }) => isLast).length === 100)
      const bytes = parts.reduce((sum, each) => sum + TopicMessage.sizeOf(each), 0)
      assert.isAtLeast(bytes, 2 * 300 * 1_300)
      assert.isAtMost(bytes, TopicPace.ANSWERED_BYTES_BURST + 2 * TopicPace.ANSWERED_BYTES_PER_SECOND)
    }))

  test("stops with its scope: nobody is let in, and open connections end", (network) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(TopicWorld.host(network), scope)
      yield* Scope.provide(server.serve(topic, Effect.succeed(answerOf("a"))), scope)
      const { socket } = yield* rawAsker(network)
      yield* Scope.close(scope, Exit.void)
      yield* RawPeer.closed(socket)
      const asker = yield* TopicWorld.asker(network)
      assert.deepStrictEqual(
        yield* Effect.timeoutOption(asker.ask(topic), ASK_DEADLINE).pipe(Effect.map(String)),
        "some([])"
      )
    }))
})
