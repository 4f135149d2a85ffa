import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import type * as Version from "../../../src/protocol/core/Version.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../../../src/protocol/registry/NameIndex.ts"
import * as Policy from "../../../src/protocol/registry/Policy.ts"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"

const { keyPair, name, range, release, version } = Fixtures

const START_MS = 1_750_000_000_000
const DAY_MS = 24 * 60 * 60 * 1000

const spec = (packageName: string, packageRange: string) => ({ name: name(packageName), range: range(packageRange) })

/** Counts the gets that a host makes. */
const counting = (network: DhtMemory.Network) =>
  Effect.gen(function* () {
    const run = yield* Fixtures.join(network)
    const gets: Array<string> = []
    const counted = <A, E>(work: Effect.Effect<A, E, Fixtures.Host>) =>
      run(
        Effect.flatMap(Dht, (dht) =>
          Effect.provideService(work, Dht, {
            ...dht,
            lookup: (publicKey, salt) => {
              gets.push(Hex.encode(salt))
              return dht.lookup(publicKey, salt)
            }
          })
        )
      )
    return { counted, gets }
  })

describe("Resolve", () => {
  const test = (title: string, body: (network: DhtMemory.Network) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.effect(title, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(START_MS)
        yield* Effect.scoped(body(DhtMemory.make()))
      })
    )

  const withKeys = Effect.provide(Fixtures.host(DhtMemory.make()))

  test("finds the newest version by name in two look-ups, and any other in three", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      yield* publisher(Publish.publish(alice, release("left-pad", "1.2.0")))
      yield* publisher(Publish.publish(alice, release("left-pad", "1.3.0")))
      const { counted, gets } = yield* counting(network)
      const newest = yield* counted(Resolve.resolveByName(spec("left-pad", "^1.0.0")))
      assert.strictEqual(newest.release.v, "1.3.0")
      assert.isTrue(PublicKey.equals(newest.publisher, alice.publicKey))
      assert.strictEqual(gets.length, 2)
      gets.length = 0
      const older = yield* counted(Resolve.resolveByName(spec("left-pad", "~1.2.0")))
      assert.strictEqual(older.release.v, "1.2.0")
      assert.deepStrictEqual(older.release.h, release("left-pad", "1.2.0").h)
      assert.strictEqual(gets.length, 3)
      assert.strictEqual(older.evidence.lookups, 3)
      gets.length = 0
      yield* counted(Resolve.resolveByName(spec("left-pad", "*"), { publisher: alice.publicKey }))
      assert.strictEqual(gets.length, 1)
    }))

  test("says that nobody publishes a name", (network) =>
    Effect.gen(function* () {
      const user = yield* Fixtures.join(network)
      const error = yield* Effect.flip(user(Resolve.resolveByName(spec("left-pdd", "*"))))
      assert.strictEqual(error._tag, "RegistryError")
      assert.strictEqual(error.message, 'Nobody publishes "left-pdd"')
    }))

  test("says which versions there are when none fits", (network) =>
    Effect.gen(function* () {
      const user = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      yield* user(Publish.publish(alice, release("a", "1.0.0")))
      yield* user(Publish.publish(alice, release("a", "2.0.0-beta.1")))
      const error = yield* Effect.flip(user(Resolve.resolveByName(spec("a", "^3"))))
      if (error._tag !== "RegistryError" || error.reason._tag !== "VersionNotFound") return assert.fail(String(error))
      assert.deepStrictEqual(error.reason.available, ["1.0.0", "2.0.0-beta.1"])
      assert.include(error.reason.hint, "1.0.0")
    }))

  test("takes no pre-release where none is asked for", (network) =>
    Effect.gen(function* () {
      const user = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      yield* user(Publish.publish(alice, release("a", "2.0.0-beta.1")))
      yield* user(Publish.publish(alice, release("a", "1.0.0")))
      assert.strictEqual((yield* user(Resolve.resolveByName(spec("a", "*")))).release.v, "1.0.0")
      assert.strictEqual((yield* user(Resolve.resolveByName(spec("a", "^2.0.0-beta")))).release.v, "2.0.0-beta.1")
    }))

  test("knows the tags latest and next, also of a package that has only pre-releases", (network) =>
    Effect.gen(function* () {
      const user = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      yield* user(Publish.publish(alice, release("a", "2.0.0-beta.1")))
      const take = (tag: Version.Tag) =>
        Effect.map(user(Resolve.resolveByName({ name: name("a"), range: tag })), (found) => String(found.release.v))
      assert.deepStrictEqual([yield* take("latest"), yield* take("next")], ["2.0.0-beta.1", "2.0.0-beta.1"])
      assert.strictEqual((yield* user(Resolve.resolveByName(spec("a", "*")))).release.v, "2.0.0-beta.1")
      yield* user(Publish.publish(alice, release("a", "1.0.0")))
      assert.deepStrictEqual([yield* take("latest"), yield* take("next")], ["1.0.0", "2.0.0-beta.1"])
    }))

  test("finds any of more versions than fit into a record, and goes on without pages that are lost", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const publisher = yield* Fixtures.join(network)
      yield* publisher(Publish.publish(alice, release("a", "0.1.0-rc.1")))
      for (let i = 0; i < 80; i++) yield* publisher(Publish.publish(alice, release("a", `1.${i}.0`)))
      const user = yield* Fixtures.join(network)
      const take = (range: string) =>
        Effect.map(user(Resolve.resolveByName(spec("a", range))), ({ release: { v } }) => v)
      assert.strictEqual(yield* take("~1.3.0"), "1.3.0")
      assert.strictEqual(yield* take("^0.1.0-rc"), "0.1.0-rc.1")
      assert.strictEqual(yield* take("0.1.0-rc.1 || ^1"), "1.79.0")
      assert.strictEqual(yield* take("1.3.0"), "1.3.0")
      network.immutable.clear()
      assert.strictEqual(yield* take("^1"), "1.79.0")
      const { evidence } = yield* user(Resolve.resolveByName(spec("a", "1.3.0")))
      assert.deepStrictEqual(
        evidence.warnings.map(({ code }) => code),
        ["flagsUnknown"]
      )
      const error = yield* Effect.flip(user(Resolve.resolveByName(spec("a", "~1.3.0"))))
      if (error._tag !== "RegistryError" || error.reason._tag !== "VersionNotFound") return assert.fail(String(error))
      assert.isAbove(error.reason.unlisted, 0)
    }))

  test("takes the publisher that was there first, and the highest version where that is the policy", (network) =>
    Effect.gen(function* () {
      const [alice, bob] = [yield* keyPair("alice").pipe(withKeys), yield* keyPair("bob").pipe(withKeys)]
      const first = yield* Fixtures.join(network)
      yield* first(Publish.publish(alice, release("a", "1.0.0")))
      yield* TestClock.adjust(DAY_MS)
      const second = yield* Fixtures.join(network)
      yield* second(Publish.publish(bob, release("a", "9.0.0")))
      const user = yield* Fixtures.join(network)
      const byAge = yield* user(Resolve.resolveByName(spec("a", "*"), { policy: Policy.firstSeen }))
      assert.isTrue(PublicKey.equals(byAge.publisher, alice.publicKey))
      const byVersion = yield* user(Resolve.resolveByName(spec("a", "*"), { policy: Policy.latestVersion }))
      assert.isTrue(PublicKey.equals(byVersion.publisher, bob.publicKey))
      const listed = yield* user(Resolve.publishersOf(name("a"), Policy.latestVersion))
      assert.deepStrictEqual(
        listed.map(({ claim }) => String(claim.lv)),
        ["9.0.0", "1.0.0"]
      )
    }))

  test("passes over a publisher who claims the name and has no record of the package", (network) =>
    Effect.gen(function* () {
      const [alice, ghost] = [yield* keyPair("alice").pipe(withKeys), yield* keyPair("ghost").pipe(withKeys)]
      const user = yield* Fixtures.join(network)
      yield* user(Publish.publish(alice, release("a", "1.0.0")))
      const claim = NameClaim.sign(ghost, name("a"), {
        latestVersion: version("1.0.0"),
        firstSeen: 0,
        timestamp: START_MS
      })
      yield* user(NameIndex.join(name("a"), () => claim))
      const { evidence, publisher } = yield* user(Resolve.resolveByName(spec("a", "*")))
      assert.isTrue(PublicKey.equals(publisher, alice.publicKey))
      assert.include(
        evidence.warnings.map(({ code }) => code),
        "packageMissing"
      )
    }))

  test("says which versions there are when the exact one is not among them", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const user = yield* Fixtures.join(network)
      yield* user(Publish.publish(alice, release("a", "1.0.0")))
      const error = yield* Effect.flip(user(Resolve.resolveByName(spec("a", "2.0.0"))))
      if (error._tag !== "RegistryError" || error.reason._tag !== "VersionNotFound") return assert.fail(String(error))
      assert.strictEqual(error.reason.hint, "It has 1.0.0.")
    }))
})
