/**
 * RC4 as protocol encryption uses it (Message Stream Encryption): a disguise from whoever sorts traffic by its looks,
 * and no protection of what is said; pieces are checked by their hashes. OpenSSL 3 keeps it in a provider that Node
 * does not load.
 */

/** Bytes of the keystream that are thrown away before the first is used (Message Stream Encryption). */
export const DROPPED_BYTES = 1024

export class Rc4 {
  readonly #state = new Uint8Array(256)
  #i = 0
  #j = 0

  /** A key of 1 to 256 bytes. */
  constructor(key: Uint8Array) {
    const state = this.#state
    for (let i = 0; i < 256; i++) state[i] = i
    let j = 0
    for (let i = 0; i < 256; i++) {
      const value = state[i]!
      j = (j + value + key[i % key.length]!) & 0xff
      state[i] = state[j]!
      state[j] = value
    }
  }

  /** The cipher of a connection: what is to be thrown away is gone. */
  static dropping(key: Uint8Array): Rc4 {
    const cipher = new Rc4(key)
    cipher.apply(new Uint8Array(DROPPED_BYTES))
    return cipher
  }

  /** Encrypts or decrypts in place, going on where the last call ended. Gives the same array. */
  apply<A extends Uint8Array>(bytes: A): A {
    // A stream of megabytes: fields and bounds that the engine cannot see through would halve the speed.
    const state = this.#state
    const length = bytes.length
    let i = this.#i
    let j = this.#j
    for (let at = 0; at < length; at++) {
      i = (i + 1) & 0xff
      const a = state[i]!
      j = (j + a) & 0xff
      const b = state[j]!
      state[i] = b
      state[j] = a
      bytes[at] = bytes[at]! ^ state[(a + b) & 0xff]!
    }
    this.#i = i
    this.#j = j
    return bytes
  }
}
