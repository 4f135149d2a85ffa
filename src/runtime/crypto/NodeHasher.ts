/**
 * `Hasher` on `node:crypto`: the same digests as `Hasher.layerNoble`, at the speed of OpenSSL.
 */
import * as Layer from "effect/Layer"
import { createHash } from "node:crypto"
import { Hasher } from "../../protocol/core/Hasher.ts"

export const layer: Layer.Layer<Hasher> = Layer.succeed(
  Hasher,
  Hasher.of({
    start: (algorithm) => {
      const hash = createHash(algorithm)
      return {
        update: (bytes) => void hash.update(bytes),
        // A plain array with a buffer of its own: Node's would be a view of a shared pool.
        digest: () => new Uint8Array(hash.digest())
      }
    }
  })
)
