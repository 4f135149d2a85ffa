/** Refused releases in `<home>/blacklist.json`: `[{infohash (hex), publisher (base64), reason, until (Unix ms)}]`, oldest first. */
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { Infohash } from "../../protocol/core/Infohash.ts"
import { PublicKey } from "../../protocol/core/PublicKey.ts"
import { Blacklist, BlacklistError, make } from "../../protocol/swarm/Blacklist.ts"
import { Home } from "./Home.ts"
import * as JsonFile from "./JsonFile.ts"

const Stored = Schema.Array(
  Schema.Struct({
    infohash: Schema.Uint8ArrayFromHex.pipe(Schema.decodeTo(Infohash)),
    publisher: Schema.Uint8ArrayFromBase64.pipe(Schema.decodeTo(PublicKey)),
    reason: Schema.String,
    until: Schema.Int
  })
)

export const layer: Layer.Layer<Blacklist, never, Home | SecureRandom | FileSystem.FileSystem | Path.Path> =
  Layer.effect(
    Blacklist,
    Effect.gen(function* () {
      const { blacklist: location } = yield* Home
      const file = yield* JsonFile.make({
        location,
        schema: Stored,
        empty: [],
        failed: (problem) => new BlacklistError({ location, problem })
      })
      return make({ read: file.read, update: (f) => file.update((entries) => [undefined, f(entries)]) })
    })
  )
