/**
 * How far this machine's clock is off, by one question to a time server (SNTP, RFC 4330). Records are dated, and a
 * clock that runs ahead makes others refuse them.
 */
import * as Dgram from "node:dgram"
import { isIPv4 } from "node:net"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Servers that are meant for everybody to ask. */
export const DEFAULT_SERVER = "pool.ntp.org:123"

/** A time server that is near answers within a tenth of it. */
export const TIMEOUT_MS = 3_000

/** RFC 4330 section 4: a packet without its optional parts. */
const PACKET_BYTES = 48
/** Leap indicator 0, version 4, mode 3 (client). */
const CLIENT_HEADER = 0x23
const MODE_MASK = 0x07
const MODE_SERVER = 4
/** A clock that is not synchronised says so with this leap indicator. */
const LEAP_UNKNOWN = 3
const STRATUM_MAX = 15
const PORT_MAX = 65_535

const STRATUM_AT = 1
const ORIGINATE_AT = 24
const RECEIVE_AT = 32
const TRANSMIT_AT = 40

/** Seconds from 1900, where NTP counts from, to 1970. */
const NTP_TO_UNIX_SECONDS = 2_208_988_800
/** NTP's 32 bits of seconds begin anew in 2036: a time before 1968 is one after that (RFC 4330 section 3). */
const ERA_SECONDS = 2 ** 32
const ERA_SPLIT = 2 ** 31

export class SntpError extends Schema.TaggedError<SntpError>()("SntpError", {
  server: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `The time server ${this.server} did not help: ${this.problem}`
  }
}

/** Unix milliseconds of an NTP timestamp. */
const timeAt = (packet: Buffer, at: number): number => {
  const seconds = packet.readUInt32BE(at)
  const era = seconds < ERA_SPLIT ? ERA_SECONDS : 0
  return (seconds + era - NTP_TO_UNIX_SECONDS + packet.readUInt32BE(at + 4) / 2 ** 32) * 1_000
}

/** A packet with which a client asks; `transmitted` (8 bytes) comes back in the reply, so that nobody can answer blindly. */
export const request = (transmitted: Uint8Array): Buffer => {
  const packet = Buffer.alloc(PACKET_BYTES)
  packet[0] = CLIENT_HEADER
  packet.set(transmitted.subarray(0, 8), TRANSMIT_AT)
  return packet
}

/**
 * Milliseconds to add to this clock, which said `sentAt` and `receivedAt`; `undefined` where the packet is no answer to the
 * request that carried `transmitted`. RFC 4330 section 5: ((T2 − T1) + (T3 − T4)) / 2.
 */
export const offsetOf = (
  packet: Buffer,
  transmitted: Uint8Array,
  sentAt: number,
  receivedAt: number
): number | undefined => {
  if (packet.length < PACKET_BYTES || (packet[0]! & MODE_MASK) !== MODE_SERVER || packet[0]! >> 6 === LEAP_UNKNOWN) {
    return undefined
  }
  if (!packet.subarray(ORIGINATE_AT, RECEIVE_AT).equals(transmitted.subarray(0, 8))) return undefined
  const stratum = packet[STRATUM_AT]!
  // Stratum 0 is a "kiss of death": the server wants to be left alone.
  if (stratum === 0 || stratum > STRATUM_MAX || packet.readUInt32BE(TRANSMIT_AT) === 0) return undefined
  return (timeAt(packet, RECEIVE_AT) - sentAt + (timeAt(packet, TRANSMIT_AT) - receivedAt)) / 2
}

/** Asks `host:port` once. `random` are 8 bytes that nobody can guess. Gives the milliseconds to add to this clock. */
export const offset = Effect.fn("Sntp.offset")(function* (server: string, random: Uint8Array) {
  const clock = yield* Clock.Clock
  const host = server.slice(0, server.lastIndexOf(":"))
  const port = Number(server.slice(server.lastIndexOf(":") + 1))
  const failed = (problem: string) => new SntpError({ server, problem })
  if (!Number.isInteger(port) || port < 1 || port > PORT_MAX) return yield* failed("there is no such port")
  return yield* Effect.callback<number, SntpError>((resume) => {
    const socket = Dgram.createSocket("udp4")
    let sentAt = 0
    const failing = (error: Error) => resume(Effect.fail(failed(error.message)))
    socket.on("error", failing)
    socket.on("message", (packet, from) => {
      if (from.port !== port || (isIPv4(host) && from.address !== host)) return
      const found = offsetOf(packet, random, sentAt, clock.currentTimeMillisUnsafe())
      if (found !== undefined) resume(Effect.succeed(found))
    })
    sentAt = clock.currentTimeMillisUnsafe()
    try {
      socket.send(request(random), port, host, (error) => {
        if (error !== null) failing(error)
      })
    } catch (error) {
      // What Node will not even try to send it throws.
      failing(error instanceof Error ? error : new Error(String(error)))
    }
    return Effect.sync(() => socket.close())
  }).pipe(Effect.timeoutOrElse({ duration: TIMEOUT_MS, orElse: () => Effect.fail(failed("it did not answer")) }))
})
