/** First observations in `<home>/observations.json`: `{"<name>": {"<public key, hex>": <Unix ms>}}`. */
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import { extend, Observations, ObservationsError } from "../../protocol/registry/Observations.ts"
import { Home } from "./Home.ts"
import * as JsonFile from "./JsonFile.ts"

const Stored = Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.Int))
type Stored = typeof Stored.Type

const seenIn = (stored: Stored, name: PackageName): ReadonlyMap<string, number> =>
  new Map(Object.hasOwn(stored, name) ? Object.entries(stored[name]!) : [])

export const layer: Layer.Layer<Observations, never, Home | SecureRandom | FileSystem.FileSystem | Path.Path> =
  Layer.effect(
    Observations,
    Effect.gen(function* () {
      const { observations: location } = yield* Home
      const file = yield* JsonFile.make({
        location,
        schema: Stored,
        empty: {},
        failed: (problem) => new ObservationsError({ location, problem })
      })
      return Observations.of({
        of: (name) => Effect.map(file.read, (stored) => seenIn(stored, name)),
        note: (name, publishers, now) =>
          file.update((stored) => {
            const known = seenIn(stored, name)
            const seen = extend(known, publishers, now)
            return seen.size === known.size ? [known, stored] : [seen, { ...stored, [name]: Object.fromEntries(seen) }]
          })
      })
    })
  )
