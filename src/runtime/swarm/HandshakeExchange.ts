/**
 * Handshakes on a socket, from either side: 68 bytes each way before anything else is said (BEP 3), as they are or
 * encrypted (Message Stream Encryption). Whoever is slow, speaks another protocol or means another torrent is left
 * without a word. Clients differ in what they refuse, so a peer that hangs up is dialled once more in the other dialect.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { connect, type Socket } from "node:net"
import * as Infohash from "../../protocol/core/Infohash.ts"
import type { PeerAddress } from "../../protocol/core/PeerAddress.ts"
import * as EncryptedHandshake from "./EncryptedHandshake.ts"
import { encrypted, Method, type StreamCipher } from "./Encryption.ts"
import * as Handshake from "./Handshake.ts"
import { KEY_BYTES } from "./KeyExchange.ts"
import type { OpenPeer } from "./PeerConnection.ts"
import { type NotUnderstood, SocketReader } from "./SocketReader.ts"
import type { EncryptionPolicy } from "./SwarmOptions.ts"

/** No connection came of it. Never leaves the swarm: another peer is tried. */
export class HandshakeFailed extends Schema.TaggedError<HandshakeFailed>()("HandshakeFailed", {
  peer: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `No connection to the peer ${this.peer}: ${this.problem}`
  }
}

/** The first bytes show which of the two handshakes it is: nobody's public key begins with the protocol's name. */
const TELLING_BYTES = 20

export interface Received {
  readonly handshake: Handshake.Handshake
  /** What came behind it, decrypted. */
  readonly rest: Uint8Array
  /** `undefined` where the stream is not encrypted. */
  readonly cipher: StreamCipher | undefined
}

const decode = (reader: SocketReader, bytes: Uint8Array) =>
  Option.match(Handshake.decode(bytes), {
    onNone: () => Effect.fail(reader.refuse("it does not speak BitTorrent")),
    onSome: Effect.succeed
  })

/** A handshake of which `first` has come already, and what came behind it. */
const complete = Effect.fnUntraced(function* (
  reader: SocketReader,
  first: Uint8Array,
  cipher: StreamCipher | undefined
): Effect.fn.Return<Received, NotUnderstood> {
  const missing = Math.max(0, Handshake.HANDSHAKE_BYTES - first.length)
  const decrypted = (bytes: Uint8Array) => (cipher === undefined ? bytes : cipher.incoming.apply(bytes))
  const come = Buffer.concat([first, decrypted(yield* reader.take(missing))])
  const handshake = yield* decode(reader, come.subarray(0, Handshake.HANDSHAKE_BYTES))
  const rest = Buffer.concat([come.subarray(Handshake.HANDSHAKE_BYTES), decrypted(reader.rest)])
  return { handshake, rest, cipher }
})

export interface Listening {
  readonly encryption: EncryptionPolicy
  /** The torrent behind HASH('req2', infohash). */
  readonly find: (mark: Uint8Array) => Infohash.Infohash | undefined
  /** Whether there is time for a key exchange, which costs far more than all else that a stranger can ask for. */
  readonly mayExchangeKeys: () => boolean
}

/** What we choose of what a peer offers: encryption costs more than all other work on a block, so it has to be wanted. */
const choose =
  (encryption: EncryptionPolicy) =>
  (provided: number): number => {
    const wanted = encryption === "plain-first" ? [Method.plaintext, Method.rc4] : [Method.rc4, Method.plaintext]
    const allowed = encryption === "required" ? [Method.rc4] : wanted
    return allowed.find((method) => (provided & method) !== 0) ?? 0
  }

/** Reads the handshake of a peer that dialled, in whichever dialect, and leaves the socket paused. */
export const receive = Effect.fnUntraced(function* (
  socket: Socket,
  peer: string,
  options: Listening
): Effect.fn.Return<Received, NotUnderstood> {
  const reader = new SocketReader(socket, peer)
  const start = yield* reader.take(TELLING_BYTES)
  if (Handshake.isPrefix(start)) {
    if (options.encryption === "required") return yield* reader.refuse("it does not encrypt")
    return yield* complete(reader, start, undefined)
  }
  const key = Buffer.concat([start, yield* reader.take(KEY_BYTES - TELLING_BYTES)])
  if (!options.mayExchangeKeys()) return yield* reader.refuse("there were too many key exchanges")
  const opened = yield* EncryptedHandshake.respond(reader, key, {
    find: options.find,
    choose: choose(options.encryption)
  })
  const received = yield* complete(reader, opened.first, opened.cipher)
  if (Infohash.equals(received.handshake.infohash, opened.infohash)) return received
  return yield* reader.refuse("it means two torrents at once")
})

/** Sends our handshake after a peer's, in the dialect of the peer. */
export const reply = (socket: Socket, { cipher }: Received, handshake: Uint8Array): void => {
  socket.write(cipher === undefined ? handshake : encrypted(handshake, cipher.outgoing))
}

/** Every socket needs a listener, or a reset connection ends the process; `close` follows and says enough. */
export const quiet = (socket: Socket): Socket => socket.on("error", () => {})

const connected = (address: PeerAddress, localAddress: string | undefined): Effect.Effect<Socket, HandshakeFailed> =>
  Effect.callback((resume) => {
    const socket = quiet(
      connect({
        host: address.host,
        port: address.port,
        noDelay: true,
        ...(localAddress === undefined ? {} : { localAddress })
      })
    )
    const fail = (error: Error) =>
      resume(Effect.fail(new HandshakeFailed({ peer: String(address), problem: error.message })))
    socket.once("error", fail)
    socket.once("connect", () => {
      socket.off("error", fail)
      resume(Effect.succeed(socket))
    })
    return Effect.sync(() => socket.destroy())
  })

export interface Dialling {
  readonly address: PeerAddress
  readonly localAddress: string | undefined
  readonly infohash: Infohash.Infohash
  readonly peerId: Uint8Array
  /** Whether we have a DHT node. */
  readonly dht: boolean
  /** Default "plain-first". */
  readonly encryption?: EncryptionPolicy | undefined
  /** How long the first of two dialects may take; a peer that neither answers nor hangs up is then tried in the other. */
  readonly patience?: Duration.Duration | undefined
}

/** Both handshakes in one dialect. The socket is destroyed unless this succeeds. */
const attempt = Effect.fnUntraced(function* (options: Dialling, dialect: "plain" | "encrypted") {
  const { address, infohash, peerId } = options
  const peer = String(address)
  const refuse = (problem: string) => new HandshakeFailed({ peer, problem })
  const socket = yield* connected(address, options.localAddress)
  return yield* Effect.gen(function* () {
    const reader = new SocketReader(socket, peer)
    const first = Handshake.encode(infohash, peerId, { dht: options.dht, fast: true })
    let cipher: StreamCipher | undefined
    if (dialect === "plain") socket.write(first)
    else {
      const provide = options.encryption === "required" ? Method.rc4 : Method.plaintext | Method.rc4
      cipher = yield* EncryptedHandshake.initiate(reader, { infohash, provide, first })
    }
    const { handshake, rest } = yield* complete(reader, new Uint8Array(), cipher)
    if (!Infohash.equals(handshake.infohash, infohash)) return yield* refuse("it offers another torrent")
    if (Buffer.compare(handshake.peerId, peerId) === 0) return yield* refuse("it is this node itself")
    const { host, port } = address
    const { dht, extended, fast } = handshake
    return { socket, rest, cipher, host, port, incoming: false, extended, dht, fast } satisfies OpenPeer
  }).pipe(Effect.onExit((exit) => Effect.sync(() => (exit._tag === "Success" ? undefined : socket.destroy()))))
})

const DIALECTS = {
  "plain-first": ["plain", "encrypted"],
  "encrypted-first": ["encrypted", "plain"],
  required: ["encrypted", undefined]
} as const satisfies Record<EncryptionPolicy, readonly ["plain" | "encrypted", ("plain" | "encrypted") | undefined]>

/** Dials a peer and exchanges handshakes. */
export const dial = Effect.fnUntraced(function* (options: Dialling): Effect.fn.Return<OpenPeer, HandshakeFailed> {
  const [first, second] = DIALECTS[options.encryption ?? "plain-first"]
  if (second !== undefined) {
    const opened = yield* attempt(options, first).pipe(
      Effect.timeoutOption(options.patience ?? Duration.infinity),
      Effect.catchTag("NotUnderstood", () => Effect.succeedNone)
    )
    if (Option.isSome(opened)) return opened.value
  }
  return yield* attempt(options, second ?? first).pipe(
    Effect.catchTag("NotUnderstood", ({ peer, problem }) => Effect.fail(new HandshakeFailed({ peer, problem })))
  )
})
