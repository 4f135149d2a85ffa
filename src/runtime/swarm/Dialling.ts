/**
 * Dials a peer: a TCP connection, and the handshakes on it. Clients differ in what they refuse, so a peer that hangs up
 * or says nothing is dialled once more in the other dialect.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { connect, type Socket } from "node:net"
import type { Infohash } from "../../protocol/core/Infohash.ts"
import type { PeerAddress } from "../../protocol/core/PeerAddress.ts"
import { type Dialled, dialling, HandshakeFailed } from "./HandshakeExchange.ts"
import type { OpenPeer } from "./PeerConnection.ts"
import { type NotUnderstood, SocketReader } from "./SocketReader.ts"
import type { EncryptionPolicy } from "./SwarmOptions.ts"
import { after } from "./Timer.ts"

export interface Dialling {
  readonly address: PeerAddress
  readonly localAddress: string | undefined
  readonly infohash: Infohash
  readonly peerId: Uint8Array
  /** Whether we have a DHT node. */
  readonly dht: boolean
  /** Default "plain-first". */
  readonly encryption?: EncryptionPolicy | undefined
  /** How long the first of two dialects may take; a peer that neither answers nor hangs up is then tried in the other. */
  readonly patience?: Duration.Duration | undefined
  /** How long all of it may take. */
  readonly timeout?: Duration.Duration | undefined
}

/** Every socket needs a listener, or a reset connection ends the process; `close` follows and says enough. */
export const quiet = (socket: Socket): Socket => socket.on("error", () => {})

type Outcome = Result.Result<OpenPeer, HandshakeFailed | NotUnderstood>

/** A connection in one dialect. `onEnd` is called at most once; the socket is destroyed unless it brings a peer. */
const open = (options: Dialling, dialect: Dialled["dialect"], onEnd: (outcome: Outcome) => void): (() => void) => {
  const { address, localAddress } = options
  const { host, port } = address
  const peer = String(address)
  const socket = quiet(connect({ host, port, noDelay: true, ...(localAddress === undefined ? {} : { localAddress }) }))
  const onError = (error: Error) => {
    socket.destroy()
    onEnd(Result.fail(new HandshakeFailed({ peer, problem: error.message })))
  }
  let stop = (): void => void socket.off("error", onError)
  socket.once("error", onError)
  socket.once("connect", () => {
    socket.off("error", onError)
    const reader = new SocketReader(socket, peer)
    stop = reader.read(dialling(reader, { ...options, dialect }), (outcome) => {
      if (Result.isFailure(outcome)) {
        socket.destroy()
        return onEnd(Result.fail(outcome.failure))
      }
      const { cipher, handshake, rest } = outcome.success
      const { dht, extended, fast } = handshake
      onEnd(Result.succeed({ socket, rest, cipher, host, port, incoming: false, extended, dht, fast }))
    })
  })
  return () => {
    stop()
    socket.destroy()
  }
}

const DIALECTS = {
  "plain-first": ["plain", "encrypted"],
  "encrypted-first": ["encrypted", "plain"],
  required: ["encrypted", undefined]
} as const satisfies Record<EncryptionPolicy, readonly [Dialled["dialect"], Dialled["dialect"] | undefined]>

/** Dials a peer and exchanges handshakes. Where it is interrupted, nothing stays open. */
export const dial = (options: Dialling): Effect.Effect<OpenPeer, HandshakeFailed> =>
  Effect.callback((resume) => {
    const [first, second] = DIALECTS[options.encryption ?? "plain-first"]
    const fail = (problem: string) => {
      stop()
      resume(Effect.fail(new HandshakeFailed({ peer: String(options.address), problem })))
    }
    const end = (outcome: Outcome) => {
      if (Result.isFailure(outcome)) return fail(outcome.failure.problem)
      stopTimers()
      resume(Effect.succeed(outcome.success))
    }
    let close = () => {}
    const tryOther = () => {
      forgetPatience()
      close()
      close = open(options, second ?? first, end)
    }
    const forgetTimeout = after(options.timeout, () => fail("it does not answer"))
    const forgetPatience = second === undefined ? () => {} : after(options.patience, tryOther)
    const stopTimers = () => {
      forgetTimeout()
      forgetPatience()
    }
    const stop = () => {
      stopTimers()
      close()
    }
    close = open(options, first, (outcome) => {
      const isOtherMeant = Result.isFailure(outcome) && outcome.failure._tag === "NotUnderstood"
      if (isOtherMeant && second !== undefined) tryOther()
      else end(outcome)
    })
    return Effect.sync(stop)
  })
