import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import * as NodeEd25519 from "../../../src/runtime/crypto/NodeEd25519.ts"
import { ed25519Suite } from "./Ed25519Suite.ts"

ed25519Suite("noble", Ed25519.layerNoble)
ed25519Suite("node:crypto", NodeEd25519.layer)

it.effect("node:crypto gives right verdicts after more keys than its cache holds", () =>
  Effect.gen(function* () {
    const ed25519 = yield* Ed25519
    const seed = new Uint8Array(32).fill(7)
    const message = Uint8Array.of(1)
    const publicKey = ed25519.publicKeyOf(seed)
    const signature = ed25519.sign(message, seed)
    assert.isTrue(ed25519.verify(signature, message, publicKey))
    for (let i = 0; i <= NodeEd25519.CACHED_KEYS; i++) {
      const other = publicKey.slice()
      new DataView(other.buffer).setUint16(10, i)
      assert.isFalse(ed25519.verify(signature, message, other))
    }
    assert.isTrue(ed25519.verify(signature, message, publicKey))
  }).pipe(Effect.provide(NodeEd25519.layer))
)
