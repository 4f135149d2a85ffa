import { assert, describe, it } from "@effect/vitest"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Dgram from "node:dgram"
import * as TestClock from "effect/testing/TestClock"
import * as LanAnnouncement from "../../../../src/runtime/dht/entry/LanAnnouncement.ts"
import * as LanDiscovery from "../../../../src/runtime/dht/entry/LanDiscovery.ts"

type Listener = Parameters<LanDiscovery.LanSocket["onDatagram"]>[0]

/** A LAN in memory: what one says all hear, the speaker too. */
const makeLan = () => {
  const listeners: Array<Listener> = []
  const said: Array<Uint8Array> = []
  const say = (datagram: Uint8Array, host: string) => {
    said.push(datagram)
    for (const listener of listeners) listener(datagram, host)
  }
  const socket = (host: string): LanDiscovery.LanSocket => ({
    send: (datagram) => say(datagram, host),
    onDatagram: (listener) => void listeners.push(listener)
  })
  return { socket, say, said }
}

const node = Effect.fnUntraced(function* (
  lan: ReturnType<typeof makeLan>,
  host: string,
  port: number,
  network?: string
) {
  const found: Array<string> = []
  const options = {
    network,
    boundHost: "0.0.0.0",
    port: () => port,
    socket: lan.socket(host),
    onFound: (at: string) => found.push(at)
  }
  yield* Effect.forkScoped(LanDiscovery.run(options))
  yield* TestClock.adjust(1)
  return found
})

const other = (infohash: string, port: number, cookie?: string) =>
  LanAnnouncement.encode({ port, infohashes: [infohash], cookie })

const test = (title: string, body: Effect.Effect<void, never, Effect.Services<ReturnType<typeof node>>>) =>
  it.effect(title, () => Effect.scoped(body).pipe(Effect.provide(NodeCrypto.layerSecureRandom)))

describe("LanDiscovery", () => {
  test(
    "lets two nodes of a LAN find each other, and neither itself",
    Effect.gen(function* () {
      const lan = makeLan()
      const first = yield* node(lan, "192.168.1.1", 7_001)
      yield* TestClock.adjust(LanDiscovery.ANNOUNCE_MIN_INTERVAL_MS)
      const second = yield* node(lan, "192.168.1.2", 7_002)
      assert.deepStrictEqual(first, ["192.168.1.2:7002"])
      assert.deepStrictEqual(second, ["192.168.1.1:7001"], "the answer to the newcomer")
    })
  )

  test(
    "keeps nodes of different networks apart, and takes any client for a way into the public one",
    Effect.gen(function* () {
      const lan = makeLan()
      const open = yield* node(lan, "192.168.1.1", 7_001)
      const apart = yield* node(lan, "192.168.1.2", 7_002, "127.0.0.1:20001")
      lan.say(other("ab".repeat(20), 6_881), "192.168.1.3")
      assert.deepStrictEqual(open, ["192.168.1.2:7002", "192.168.1.3:6881"])
      assert.deepStrictEqual(apart, [])
      assert.notStrictEqual(LanDiscovery.meetingPoint(undefined), LanDiscovery.meetingPoint("127.0.0.1:20001"))
    })
  )

  test(
    "speaks every five minutes, and never more than once a minute, however many newcomers there are",
    Effect.gen(function* () {
      const lan = makeLan()
      yield* node(lan, "192.168.1.1", 7_001)
      for (let i = 0; i < 10; i++) lan.say(other(LanDiscovery.meetingPoint(undefined), 7_100 + i), `192.168.2.${i}`)
      assert.strictEqual(lan.said.length, 1 + 10)
      yield* TestClock.adjust(2 * LanDiscovery.ANNOUNCE_INTERVAL_MS)
      assert.strictEqual(lan.said.length, 1 + 10 + 2)
    })
  )

  test(
    "hears each neighbour once a minute, and a limited number of them",
    Effect.gen(function* () {
      const lan = makeLan()
      const found = yield* node(lan, "192.168.1.1", 7_001)
      for (let i = 0; i < 10; i++) lan.say(other("ab".repeat(20), 7_100 + i), "192.168.1.9")
      assert.deepStrictEqual(found, ["192.168.1.9:7100"])
      for (let i = 0; i < 250; i++) lan.say(other("ab".repeat(20), 6_881), `192.168.3.${i}`)
      assert.strictEqual(found.length, LanDiscovery.FOUND_PER_MINUTE_MAX)
      yield* TestClock.adjust(LanDiscovery.SENDER_INTERVAL_MS)
      lan.say(other("ab".repeat(20), 7_200), "192.168.1.9")
      assert.include(found, "192.168.1.9:7200")
    })
  )

  test(
    "believes neighbours alone, whoever else gets a datagram through",
    Effect.gen(function* () {
      const lan = makeLan()
      const found = yield* node(lan, "192.168.1.1", 7_001)
      for (const host of ["20.1.1.1", "127.0.0.1", "100.64.1.1", "0.0.0.0"]) {
        lan.say(other(LanDiscovery.meetingPoint(undefined), 6_881), host)
      }
      assert.deepStrictEqual(found, [])
      for (const host of ["10.1.1.1", "172.16.1.1", "192.168.1.9", "169.254.1.1"]) {
        lan.say(other("ab".repeat(20), 6_881), host)
      }
      assert.deepStrictEqual(found, ["10.1.1.1:6881", "172.16.1.1:6881", "192.168.1.9:6881", "169.254.1.1:6881"])
    })
  )

  test(
    "hears a neighbour again when the clock was set back",
    Effect.gen(function* () {
      const lan = makeLan()
      yield* TestClock.setTime(60 * 60_000)
      const found = yield* node(lan, "192.168.1.1", 7_001)
      lan.say(other("ab".repeat(20), 7_100), "192.168.1.9")
      yield* TestClock.setTime(0)
      lan.say(other("ab".repeat(20), 7_200), "192.168.1.9")
      yield* TestClock.adjust(LanDiscovery.SENDER_INTERVAL_MS)
      lan.say(other("ab".repeat(20), 7_300), "192.168.1.9")
      assert.deepStrictEqual(found, ["192.168.1.9:7100", "192.168.1.9:7300"])
    })
  )

  it.live("does not hear what is sent to this computer and not to the group, where the system tells them apart", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const lan = yield* LanDiscovery.multicast("0.0.0.0")
      lan.onDatagram((datagram) => heard.push(new TextDecoder().decode(datagram)))
      yield* Effect.callback<void>((resume) => {
        const socket = Dgram.createSocket("udp4")
        // Loopback delivers before the sender is told, and what waits in a socket is read in the next turns.
        socket.send("forged", LanAnnouncement.PORT, "127.0.0.1", () => {
          socket.close(() => setImmediate(() => setImmediate(() => resume(Effect.void))))
        })
      })
      assert.isFalse(process.platform === "linux" && heard.includes("forged"))
    }).pipe(Effect.scoped)
  )

  test(
    "is not disturbed by noise",
    Effect.gen(function* () {
      const lan = makeLan()
      const found = yield* node(lan, "192.168.1.1", 7_001)
      const said = Option.getOrThrow(LanAnnouncement.decode(lan.said[0]!))
      assert.deepStrictEqual(said.infohashes, [LanDiscovery.meetingPoint(undefined)])
      lan.say(new Uint8Array(1_400), "192.168.1.5")
      lan.say(LanAnnouncement.encode(said), "192.168.1.5")
      assert.deepStrictEqual(found, [], "it knows its own words, whoever repeats them")
    })
  )
})
