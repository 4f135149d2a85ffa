/**
 * Whether a tarball is the one that the registry speaks of: Subresource Integrity (W3C SRI, section 3)
 * as npm writes it. Only SHA-512 will do; SHA-1, which old registries give beside it, proves nothing.
 */
import * as Effect from "effect/Effect"
import * as Crypto from "node:crypto"
import { fail, IntegrityMismatch, type MirrorError, NoIntegrity } from "./MirrorError.ts"

/** `sha512-`, base64 of 64 bytes, and options that mean nothing. */
const SHA512 = /^(sha512-[A-Za-z0-9+/]{86}==)(?:\?.*)?$/

/** Characters of an integrity that are looked at: dozens of hashes. */
const MAX_CHARS = 4096

/** SRI of bytes. */
export const of = (bytes: Uint8Array): string => `sha512-${Crypto.createHash("sha512").update(bytes).digest("base64")}`

/** The SHA-512 hashes in `integrity`, any of which will do. */
export const accepted = (
  label: string,
  integrity: string | undefined
): Effect.Effect<ReadonlyArray<string>, MirrorError> => {
  const hashes = (integrity ?? "")
    .slice(0, MAX_CHARS)
    .split(/\s+/)
    .flatMap((each) => SHA512.exec(each)?.[1] ?? [])
  return hashes.length > 0 ? Effect.succeed(hashes) : Effect.fail(fail(new NoIntegrity({ package: label })))
}

/** Fails with `IntegrityMismatch`, and with `NoIntegrity`. `label` is `name@version`. */
export const check = Effect.fnUntraced(function* (label: string, bytes: Uint8Array, integrity: string | undefined) {
  const expected = yield* accepted(label, integrity)
  const actual = of(bytes)
  if (!expected.includes(actual)) {
    return yield* fail(new IntegrityMismatch({ package: label, expected: expected.join(" "), actual }))
  }
})
