/**
 * Reads a record of a known key and decodes its value: the one path from the network to a typed
 * value. What this host has seen before counts too, so that nobody can serve it an older record.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { PublicKey } from "../core/PublicKey.ts"
import { Dht, type LookupOptions } from "../dht/Dht.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import * as Transient from "../dht/Transient.ts"
import { type RegistryError, toRegistryError } from "./RegistryError.ts"

/** A verified record together with what it says. */
export interface Found<A> {
  readonly record: Record.Record
  readonly value: A
}

/** A record in the network, and the one that this host remembers; the same object where they are the same. */
export interface Pair {
  readonly remote: Record.Record | undefined
  readonly local: Record.Record | undefined
  /** Nodes that gave the network's record. */
  readonly responders: ReadonlyArray<string>
  /** What else the key signed under the number of the network's record, and is not the remembered one. */
  readonly rivals: ReadonlyArray<Record.Record>
  /** What other nodes still gave under lower numbers. */
  readonly older: ReadonlyArray<Record.Record>
  /** Whether the network was not asked at all. */
  readonly isOffline: boolean
}

const NONE: ReadonlyArray<Record.Record> = []

const invalid = (subject: string, problem: string) => toRegistryError(new Record.InvalidRecord({ subject, problem }))

/** Decodes a verified record's value; a value that its key signed but that makes no sense is an `InvalidRecord`. */
export const open = <A>(codec: Schema.Codec<A, Uint8Array>, subject: string) => {
  const decode = Schema.decodeUnknownEffect(codec)
  return (record: Record.Record): Effect.Effect<Found<A>, RegistryError> =>
    decode(record.value).pipe(
      Effect.mapBoth({
        onSuccess: (value) => ({ record, value }),
        onFailure: (error) => invalid(subject, error.message.split("\n")[0]!)
      })
    )
}

/** As {@link open}, for a decoder without a schema around it: what every resolution does. */
export const openWith = <A>(
  decode: (bytes: Uint8Array) => Result.Result<A, string>,
  record: Record.Record,
  subject: string
): Result.Result<Found<A>, RegistryError> =>
  Result.mapBoth(decode(record.value), {
    onSuccess: (value) => ({ record, value }),
    onFailure: (problem) => invalid(subject, problem)
  })

/** The record that this host remembers. */
export const recall = (publicKey: PublicKey, salt: KeyString.Salt) =>
  Effect.flatMap(RecordStore, (store) =>
    Effect.mapBoth(store.find(publicKey, salt), { onFailure: toRegistryError, onSuccess: Option.getOrUndefined })
  )

/** Asks the network and the own memory; failures of the network that may pass are tried again. Nothing is remembered. */
export const both = Effect.fnUntraced(function* (publicKey: PublicKey, keyString: string, options?: LookupOptions) {
  const dht = yield* Dht
  const salt = KeyString.saltOf(keyString)
  const answer = yield* Effect.mapError(Transient.retryRead(dht.lookup(publicKey, salt, options)), toRegistryError)
  const local = yield* recall(publicKey, salt)
  const remote = Option.getOrUndefined(answer.value)
  return {
    remote: remote !== undefined && local !== undefined && Record.isSame(remote, local) ? local : remote,
    local,
    responders: answer.responders,
    rivals:
      answer.rivals === undefined || answer.rivals.length === 0
        ? NONE
        : answer.rivals.filter((rival) => local === undefined || !Record.isSame(rival, local)),
    older: answer.older ?? NONE,
    isOffline: dht.isOffline === true
  } satisfies Pair
})

export const remember = Effect.fnUntraced(function* (record: Record.Record) {
  const store = yield* RecordStore
  yield* store.remember(record).pipe(Effect.mapError(toRegistryError))
})

/** The newer of the two records of a pair. */
export const newest = ({ local, remote }: Pick<Pair, "local" | "remote">): Record.Record | undefined =>
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
