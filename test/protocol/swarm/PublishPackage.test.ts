import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { explain } from "../../../src/protocol/core/Errors.ts"
import { KeyName, Keystore } from "../../../src/protocol/core/Keystore.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import { PublicationLog } from "../../../src/protocol/registry/PublicationLog.ts"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import * as PublishPackage from "../../../src/protocol/swarm/PublishPackage.ts"
import { Swarm } from "../../../src/protocol/swarm/Swarm.ts"
import * as Testing from "../../../src/protocol/testing/index.ts"
import * as Revocation from "../../../src/protocol/trust/Revocation.ts"
import * as Fixtures from "../registry/Fixtures.ts"

const { name, version } = Fixtures

const START_MS = 1_750_000_000_000

const packed = (seed = 31, packageVersion = "1.0.0"): PublishPackage.PackedPackage => ({
  name: name("a"),
  version: version(packageVersion),
  tarball: Uint8Array.from({ length: 40_000 }, (_, i) => (i * seed) & 0xff),
  files: {},
  metadata: {}
})

type Services = Layer.Success<ReturnType<typeof Testing.host>> | PublicationLog

const makeKey = Effect.flatMap(Keystore, (keystore) => keystore.create(KeyName.make("publisher")))

describe("PublishPackage", () => {
  /** A host with a log, at a known time. */
  const test = (
    title: string,
    body: (network: Testing.Network) => Effect.Effect<void, unknown, Services | Scope.Scope>
  ) =>
    it.effect(title, () =>
      Effect.suspend(() => {
        const network = Testing.network()
        const host = Layer.merge(Testing.host(network, { host: "10.0.0.1" }), Layer.fresh(PublicationLog.layerMemory))
        return Effect.andThen(TestClock.setTime(START_MS), body(network)).pipe(Effect.scoped, Effect.provide(host))
      })
    )

  test("stores and seeds before it announces anything", (network) =>
    Effect.gen(function* () {
      const key = yield* makeKey
      const swarm = yield* Swarm
      const refusing = Swarm.of({
        ...swarm,
        seed: (torrent, content) =>
          Effect.andThen(
            Effect.sync(() => assert.strictEqual(network.dht.items.size, 0)),
            Effect.andThen(swarm.seed(torrent, content), Effect.die("killed"))
          )
      })
      const exit = yield* Effect.exit(
        PublishPackage.publishPackage(key, packed()).pipe(Effect.provideService(Swarm, refusing))
      )
      assert.strictEqual(exit._tag, "Failure")
      assert.strictEqual(network.dht.items.size, 0)
      assert.strictEqual((yield* (yield* PackageStore).list).length, 1)
    }))

  test("goes on with the date that it began with, so that what was stored is what is published", () =>
    Effect.gen(function* () {
      const key = yield* makeKey
      const dht = yield* Dht
      const cutOff = { ...dht, put: () => Effect.die("killed") }
      yield* Effect.exit(PublishPackage.publishPackage(key, packed()).pipe(Effect.provideService(Dht, cutOff)))
      const [before] = yield* (yield* PackageStore).list
      yield* TestClock.adjust("3 days")
      const { publication, release } = yield* PublishPackage.publishPackage(key, packed())
      assert.deepStrictEqual(publication.resumed, ["prepared", "stored", "seeded"])
      assert.strictEqual(release.t, START_MS)
      assert.deepStrictEqual(release.ih, before!.release.ih)
      assert.deepStrictEqual(yield* (yield* PublicationLog).all, [])
    }))

  test("begins anew with other bytes, as long as none were announced", () =>
    Effect.gen(function* () {
      const key = yield* makeKey
      const swarm = yield* Swarm
      const killed = Swarm.of({ ...swarm, seed: () => Effect.die("killed") })
      yield* Effect.exit(PublishPackage.publishPackage(key, packed()).pipe(Effect.provideService(Swarm, killed)))
      yield* TestClock.adjust("1 hour")
      const { publication, release } = yield* PublishPackage.publishPackage(key, packed(37))
      assert.strictEqual(release.t, START_MS + 60 * 60 * 1000)
      assert.deepStrictEqual(publication.resumed, [])
    }))

  test("refuses other bytes under a version that is out before it stores any", () =>
    Effect.gen(function* () {
      const key = yield* makeKey
      yield* PublishPackage.publishPackage(key, packed())
      const error = yield* Effect.flip(PublishPackage.publishPackage(key, packed(37)))
      assert.strictEqual(explain(error)?._tag, "VersionExists")
      assert.strictEqual((yield* (yield* PackageStore).list).length, 1)
      assert.deepStrictEqual(yield* (yield* PublicationLog).all, [])
    }))

  test("brings a version back that nobody but its own store knows any more", (network) =>
    Effect.gen(function* () {
      const key = yield* makeKey
      const { release } = yield* PublishPackage.publishPackage(key, packed())
      yield* PublishPackage.publishPackage(key, packed(31, "1.1.0"))
      const salt = KeyString.saltOf(KeyString.release(name("a"), version("1.0.0")))
      network.dht.items.delete(Hex.encode(Record.targetOf(key.publicKey, salt)))
      yield* TestClock.adjust("10 days")
      const again = yield* PublishPackage.publishPackage(key, packed()).pipe(
        Effect.provideService(RecordStore, yield* Effect.provide(RecordStore, Layer.fresh(RecordStore.layerMemory)))
      )
      assert.deepStrictEqual(again.release, release)
    }))

  test("looks its release's record up once before it is put and once after", () =>
    Effect.gen(function* () {
      const key = yield* makeKey
      const dht = yield* Dht
      const target = Hex.encode(KeyString.saltOf(KeyString.release(name("a"), version("1.0.0"))))
      let lookups = 0
      const counting: Dht["Service"] = {
        ...dht,
        lookup: (publicKey, salt) => {
          if (Hex.encode(salt) === target) lookups++
          return dht.lookup(publicKey, salt)
        }
      }
      yield* PublishPackage.publishPackage(key, packed()).pipe(Effect.provideService(Dht, counting))
      assert.strictEqual(lookups, 2)
    }))

  test("tells its steps in their order", () =>
    Effect.gen(function* () {
      const key = yield* makeKey
      const steps: Array<string> = []
      const onStep = (step: string) => Effect.sync(() => void steps.push(step))
      yield* PublishPackage.publishPackage(key, packed(), { onStep })
      assert.deepStrictEqual(steps, ["prepared", "stored", "seeded", "release", "package", "announce", "claim"])
    }))

  test("plans what it would publish, and writes nothing", (network) =>
    Effect.gen(function* () {
      const key = yield* makeKey
      const planned = yield* PublishPackage.planPackage(key, packed())
      assert.deepStrictEqual(
        planned.records.map(({ kind, state }) => [kind, state]),
        [
          ["release", "new"],
          ["package", "new"],
          ["announce", "new"],
          ["nameIndex", "new"]
        ]
      )
      assert.strictEqual(network.dht.items.size + network.dht.immutable.size + network.dht.peers.size, 0)
      assert.deepStrictEqual(yield* (yield* RecordStore).all, [])
      assert.deepStrictEqual(yield* (yield* PackageStore).list, [])
      assert.deepStrictEqual(yield* (yield* PublicationLog).all, [])
      const { release } = yield* PublishPackage.publishPackage(key, packed())
      assert.deepStrictEqual(planned.release, release)
      assert.deepStrictEqual(
        Option.map(
          yield* (yield* PackageStore).find(key.publicKey, name("a"), version("1.0.0")),
          (each) => each.release
        ),
        Option.some(planned.release)
      )
    }))

  test("refuses a key that was revoked", (network) =>
    Effect.gen(function* () {
      const key = yield* makeKey
      yield* Revocation.revoke(key, { reason: Revocation.DEFAULT_REASON })
      const before = network.dht.items.size
      const error = yield* Effect.flip(PublishPackage.publishPackage(key, packed()))
      assert.strictEqual(explain(error)?._tag, "PublisherRevoked")
      assert.strictEqual(network.dht.items.size, before)
      assert.deepStrictEqual(yield* (yield* PackageStore).list, [])
    }))
})
