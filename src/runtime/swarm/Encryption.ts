/**
 * Message Stream Encryption ("protocol encryption"), the parts of it: what the two sides hash, how their ciphers begin,
 * and what stands before the stream. Nothing here reads or writes a socket.
 */
import { hash as digestOf, randomBytes, randomInt } from "node:crypto"
import type { Infohash } from "../../protocol/core/Infohash.ts"
import { Rc4 } from "./Rc4.ts"

/** Most bytes of each of the pads A to D. */
export const PAD_MAX_BYTES = 512
/** HASH is SHA-1. */
export const HASH_BYTES = 20
/** The verification constant: zeros, by which the other side finds where the encrypted part begins. */
export const VERIFICATION_BYTES = 8

/** Bits of `crypto_provide` and `crypto_select`. */
export const Method = { plaintext: 1, rc4: 2 } as const

/** What a connection is said in from the end of the handshakes on; a method has both ciphers or none. */
export interface StreamCipher {
  /** For what comes. */
  readonly incoming: Rc4
  /** For what goes. */
  readonly outgoing: Rc4
}

const hash = (label: string, ...parts: ReadonlyArray<Uint8Array>): Buffer =>
  digestOf("sha1", Buffer.concat([Buffer.from(label, "latin1"), ...parts]), "buffer")

/** HASH('req1', S): where the padding of the side that dialled ends. */
export const syncMark = (secret: Uint8Array): Uint8Array => hash("req1", secret)

/** HASH('req2', SKEY): the name under which a torrent is asked for. 20 bytes. */
export const torrentMark = (infohash: Infohash): Uint8Array => hash("req2", infohash)

/** Covers a torrent's mark with HASH('req3', S), and uncovers it again. */
export const masked = (mark: Uint8Array, secret: Uint8Array): Uint8Array => {
  const mask = hash("req3", secret)
  return mark.map((byte, i) => byte ^ mask[i]!)
}

/** The side that dialled sends under `keyA`, the other under `keyB`. */
export const streamCipher = (secret: Uint8Array, infohash: Infohash, side: "dialled" | "listened"): StreamCipher => {
  const [a, b] = [Rc4.dropping(hash("keyA", secret, infohash)), Rc4.dropping(hash("keyB", secret, infohash))]
  return side === "dialled" ? { incoming: b, outgoing: a } : { incoming: a, outgoing: b }
}

/** 0 to 512 random bytes. */
export const pad = (): Uint8Array => randomBytes(randomInt(PAD_MAX_BYTES + 1))

const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff)

/** VC, methods (`crypto_provide` or `crypto_select`), length of the pad, pad; not encrypted. */
export const proposal = (methods: number): Uint8Array => {
  const padding = pad()
  const zeros = new Uint8Array(VERIFICATION_BYTES)
  return Buffer.concat([zeros, Uint8Array.of(0, 0, 0, methods), u16(padding.length), padding])
}

/** The first bytes of the stream (IA), with their length before them; not encrypted. */
export const initial = (bytes: Uint8Array): Uint8Array => Buffer.concat([u16(bytes.length), bytes])

/** Encrypts a copy. */
export const encrypted = (bytes: Uint8Array, cipher: Rc4): Uint8Array => cipher.apply(Uint8Array.from(bytes))
