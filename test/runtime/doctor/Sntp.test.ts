import { assert, describe, it } from "@effect/vitest"
import * as Dgram from "node:dgram"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Sntp from "../../../src/runtime/doctor/Sntp.ts"

const RANDOM = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8])

/** Seconds between 1900 and 1970. */
const EPOCH = 2_208_988_800

const writeTime = (packet: Buffer, at: number, unixMs: number) => {
  const seconds = Math.floor(unixMs / 1_000)
  packet.writeUInt32BE((seconds + EPOCH) % 2 ** 32, at)
  packet.writeUInt32BE(Math.round(((unixMs / 1_000) % 1) * 2 ** 32) % 2 ** 32, at + 4)
}

/** What a server answers whose clock says `serverMs`. */
const reply = (request: Buffer, serverMs: number, first = 0x24, stratum = 2): Buffer => {
  const packet = Buffer.alloc(48)
  packet[0] = first
  packet[1] = stratum
  request.copy(packet, 24, 40, 48)
  writeTime(packet, 32, serverMs)
  writeTime(packet, 40, serverMs)
  return packet
}

/** A time server on loopback that answers with `answer`, or not at all. */
const server = (answer: (request: Buffer) => Buffer | undefined) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly socket: Dgram.Socket; readonly address: string }>((resume) => {
      const socket = Dgram.createSocket("udp4")
      socket.on("message", (request, { address, port }) => {
        const packet = answer(request)
        if (packet !== undefined) socket.send(packet, port, address)
      })
      socket.bind(0, "127.0.0.1", () => {
        resume(Effect.succeed({ socket, address: `127.0.0.1:${socket.address().port}` }))
      })
    }),
    ({ socket }) => Effect.sync(() => socket.close())
  )

describe("Sntp", () => {
  it("tells how far the clock is off, whatever the way there took", () => {
    const request = Sntp.request(RANDOM)
    const now = 1_900_000_000_000
    assert.closeTo(Sntp.offsetOf(reply(request, now + 90_000), RANDOM, now - 20, now + 20) ?? NaN, 90_000, 1)
    assert.closeTo(Sntp.offsetOf(reply(request, now - 90_000), RANDOM, now - 20, now + 20) ?? NaN, -90_000, 1)
  })

  it("reads times after 2036, when the seconds of NTP begin anew", () => {
    const after = Date.UTC(2040, 0, 1)
    assert.closeTo(Sntp.offsetOf(reply(Sntp.request(RANDOM), after), RANDOM, after, after) ?? NaN, 0, 1)
  })

  it("takes nothing that is no answer to the question", () => {
    const request = Sntp.request(RANDOM)
    const now = 1_900_000_000_000
    const good = reply(request, now)
    const other = Sntp.request(Uint8Array.from([9, 9, 9, 9, 9, 9, 9, 9]))
    for (const packet of [
      good.subarray(0, 47),
      Buffer.alloc(0),
      reply(other, now),
      reply(request, now, 0x23),
      reply(request, now, 0xe4),
      reply(request, now, 0x24, 0),
      reply(request, now, 0x24, 16)
    ]) {
      assert.isUndefined(Sntp.offsetOf(packet, RANDOM, now, now))
    }
    assert.isDefined(Sntp.offsetOf(good, RANDOM, now, now))
  })

  it.live("asks a server over UDP", () =>
    Effect.gen(function* () {
      const { address } = yield* server((request) => reply(request, Date.now() + 60_000))
      assert.closeTo(yield* Sntp.offset(address, RANDOM), 60_000, 2_000)
    }).pipe(Effect.scoped)
  )

  it.live("a forged answer before the right one does not count", () =>
    Effect.gen(function* () {
      let sent = 0
      const { address, socket } = yield* server((request) => {
        sent++
        return reply(request, Date.now())
      })
      socket.on("message", (_request, { address: host, port }) => {
        socket.send(reply(Sntp.request(new Uint8Array(8)), 0), port, host)
      })
      assert.closeTo(yield* Sntp.offset(address, RANDOM), 0, 2_000)
      assert.strictEqual(sent, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("a port that there is not is an error that names it", () =>
    Effect.gen(function* () {
      for (const port of ["65536", "99999", "0", "-1", "x", "1.5", ""]) {
        const { message } = yield* Effect.flip(Sntp.offset(`127.0.0.1:${port}`, RANDOM))
        assert.include(message, `127.0.0.1:${port}`)
      }
    })
  )

  it.effect("a server that keeps silent is an error that names it", () =>
    Effect.gen(function* () {
      const { address } = yield* server(() => undefined)
      const asking = yield* Effect.forkChild(Effect.flip(Sntp.offset(address, RANDOM)), { startImmediately: true })
      yield* TestClock.adjust(Sntp.TIMEOUT_MS)
      assert.include((yield* Fiber.join(asking)).message, address)
    }).pipe(Effect.scoped)
  )
})
