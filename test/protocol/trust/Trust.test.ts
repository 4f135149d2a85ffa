import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import type * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import { PublisherTrust } from "../../../src/protocol/registry/PublisherTrust.ts"
import { TrustUnavailable } from "../../../src/protocol/registry/RegistryError.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Pins from "../../../src/protocol/trust/Pins.ts"
import * as Revocation from "../../../src/protocol/trust/Revocation.ts"
import * as Trust from "../../../src/protocol/trust/Trust.ts"
import { TrustBook } from "../../../src/protocol/trust/TrustBook.ts"
import * as TrustedKeys from "../../../src/protocol/trust/TrustedKeys.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import { keyPair, name } from "../registry/Fixtures.ts"

const user = (network: DhtMemory.Network) =>
  Trust.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(TrustBook.layerMemory, RecordStore.layerMemory, DhtMemory.layerOn(network))),
    Layer.provideMerge(ed25519)
  )

type User = Layer.Success<ReturnType<typeof user>>

const test = <E>(title: string, body: (network: DhtMemory.Network) => Effect.Effect<void, E, User>) =>
  it.effect(title, () =>
    Effect.suspend(() => {
      const network = DhtMemory.make()
      return Effect.provide(body(network), user(network), { local: true })
    })
  )

const put = (record: Record.Record) => Effect.flatMap(Dht, (dht) => dht.put(record))

describe("Trust", () => {
  test("answers from the trust book as it is now", () =>
    Effect.gen(function* () {
      const trust = yield* PublisherTrust
      const { publicKey } = yield* keyPair("alice")
      assert.isTrue(Option.isNone(yield* trust.pinOf(name("a"))))
      assert.strictEqual((yield* trust.trusted).size, 0)
      const { pin } = yield* Pins.firstUse(name("a"), publicKey)
      yield* TrustedKeys.add(publicKey)
      assert.deepStrictEqual(Option.getOrThrow(yield* trust.pinOf(name("a"))), pin)
      assert.isTrue(Option.isNone(yield* trust.pinOf(name("b"))))
      assert.deepStrictEqual([...(yield* trust.trusted)], [PublicKey.toHex(publicKey)])
    }))

  test("looks up a revocation once, and from then on remembers it", (network) =>
    Effect.gen(function* () {
      const trust = yield* PublisherTrust
      const alice = yield* keyPair("alice")
      const reason = Revocation.DEFAULT_REASON
      assert.isTrue(Option.isNone((yield* trust.revocationOf(alice.publicKey)).revoked))
      yield* put(Revocation.sign(alice, { reason, timestamp: 7 }))
      const first = yield* trust.revocationOf(alice.publicKey)
      assert.isDefined(first.look)
      assert.strictEqual(Option.getOrThrow(first.revoked).timestamp, 7)
      network.items.clear()
      const second = yield* trust.revocationOf(alice.publicKey)
      assert.isUndefined(second.look)
      assert.deepStrictEqual(second.revoked, first.revoked)
    }))

  it.effect("fails where the trust book cannot be read, rather than go on without pins", () =>
    Effect.gen(function* () {
      const trust = yield* PublisherTrust
      for (const question of [Effect.asVoid(trust.pinOf(name("a"))), Effect.asVoid(trust.trusted)]) {
        assert.strictEqual((yield* Effect.flip(question)).reason._tag, "TrustUnavailable")
      }
    }).pipe(
      Effect.provide(
        Trust.layer.pipe(
          Layer.provide(
            Layer.mock(TrustBook)({
              read: Effect.fail(new TrustUnavailable({ location: "trust.json", problem: "it is damaged" }))
            })
          ),
          Layer.provide([RecordStore.layerMemory, Layer.provide(DhtMemory.layer, ed25519)])
        )
      )
    )
  )
})
