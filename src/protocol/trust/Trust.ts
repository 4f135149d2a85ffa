/**
 * What resolution asks about publishers, answered from the user's trust book and from the network:
 * the live layer of the port `registry/PublisherTrust`.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Dht } from "../dht/Dht.ts"
import type { RecordStore } from "../dht/RecordStore.ts"
import { PublisherTrust } from "../registry/PublisherTrust.ts"
import { RegistryError, type TrustUnavailable } from "../registry/RegistryError.ts"
import * as Revocation from "./Revocation.ts"
import { TrustBook } from "./TrustBook.ts"

const toError = (reason: TrustUnavailable) => new RegistryError({ reason })

export const layer: Layer.Layer<PublisherTrust, never, TrustBook | Dht | RecordStore> = Layer.effect(
  PublisherTrust,
  Effect.gen(function* () {
    const book = yield* TrustBook
    const context = yield* Effect.context<Dht | RecordStore | TrustBook>()
    const read = Effect.mapError(book.read, toError)
    return PublisherTrust.of({
      pinOf: (name) => Effect.map(read, ({ pins }) => Option.fromUndefinedOr(pins.get(name))),
      trusted: Effect.map(read, ({ trusted }) => new Set(trusted.keys())),
      revocationOf: (publisher) => Effect.provideContext(Revocation.find(publisher), context)
    })
  })
)
