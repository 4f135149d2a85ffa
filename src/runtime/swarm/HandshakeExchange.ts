/**
 * Handshakes on a socket, from either side: 68 bytes each way before anything else is said (BEP 3), as they are or
 * encrypted (Message Stream Encryption). Whoever speaks another protocol or means another torrent is left without a word.
 */
import * as Option from "effect/Option"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Socket } from "node:net"
import * as Infohash from "../../protocol/core/Infohash.ts"
import * as EncryptedHandshake from "./EncryptedHandshake.ts"
import { encrypted, Method, type StreamCipher } from "./Encryption.ts"
import * as Handshake from "./Handshake.ts"
import { KEY_BYTES } from "./KeyExchange.ts"
import { failing, type NotUnderstood, SocketReader, type Steps } from "./SocketReader.ts"
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

/** A handshake of which `first` has come already, and what came behind it. */
function* complete(reader: SocketReader, first: Uint8Array, cipher: StreamCipher | undefined): Steps<Received> {
  const missing = Math.max(0, Handshake.HANDSHAKE_BYTES - first.length)
  const decrypted = (bytes: Uint8Array) => (cipher === undefined ? bytes : cipher.incoming.apply(bytes))
  const come = Buffer.concat([first, decrypted(yield* reader.take(missing))])
  const handshake = Option.getOrUndefined(Handshake.decode(come.subarray(0, Handshake.HANDSHAKE_BYTES)))
  if (handshake === undefined) return yield* reader.refuse("it does not speak BitTorrent")
  const rest = Buffer.concat([come.subarray(Handshake.HANDSHAKE_BYTES), decrypted(reader.rest)])
  return { handshake, rest, cipher }
}

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

function* listening(reader: SocketReader, options: Listening): Steps<Received> {
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
}

/** Reads the handshake of a peer that dialled, in whichever dialect. `onEnd` is called once. */
export const receive = (
  socket: Socket,
  peer: string,
  options: Listening,
  onEnd: (outcome: Result.Result<Received, NotUnderstood>) => void
): void => {
  const reader = new SocketReader(socket, peer)
  reader.read(listening(reader, options), onEnd)
}

/** Sends our handshake after a peer's, in the dialect of the peer. */
export const reply = (socket: Socket, { cipher }: Received, handshake: Uint8Array): void => {
  socket.write(cipher === undefined ? handshake : encrypted(handshake, cipher.outgoing))
}

export interface Dialled {
  readonly dialect: "plain" | "encrypted"
  readonly infohash: Infohash.Infohash
  readonly peerId: Uint8Array
  /** Whether we have a DHT node. */
  readonly dht: boolean
  /** Default "plain-first". */
  readonly encryption?: EncryptionPolicy | undefined
}

/** Both handshakes with a peer that was dialled, in one dialect. */
export function* dialling(
  reader: SocketReader,
  { dht, dialect, encryption, infohash, peerId }: Dialled
): Steps<Received, HandshakeFailed | NotUnderstood> {
  const refuse = (problem: string) => failing(new HandshakeFailed({ peer: reader.peer, problem }))
  const first = Handshake.encode(infohash, peerId, { dht, fast: true })
  let cipher: StreamCipher | undefined
  if (dialect === "plain") reader.socket.write(first)
  else {
    const provide = encryption === "required" ? Method.rc4 : Method.plaintext | Method.rc4
    cipher = yield* EncryptedHandshake.initiate(reader, { infohash, provide, first })
  }
  const received = yield* complete(reader, new Uint8Array(), cipher)
  if (!Infohash.equals(received.handshake.infohash, infohash)) return yield* refuse("it offers another torrent")
  if (Buffer.compare(received.handshake.peerId, peerId) === 0) return yield* refuse("it is this node itself")
  return received
}
