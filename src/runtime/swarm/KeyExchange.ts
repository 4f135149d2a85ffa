/**
 * The key exchange of Message Stream Encryption: Diffie-Hellman over a prime of 768 bits with the generator 2. Node's
 * own takes 28 ms of CPU to check the prime anew for every exchange, and throws at keys that make no sense; these are
 * two powers of less than 1 ms.
 */
import { randomBytes } from "node:crypto"

/** Public keys and secrets, big-endian with leading zeros. */
export const KEY_BYTES = 96
/** Bytes of a private key; more add nothing (Message Stream Encryption). */
const PRIVATE_BYTES = 20

const PRIME = BigInt(
  "0xffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563"
)
const GENERATOR = 2n

const toBigInt = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString("hex")}`)

const toBytes = (value: bigint): Uint8Array => Buffer.from(value.toString(16).padStart(2 * KEY_BYTES, "0"), "hex")

const power = (base: bigint, exponent: Uint8Array): bigint => {
  let result = 1n
  for (const byte of exponent) {
    for (let mask = 0x80; mask > 0; mask >>= 1) {
      result = (result * result) % PRIME
      if ((byte & mask) !== 0) result = (result * base) % PRIME
    }
  }
  return result
}

export interface KeyPair {
  /** 20 bytes. */
  readonly privateKey: Uint8Array
  /** 96 bytes. */
  readonly publicKey: Uint8Array
}

export const fromPrivate = (privateKey: Uint8Array): KeyPair => ({
  privateKey,
  publicKey: toBytes(power(GENERATOR, privateKey))
})

/** A new pair for one connection. */
export const generate = (): KeyPair => fromPrivate(randomBytes(PRIVATE_BYTES))

/**
 * The 96 bytes that both sides then know; `undefined` for a public key that is not between 2 and the prime less 2, whose
 * secrets anybody knows.
 */
export const secret = (own: KeyPair, theirs: Uint8Array): Uint8Array | undefined => {
  const key = toBigInt(theirs)
  return key > 1n && key < PRIME - 1n ? toBytes(power(key, own.privateKey)) : undefined
}
