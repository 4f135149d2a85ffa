/**
 * First observations, a file for each name: `<home>/observations/<SHA-256 of the name>.json`, which holds
 * `{"name": …, "publishers": {"<public key, hex>": <Unix ms>}}`. So a name that somebody floods with
 * publishers costs nothing where another one is resolved.
 */
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { sha256 } from "../../protocol/core/Digest.ts"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import { extend, Observations, ObservationsError } from "../../protocol/registry/Observations.ts"
import { Home } from "./Home.ts"
import * as JsonFile from "./JsonFile.ts"

const Stored = Schema.Struct({
  name: Schema.String,
  publishers: Schema.Record(Schema.String, Schema.Int)
})

/** The file of a name's observations, in the directory of all of them. */
export const fileOf = (name: PackageName): string => `${Hex.encode(sha256(new TextEncoder().encode(name)))}.json`

export const layer: Layer.Layer<Observations, never, Home | SecureRandom | FileSystem.FileSystem | Path.Path> =
  Layer.effect(
    Observations,
    Effect.gen(function* () {
      const { observations } = yield* Home
      const path = yield* Path.Path
      const context = yield* Effect.context<SecureRandom | FileSystem.FileSystem | Path.Path>()
      const open = (name: PackageName) => {
        const location = path.join(observations, fileOf(name))
        return JsonFile.make({
          location,
          schema: Stored,
          empty: { name, publishers: {} },
          failed: (problem) => new ObservationsError({ location, problem })
        }).pipe(Effect.provideContext(context))
      }
      const seenIn = ({ publishers }: typeof Stored.Type): ReadonlyMap<string, number> =>
        new Map(Object.entries(publishers))
      return Observations.of({
        of: (name) => Effect.flatMap(open(name), (file) => Effect.map(file.read, seenIn)),
        note: (name, publishers, now) =>
          Effect.flatMap(open(name), (file) =>
            file.update((stored) => {
              const known = seenIn(stored)
              const seen = extend(known, publishers, now)
              return seen.size === known.size
                ? [known, stored]
                : [seen, { ...stored, publishers: Object.fromEntries(seen) }]
            })
          )
      })
    })
  )
