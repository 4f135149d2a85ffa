/** Reads a record of a known key and decodes its value: the one path from the DHT to a typed value. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { PublicKey } from "../core/PublicKey.ts"
import { Dht } from "../dht/Dht.ts"
import * as KeyString from "../dht/KeyString.ts"
import { InvalidRecord, type Record } from "../dht/Record.ts"
import { RegistryError } from "./RegistryError.ts"

/** A verified record together with what it says. */
export interface Found<A> {
  readonly record: Record
  readonly value: A
}

/** Decodes a verified record's value; a value that its key signed but that makes no sense is an `InvalidRecord`. */
export const open = <A>(codec: Schema.Codec<A, Uint8Array>, subject: string) => {
  const decode = Schema.decodeUnknownEffect(codec)
  return (record: Record): Effect.Effect<Found<A>, RegistryError> =>
    decode(record.value).pipe(
      Effect.mapBoth({
        onSuccess: (value) => ({ record, value }),
        onFailure: (error) =>
          new RegistryError({ reason: new InvalidRecord({ subject, problem: error.message.split("\n")[0]! }) })
      })
    )
}

/** `None` when the network has no record under that key and key string. */
export const find = Effect.fnUntraced(function* <A>(
  publicKey: PublicKey,
  keyString: string,
  codec: Schema.Codec<A, Uint8Array>
) {
  const dht = yield* Dht
  const found = yield* dht
    .get(publicKey, KeyString.saltOf(keyString))
    .pipe(Effect.mapError((reason) => new RegistryError({ reason })))
  if (Option.isNone(found)) return Option.none<Found<A>>()
  return Option.some(yield* open(codec, keyString)(found.value))
})
