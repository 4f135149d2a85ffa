/**
 * The registry's own signature of a version: ECDSA over P-256 and SHA-256 of `name@version:integrity`,
 * by one of the keys at `/-/npm/v1/keys` (npm documentation, "ECDSA registry signatures"). It says that
 * the registry itself, and not a cache in between, gave the integrity.
 *
 * A registry that has keys signs every package, so that one without a signature is refused: to leave
 * signatures away must not be the way around them.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Crypto from "node:crypto"
import { BadSignature, fail } from "./MirrorError.ts"
import type { Described } from "./Packument.ts"
import * as Failure from "./RegistryFailure.ts"

const KEY_TYPE = "ecdsa-sha2-nistp256"
const CURVE = "prime256v1"

/** Keys of one registry; npm has two. */
const KEYS_MAX = 100

export interface RegistryKey {
  readonly keyid: string
  readonly publicKey: Crypto.KeyObject
  /** Unix ms; what was published from then on it cannot have signed. */
  readonly expires: number | undefined
}

/** By id. */
export type RegistryKeys = ReadonlyMap<string, RegistryKey>

const Document = Schema.Struct({
  keys: Schema.Array(
    Schema.Struct({
      keyid: Schema.NonEmptyString,
      keytype: Schema.String,
      key: Schema.String,
      expires: Schema.optionalKey(Schema.NullOr(Schema.String))
    })
  ).check(Schema.isMaxLength(KEYS_MAX))
})
const decode = Schema.decodeUnknownEffect(Document)

const publicKeyOf = (base64: string): Crypto.KeyObject | undefined => {
  try {
    const key = Crypto.createPublicKey({ key: Buffer.from(base64, "base64"), format: "der", type: "spki" })
    const isP256 = key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === CURVE
    return isP256 ? key : undefined
  } catch {
    return undefined
  }
}

/** Reads the registry's list. Keys of other kinds are passed over; one of our kind that is no key is refused. */
export const parse = Effect.fnUntraced(function* (registry: string, json: unknown) {
  const refuse = (problem: string) =>
    Failure.fail(new Failure.InvalidResponse({ url: new URL("-/npm/v1/keys", registry).href, problem }))
  const { keys } = yield* decode(json).pipe(Effect.mapError((error) => refuse(error.message.split("\n")[0]!)))
  const byId = new Map<string, RegistryKey>()
  for (const { expires, key, keyid, keytype } of keys) {
    if (keytype !== KEY_TYPE) continue
    const publicKey = publicKeyOf(key)
    if (publicKey === undefined) return yield* refuse(`its key ${JSON.stringify(keyid)} is no P-256 key`)
    const end = typeof expires === "string" ? Date.parse(expires) : undefined
    if (Number.isNaN(end)) return yield* refuse(`its key ${JSON.stringify(keyid)} expires at no date`)
    byId.set(keyid, { keyid, publicKey, expires: end })
  }
  return byId as RegistryKeys
})

const isValid = (key: RegistryKey, message: string, signature: string): boolean => {
  try {
    return Crypto.verify("sha256", Buffer.from(message), key.publicKey, Buffer.from(signature, "base64"))
  } catch {
    return false
  }
}

/**
 * Whether the registry signed what it says of a version. Every signature by a known key has to hold.
 * `publishedAt` (Unix ms) is asked where none is by a key that is still good.
 */
export const check = Effect.fnUntraced(function* <E, R>(
  keys: RegistryKeys,
  { integrity, name, signatures, version }: Described,
  publishedAt: Effect.Effect<Option.Option<number>, E, R>
) {
  if (keys.size === 0) return
  const label = `${name}@${version}`
  const refuse = (problem: string) => fail(new BadSignature({ package: label, problem }))
  if (signatures.length === 0) return yield* refuse("it has none, while the registry has keys to sign with")
  const known = signatures.flatMap(({ keyid, sig }) => {
    const key = keys.get(keyid)
    return key === undefined ? [] : [{ key, sig }]
  })
  const [first] = known
  if (first === undefined) {
    return yield* refuse(`the registry has no key ${JSON.stringify(signatures[0]!.keyid)}`)
  }
  const message = `${label}:${integrity ?? ""}`
  const wrong = known.find(({ key, sig }) => !isValid(key, message, sig))
  if (wrong !== undefined) return yield* refuse(`it is not by the key ${wrong.key.keyid}`)
  const now = yield* Clock.currentTimeMillis
  if (known.some(({ key }) => key.expires === undefined || now < key.expires)) return
  const published = yield* publishedAt
  const isInTime = Option.exists(published, (at) => known.some(({ key }) => at < (key.expires ?? 0)))
  if (!isInTime) return yield* refuse(`the key ${first.key.keyid} expired before the package was published`)
})
