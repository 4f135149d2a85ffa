/** What a seeder serves, and the records that it gets hold of so that what it serves can be found. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { KeyName, Keystore } from "../../../src/protocol/core/Keystore.ts"
import type { KeyPair } from "../../../src/protocol/core/KeyPair.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as RePut from "../../../src/protocol/registry/RePut.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import { fetchRelease } from "../../../src/protocol/swarm/FetchRelease.ts"
import { publishPackage } from "../../../src/protocol/swarm/PublishPackage.ts"
import * as SeedStore from "../../../src/protocol/swarm/SeedStore.ts"
import * as Testing from "../../../src/protocol/testing/index.ts"
import * as Fixtures from "../registry/Fixtures.ts"

const { name, range, version } = Fixtures

type Services = Layer.Success<ReturnType<typeof Testing.host>>

const join = (network: Testing.Network, host: string) =>
  Effect.map(
    Layer.build(Testing.host(network, { host })),
    (context) =>
      <A, E>(work: Effect.Effect<A, E, Services | Scope.Scope>) =>
        Effect.provideContext(work, context)
  )

const packed = (packageVersion: string) => ({
  name: name("a"),
  version: version(packageVersion),
  tarball: Uint8Array.from({ length: 4_000 }, (_, i) => (i * 7 + packageVersion.length) & 0xff),
  files: {},
  metadata: {}
})

const SALT = KeyString.saltOf(KeyString.release(name("a"), version("1.0.0")))

const heldBy = ({ publicKey }: KeyPair) => Effect.flatMap(RecordStore, (store) => store.find(publicKey, SALT))

/** A publisher of `a@1.0.0`, and a seeder who has installed it as the newest. */
const setUp = Effect.gen(function* () {
  const network = Testing.network()
  const publisher = yield* join(network, "10.0.0.1")
  const seeder = yield* join(network, "10.0.0.2")
  const key = yield* publisher(Effect.flatMap(Keystore, (keystore) => keystore.create(KeyName.make("main"))))
  yield* publisher(publishPackage(key, packed("1.0.0")))
  const resolution = yield* seeder(Resolve.resolveByName({ name: name("a"), range: range("*") }))
  yield* seeder(fetchRelease(resolution, { timeout: "3 seconds" }))
  const forget = (publicKey: Uint8Array) =>
    network.dht.items.delete(Buffer.from(Record.targetOf(publicKey, SALT)).toString("hex"))
  return { network, publisher, seeder, key, forget }
})

describe("SeedStore", () => {
  it.live("serves what is stored", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { network, seeder } = yield* setUp
        const { failures, seeding } = yield* seeder(SeedStore.seedAll())
        assert.deepStrictEqual(failures, [])
        assert.deepStrictEqual(
          seeding.map(({ release }) => release.v),
          [version("1.0.0")]
        )
        assert.isTrue(network.swarm.offers.has("10.0.0.2:6881"))
      })
    )
  )

  it.live("keeps a version findable that is the newest no longer, after its publisher has gone", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { forget, key, network, publisher, seeder } = yield* setUp
        assert.isTrue(Option.isNone(yield* seeder(heldBy(key))))
        yield* seeder(SeedStore.gatherRecords())
        yield* publisher(publishPackage(key, packed("2.0.0")))
        assert.isTrue(forget(key.publicKey), "the network had the record")
        yield* seeder(RePut.once)
        const user = yield* join(network, "10.0.0.3")
        const { release } = yield* user(
          Resolve.resolveByName({ name: name("a"), range: range("1.0.0") }, { publisher: key.publicKey })
        )
        assert.strictEqual(release.v, version("1.0.0"))
      })
    )
  )

  it.effect("asks again for a record that was not to be had", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const making = yield* Effect.forkScoped(setUp)
        while (making.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
        const { forget, key, network, seeder } = yield* Fiber.join(making)
        const target = Buffer.from(Record.targetOf(key.publicKey, SALT)).toString("hex")
        const item = network.dht.items.get(target)
        forget(key.publicKey)
        yield* Effect.forkScoped(seeder(SeedStore.gatherForever))
        yield* TestClock.adjust("1 minute")
        assert.isTrue(Option.isNone(yield* seeder(heldBy(key))))
        network.dht.items.set(target, item!)
        yield* TestClock.adjust(SeedStore.RECORDS_INTERVAL)
        assert.isTrue(Option.isSome(yield* seeder(heldBy(key))))
      })
    )
  )
})
