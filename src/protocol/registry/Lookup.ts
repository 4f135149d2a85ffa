/**
 * Reads a record of a known key and decodes its value: the one path from the network to a typed
 * value. What this host has seen before counts too, so that nobody can serve it an older record.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { PublicKey } from "../core/PublicKey.ts"
import { Dht } from "../dht/Dht.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import { RegistryError } from "./RegistryError.ts"

/** A verified record together with what it says. */
export interface Found<A> {
  readonly record: Record.Record
  readonly value: A
}

/** A record in the network, and the one that this host remembers; the same object where they are the same. */
export interface Pair {
  readonly remote: Record.Record | undefined
  readonly local: Record.Record | undefined
}

/** Decodes a verified record's value; a value that its key signed but that makes no sense is an `InvalidRecord`. */
export const open = <A>(codec: Schema.Codec<A, Uint8Array>, subject: string) => {
  const decode = Schema.decodeUnknownEffect(codec)
  return (record: Record.Record): Effect.Effect<Found<A>, RegistryError> =>
    decode(record.value).pipe(
      Effect.mapBoth({
        onSuccess: (value) => ({ record, value }),
        onFailure: (error) =>
          new RegistryError({ reason: new Record.InvalidRecord({ subject, problem: error.message.split("\n")[0]! }) })
      })
    )
}

const isSame = (self: Record.Record, that: Record.Record): boolean =>
  self.seq === that.seq && Bytes.Equivalence(self.value, that.value)

/** Asks the network and the own memory. Nothing is remembered. */
export const both = Effect.fnUntraced(function* (publicKey: PublicKey, keyString: string) {
  const dht = yield* Dht
  const store = yield* RecordStore
  const salt = KeyString.saltOf(keyString)
  const toError = (reason: RegistryError["reason"]) => new RegistryError({ reason })
  const remote = Option.getOrUndefined(yield* dht.get(publicKey, salt).pipe(Effect.mapError(toError)))
  const local = Option.getOrUndefined(yield* store.find(publicKey, salt).pipe(Effect.mapError(toError)))
  return {
    remote,
    local: remote !== undefined && local !== undefined && isSame(remote, local) ? remote : local
  } satisfies Pair
})

export const remember = Effect.fnUntraced(function* (record: Record.Record) {
  const store = yield* RecordStore
  yield* store.remember(record).pipe(Effect.mapError((reason) => new RegistryError({ reason })))
})

/** The newer of the two records of a pair. */
export const newest = ({ local, remote }: Pair): Record.Record | undefined =>
  local === undefined || remote === undefined ? (local ?? remote) : Record.newer(remote, local)

/** The newest record under a key and key string, remembered from now on. `None` when nobody has one. */
export const find = Effect.fnUntraced(function* <A>(
  publicKey: PublicKey,
  keyString: string,
  codec: Schema.Codec<A, Uint8Array>
) {
  const pair = yield* both(publicKey, keyString)
  const record = newest(pair)
  if (record === undefined) return Option.none<Found<A>>()
  const found = yield* open(codec, keyString)(record)
  if (record !== pair.local) yield* remember(record)
  return Option.some(found)
})
