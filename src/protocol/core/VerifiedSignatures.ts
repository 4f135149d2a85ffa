/**
 * `Ed25519` with a memory of the signatures that it found valid. A look-up brings one record from some
 * twenty nodes, and the next look-up brings it again: a check costs about 100 µs, remembering one 1 µs.
 *
 * Verdicts are those of the backend. Only valid signatures are kept, so strangers can fill the memory
 * with their own true statements at most, and all it does is to forget.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Ed25519, SIGNATURE_BYTES } from "./Ed25519.ts"
import { RecentMap } from "./RecentMap.ts"

/** Signatures remembered. With a full record each (1.1 KB) they take about 6 MB. */
export const CAPACITY = 4096

/** Whether `signature` (64 bytes) of `message` was made by `publicKey` (32 bytes). Never throws. */
export type Verify = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => boolean

interface Verified {
  readonly signature: Uint8Array
  readonly message: Uint8Array
  readonly publicKey: Uint8Array
}

/** Where S begins in a signature (RFC 8032 §5.1.6). */
const SCALAR_AT = 32

/**
 * 48 bits of S, which take no time to read: every byte is compared after that. Whoever makes two
 * signatures that agree in them makes one of the two be checked again.
 */
const placeOf = (signature: Uint8Array): number => {
  let place = 0
  for (let at = SCALAR_AT; at < SCALAR_AT + 6; at++) place = place * 256 + signature[at]!
  return place
}

/** `verify`, which is asked once for each valid signature among the latest `capacity`. */
export const remembering = (verify: Verify, capacity: number = CAPACITY): Verify => {
  const valid = new RecentMap<number, Verified>(capacity)
  return (signature, message, publicKey) => {
    if (signature.length !== SIGNATURE_BYTES) return verify(signature, message, publicKey)
    const place = placeOf(signature)
    const known = valid.get(place)
    if (
      known !== undefined &&
      Bytes.Equivalence(known.signature, signature) &&
      Bytes.Equivalence(known.publicKey, publicKey) &&
      Bytes.Equivalence(known.message, message)
    ) {
      // What is asked for stays, however many others come by.
      valid.set(place, known)
      return true
    }
    if (!verify(signature, message, publicKey)) return false
    // Copies: what the caller does with its own later must not change what was found valid.
    valid.set(place, { signature: copy(signature), message: copy(message), publicKey: copy(publicKey) })
    return true
  }
}

/** `slice` of Node's Buffer would share the memory. */
const copy = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes)

/** The `Ed25519` that it is given, with a memory of `capacity` signatures. */
export const layerOf = (capacity: number): Layer.Layer<Ed25519, never, Ed25519> =>
  Layer.effect(
    Ed25519,
    Effect.map(Ed25519, (backend) => Ed25519.of({ ...backend, verify: remembering(backend.verify, capacity) }))
  )

/** {@link layerOf} with the usual {@link CAPACITY}. */
export const layer: Layer.Layer<Ed25519, never, Ed25519> = layerOf(CAPACITY)
