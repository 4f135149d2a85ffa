/**
 * The handshake of Message Stream Encryption on a socket, from either side: keys, padding, which torrent is meant
 * (without saying so), and how the rest is said. Both sides send random bytes of random length first, so each searches
 * for what it expects, 512 bytes far and no further.
 */
import type { Infohash } from "../../protocol/core/Infohash.ts"
import {
  encrypted,
  HASH_BYTES,
  initial,
  masked,
  Method,
  pad,
  PAD_MAX_BYTES,
  proposal,
  type StreamCipher,
  streamCipher,
  syncMark,
  torrentMark,
  VERIFICATION_BYTES
} from "./Encryption.ts"
import * as KeyExchange from "./KeyExchange.ts"
import type { SocketReader, Steps } from "./SocketReader.ts"

/** Bytes that the side that dialled may send of its stream before it has an answer (IA): a handshake and little else. */
export const INITIAL_MAX_BYTES = 4096

const u16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!

/** The method bits that we know; the other 30 mean nothing to us. */
const methodsAt = (bytes: Uint8Array, at: number): number => bytes[at + 3]! & (Method.plaintext | Method.rc4)

/** Takes a pad and forgets it; the cipher has to move on over it. */
function* skipPad(reader: SocketReader, length: number, { incoming }: StreamCipher): Steps<void> {
  if (length > PAD_MAX_BYTES) return yield* reader.refuse("it announces more padding than there may be")
  incoming.apply(yield* reader.take(length))
}

/** How the stream goes on: in both ciphers, or as it is. */
const chosen = (method: number, cipher: StreamCipher): StreamCipher | undefined =>
  method === Method.rc4 ? cipher : undefined

/**
 * The side that dialled. `first` is the beginning of our stream, which saves a round trip. Gives the cipher of the
 * stream; `undefined` where the other side chose plaintext.
 */
export function* initiate(
  reader: SocketReader,
  options: { readonly infohash: Infohash; readonly provide: number; readonly first: Uint8Array }
): Steps<StreamCipher | undefined> {
  const { first, infohash, provide } = options
  const keys = KeyExchange.generate()
  reader.socket.write(Buffer.concat([keys.publicKey, pad()]))
  const secret = KeyExchange.secret(keys, yield* reader.take(KeyExchange.KEY_BYTES))
  if (secret === undefined) return yield* reader.refuse("its key is none")
  const cipher = streamCipher(secret, infohash, "dialled")
  const opening = Buffer.concat([proposal(provide), initial(first)])
  reader.socket.write(
    Buffer.concat([syncMark(secret), masked(torrentMark(infohash), secret), encrypted(opening, cipher.outgoing)])
  )
  yield* reader.takeThrough(encrypted(new Uint8Array(VERIFICATION_BYTES), cipher.incoming), PAD_MAX_BYTES)
  const answer = cipher.incoming.apply(yield* reader.take(6))
  const method = methodsAt(answer, 0) & provide
  if (method !== Method.plaintext && method !== Method.rc4) return yield* reader.refuse("it chose no way to go on")
  yield* skipPad(reader, u16(answer, 4), cipher)
  return chosen(method, cipher)
}

export interface Opened {
  readonly infohash: Infohash
  /** What the other side has said of its stream so far. */
  readonly first: Uint8Array
  /** `undefined` where the stream goes on as it is. */
  readonly cipher: StreamCipher | undefined
}

/**
 * The side that listens; the key of the other side has been read. `find` tells which torrent a mark means, `choose`
 * takes the methods that are offered and gives one of them, or 0.
 */
export function* respond(
  reader: SocketReader,
  theirKey: Uint8Array,
  options: {
    readonly find: (mark: Uint8Array) => Infohash | undefined
    readonly choose: (provided: number) => number
  }
): Steps<Opened> {
  const keys = KeyExchange.generate()
  const secret = KeyExchange.secret(keys, theirKey)
  if (secret === undefined) return yield* reader.refuse("its key is none")
  reader.socket.write(Buffer.concat([keys.publicKey, pad()]))
  yield* reader.takeThrough(syncMark(secret), PAD_MAX_BYTES)
  const infohash = options.find(masked(yield* reader.take(HASH_BYTES), secret))
  if (infohash === undefined) return yield* reader.refuse("it asks for a torrent that is not served")
  const cipher = streamCipher(secret, infohash, "listened")
  const opening = cipher.incoming.apply(yield* reader.take(VERIFICATION_BYTES + 6))
  if (opening.subarray(0, VERIFICATION_BYTES).some((byte) => byte !== 0)) {
    return yield* reader.refuse("it does not know the torrent")
  }
  yield* skipPad(reader, u16(opening, VERIFICATION_BYTES + 4), cipher)
  const length = u16(cipher.incoming.apply(yield* reader.take(2)), 0)
  if (length > INITIAL_MAX_BYTES) return yield* reader.refuse("it says too much before it has an answer")
  const first = cipher.incoming.apply(yield* reader.take(length))
  const method = options.choose(methodsAt(opening, VERIFICATION_BYTES))
  if (method === 0) return yield* reader.refuse("it offers no way to go on")
  reader.socket.write(encrypted(proposal(method), cipher.outgoing))
  return { infohash, first, cipher: chosen(method, cipher) }
}
