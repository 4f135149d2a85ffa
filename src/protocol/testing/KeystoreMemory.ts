/** A `Keystore` in memory. Seeds come from Effect's `Random`, so that a seeded test makes the same keys every time. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import { Ed25519, SEED_BYTES } from "../core/Ed25519.ts"
import * as KeyPair from "../core/KeyPair.ts"
import { KeyExists, type KeyName, KeyNotFound, Keystore, KeystoreError } from "../core/Keystore.ts"

export const layer: Layer.Layer<Keystore, never, Ed25519> = Layer.effect(
  Keystore,
  Effect.gen(function* () {
    const ed25519 = yield* Ed25519
    const keys = new Map<KeyName, KeyPair.KeyPair>()
    return Keystore.of({
      create: Effect.fnUntraced(function* (name) {
        if (keys.has(name)) return yield* new KeystoreError({ reason: new KeyExists({ key: name }) })
        const seed = new Uint8Array(SEED_BYTES)
        for (let i = 0; i < SEED_BYTES; i++) seed[i] = yield* Random.nextIntBetween(0, 255)
        const pair = yield* KeyPair.fromSeed(seed).pipe(Effect.provideService(Ed25519, ed25519))
        keys.set(name, pair)
        return pair
      }),
      load: Effect.fnUntraced(function* (name) {
        const pair = keys.get(name)
        if (pair === undefined) return yield* new KeystoreError({ reason: new KeyNotFound({ key: name }) })
        return pair
      }),
      list: Effect.sync(() =>
        [...keys]
          .map(([name, pair]) => ({ name, publicKey: Result.succeed(pair.publicKey) }))
          .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      )
    })
  })
)
