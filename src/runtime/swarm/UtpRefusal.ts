/**
 * Says no to those who dial by uTP, on the UDP port beside our TCP port: see `Utp`. Where a DHT node has that port, its
 * socket has to do it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createSocket } from "node:dgram"
import type { PeerAddress } from "../../protocol/core/PeerAddress.ts"
import { full, take } from "../dht/TokenBucket.ts"
import { refusalOf } from "./Utp.ts"

/** Refusals a second in the long run, and at once. They are as long as what they answer, so nobody gains by forging. */
const REFUSALS_PER_SECOND = 100
const REFUSALS_BURST = 500

/** Refuses until the scope closes. Where the port is taken, by a DHT node or by another program, nothing happens. */
export const listen = (address: PeerAddress): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const now = () => clock.currentTimeMillisUnsafe()
    const pace = full(REFUSALS_BURST, now())
    return Effect.asVoid(
      Effect.acquireRelease(
        Effect.callback<() => void>((resume) => {
          const socket = createSocket("udp4")
          const close = () => socket.close()
          socket.once("error", () => {
            socket.removeAllListeners()
            resume(Effect.succeed(() => {}))
          })
          socket.bind({ port: address.port, address: address.host, exclusive: true }, () => {
            socket.removeAllListeners("error")
            socket.on("error", () => {})
            resume(Effect.succeed(close))
          })
          socket.on("message", (datagram, from) => {
            const refusal = refusalOf(datagram)
            if (refusal === undefined || from.port === 0) return
            if (!take(pace, 1, REFUSALS_PER_SECOND, REFUSALS_BURST, now())) return
            socket.send(refusal, from.port, from.address, () => {})
          })
        }),
        (close) => Effect.sync(close)
      )
    )
  })
