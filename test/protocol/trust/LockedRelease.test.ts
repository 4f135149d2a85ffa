/** What a lock file has settled already: whom that still asks, and when. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Dht, type LookupOptions } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import * as Release from "../../../src/protocol/registry/Release.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as LockedRelease from "../../../src/protocol/trust/LockedRelease.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as Trust from "../../../src/protocol/trust/Trust.ts"
import { TrustBook } from "../../../src/protocol/trust/TrustBook.ts"
import { host, keyPair, name, release, version } from "../registry/Fixtures.ts"

const own = release("left-pad", "1.0.0")
const other = release("left-pad", "1.0.0", { content: "another" })

/** A host that notes how each of its look-ups was made; `answer` may stand in for the network. */
const listening = (network: DhtMemory.Network, answer?: (dht: Dht["Service"]) => Partial<Dht["Service"]>) =>
  Effect.gen(function* () {
    const asked: Array<LookupOptions | undefined> = []
    const trust = Layer.fresh(Trust.layer).pipe(Layer.provideMerge(Layer.fresh(TrustBook.layerMemory)))
    const context = yield* Layer.build(trust.pipe(Layer.provideMerge(host(network))))
    const find = (infohash: Release.Release["ih"] | undefined) =>
      Effect.gen(function* () {
        const dht = yield* Dht
        const { lookup } = { ...dht, ...answer?.(dht) }
        const { publicKey } = yield* keyPair("alice")
        return yield* LockedRelease.find(publicKey, name("left-pad"), version("1.0.0"), infohash).pipe(
          Effect.provideService(
            Dht,
            Dht.of({
              ...dht,
              lookup: (key, salt, options) => {
                asked.push(options)
                return lookup(key, salt, options)
              }
            })
          )
        )
      }).pipe(Effect.provideContext(context))
    return { asked, find }
  })

const published = Effect.gen(function* () {
  const network = DhtMemory.make()
  yield* Effect.gen(function* () {
    yield* Publish.publish(yield* keyPair("alice"), own)
  }).pipe(Effect.provide(host(network)))
  return network
})

/** A release record of the same key that names other bytes, as the first node gives it that is asked. */
const liar = (dht: Dht["Service"]): Partial<Dht["Service"]> => ({
  lookup: (key, salt, options) =>
    Effect.gen(function* () {
      const answer = yield* dht.lookup(key, salt)
      const rival = Record.sign(yield* keyPair("alice"), {
        salt: KeyString.saltOf(KeyString.release(other.n, other.v)),
        seq: Release.RELEASE_SEQ,
        value: Release.encode(other)
      })
      return options?.enough === undefined ? { ...answer, rivals: [rival] } : { ...answer, value: Option.some(rival) }
    }).pipe(Effect.provide(ed25519))
})

describe("LockedRelease", () => {
  it.effect("takes the first record that says what is locked, and asks nobody for what it remembers", () =>
    Effect.gen(function* () {
      const { asked, find } = yield* listening(yield* published)
      assert.deepStrictEqual((yield* find(own.ih)).release.h, own.h)
      assert.deepStrictEqual(asked, [{ enough: 1 }])
      assert.deepStrictEqual((yield* find(own.ih)).release.h, own.h)
      assert.lengthOf(asked, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("hears everybody where nothing is said to be locked", () =>
    Effect.gen(function* () {
      const { asked, find } = yield* listening(yield* published)
      assert.deepStrictEqual((yield* find(undefined)).release.h, own.h)
      assert.deepStrictEqual(asked, [undefined])
    }).pipe(Effect.scoped)
  )

  it.effect("hears everybody where the first record says something else, and refuses who signed both", () =>
    Effect.gen(function* () {
      const { asked, find } = yield* listening(yield* published, liar)
      const error = yield* Effect.flip(find(own.ih))
      assert.strictEqual(error._tag === "RegistryError" ? error.reason._tag : error._tag, "Equivocation")
      assert.deepStrictEqual(asked, [{ enough: 1 }, undefined])
      const again = yield* Effect.flip(find(own.ih))
      assert.strictEqual(again._tag === "RegistryError" ? again.reason._tag : again._tag, "Equivocation")
    }).pipe(Effect.scoped)
  )

  it.effect("does not ask twice for what is not there", () =>
    Effect.gen(function* () {
      const { asked, find } = yield* listening(DhtMemory.make())
      const error = yield* Effect.flip(find(own.ih))
      assert.strictEqual(error._tag === "RegistryError" ? error.reason._tag : error._tag, "PackageNotFound")
      assert.lengthOf(asked, 1)
    }).pipe(Effect.scoped)
  )
})
