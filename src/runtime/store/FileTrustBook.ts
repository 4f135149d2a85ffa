/**
 * The trust book in `<home>/trust.json`, as `protocol/trust/Book` writes it. A file that is damaged
 * is a failure: to go on without it would be to forget every pin.
 */
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import { TrustUnavailable } from "../../protocol/registry/RegistryError.ts"
import * as Book from "../../protocol/trust/Book.ts"
import { TrustBook } from "../../protocol/trust/TrustBook.ts"
import { Home } from "./Home.ts"
import * as JsonFile from "./JsonFile.ts"

export const layer: Layer.Layer<TrustBook, never, Home | SecureRandom | FileSystem.FileSystem | Path.Path> =
  Layer.effect(
    TrustBook,
    Effect.gen(function* () {
      const { trust: location } = yield* Home
      return TrustBook.of(
        yield* JsonFile.make({
          location,
          schema: Book.codec,
          empty: Book.empty,
          failed: (problem) => new TrustUnavailable({ location, problem })
        })
      )
    })
  )
