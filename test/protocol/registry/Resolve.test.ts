import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../../../src/protocol/registry/NameIndex.ts"
import * as Policy from "../../../src/protocol/registry/Policy.ts"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import * as Release from "../../../src/protocol/registry/Release.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"

const { keyPair, name, range, release, text, version } = Fixtures

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
            get: (publicKey, salt) => {
              gets.push(Hex.encode(salt))
              return dht.get(publicKey, salt)
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
      const newest = yield* counted(Resolve.byName(spec("left-pad", "^1.0.0")))
      assert.strictEqual(newest.release.v, "1.3.0")
      assert.isTrue(PublicKey.equals(newest.publisher, alice.publicKey))
      assert.strictEqual(gets.length, 2)
      gets.length = 0
      const older = yield* counted(Resolve.byName(spec("left-pad", "~1.2.0")))
      assert.strictEqual(older.release.v, "1.2.0")
      assert.deepStrictEqual(older.release.h, release("left-pad", "1.2.0").h)
      assert.strictEqual(gets.length, 3)
      assert.strictEqual(older.records.length, 3)
      gets.length = 0
      yield* counted(Resolve.byPublisher(spec("left-pad", "*"), alice.publicKey))
      assert.strictEqual(gets.length, 1)
    }))

  test("says that nobody publishes a name", (network) =>
    Effect.gen(function* () {
      const user = yield* Fixtures.join(network)
      const error = yield* Effect.flip(user(Resolve.byName(spec("left-pdd", "*"))))
      assert.strictEqual(error._tag, "RegistryError")
      assert.strictEqual(error.message, 'Nobody publishes "left-pdd"')
    }))

  test("says which versions there are when none fits", (network) =>
    Effect.gen(function* () {
      const user = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      yield* user(Publish.publish(alice, release("a", "1.0.0")))
      yield* user(Publish.publish(alice, release("a", "2.0.0-beta.1")))
      const error = yield* Effect.flip(user(Resolve.byName(spec("a", "^3"))))
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
      assert.strictEqual((yield* user(Resolve.byName(spec("a", "*")))).release.v, "1.0.0")
      assert.strictEqual((yield* user(Resolve.byName(spec("a", "^2.0.0-beta")))).release.v, "2.0.0-beta.1")
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
      const byAge = yield* user(Resolve.byName(spec("a", "*"), Policy.firstSeen))
      assert.isTrue(PublicKey.equals(byAge.publisher, alice.publicKey))
      const byVersion = yield* user(Resolve.byName(spec("a", "*"), Policy.latestVersion))
      assert.isTrue(PublicKey.equals(byVersion.publisher, bob.publicKey))
      const listed = yield* user(Resolve.publishersOf(name("a"), Policy.latestVersion))
      assert.deepStrictEqual(
        listed.map(({ claim }) => String(claim.lv)),
        ["9.0.0", "1.0.0"]
      )
    }))

  test("believes its own first observation before any date that a squatter claims", (network) =>
    Effect.gen(function* () {
      const [alice, mallory] = [yield* keyPair("alice").pipe(withKeys), yield* keyPair("mallory").pipe(withKeys)]
      const publisher = yield* Fixtures.join(network)
      const user = yield* Fixtures.join(network)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      yield* user(Resolve.byName(spec("a", "*")))
      yield* TestClock.adjust(DAY_MS)
      const squatter = yield* Fixtures.join(network)
      const claim = NameClaim.sign(mallory, name("a"), {
        latestVersion: version("9.9.9"),
        firstSeen: 0,
        timestamp: START_MS + DAY_MS
      })
      yield* squatter(NameIndex.join(name("a"), () => claim))
      const chosen = yield* user(Resolve.byName(spec("a", "*")))
      assert.isTrue(PublicKey.equals(chosen.publisher, alice.publicKey))
    }))

  test("names the other publishers when the chosen one has no record of the package", (network) =>
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
      const error = yield* Effect.flip(user(Resolve.byName(spec("a", "*"))))
      if (error._tag !== "RegistryError" || error.reason._tag !== "PackageNotFound") return assert.fail(String(error))
      assert.deepStrictEqual(error.reason.others, [PublicKey.toBase64(alice.publicKey)])
      assert.include(error.reason.hint, `--publisher ${PublicKey.toBase64(alice.publicKey)}`)
    }))

  test("refuses a record that was tampered with", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const user = yield* Fixtures.join(network)
      yield* user(Publish.publish(alice, release("a", "1.0.0")))
      const key = Hex.encode(Record.targetOf(alice.publicKey, KeyString.saltOf(KeyString.packageOf(name("a")))))
      const genuine = network.items.get(key)!
      for (let i = 0; i < genuine.value.length; i += 7) {
        network.items.set(key, { ...genuine, value: genuine.value.map((byte, at) => (at === i ? byte ^ 4 : byte)) })
        const error = yield* Effect.flip(user(Resolve.byName(spec("a", "*"))))
        assert.strictEqual(error._tag === "RegistryError" ? error.reason._tag : error._tag, "PackageNotFound")
      }
    }))

  test("refuses a record that its key signed but that makes no sense", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const user = yield* Fixtures.join(network)
      yield* user(Publish.publish(alice, release("a", "1.0.0")))
      const salt = KeyString.saltOf(KeyString.packageOf(name("a")))
      const nonsense = Record.sign(alice, { salt, seq: 7, value: text("de") })
      yield* user(Effect.flatMap(Dht, (dht) => dht.put(nonsense)))
      const error = yield* Effect.flip(user(Resolve.byName(spec("a", "*"))))
      assert.strictEqual(error._tag === "RegistryError" ? error.reason._tag : error._tag, "InvalidRecord")
    }))

  test("refuses a package record that was signed for another name", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const user = yield* Fixtures.join(network)
      yield* user(Publish.publish(alice, release("a", "1.0.0")))
      yield* user(Publish.publish(alice, release("b", "1.0.0")))
      const saltOf = (packageName: string) => KeyString.saltOf(KeyString.packageOf(name(packageName)))
      const other = network.items.get(Hex.encode(Record.targetOf(alice.publicKey, saltOf("b"))))!
      // Relabelled: the signature covers the salt, so it does not hold under another one.
      network.items.set(Hex.encode(Record.targetOf(alice.publicKey, saltOf("a"))), { ...other, salt: saltOf("a") })
      const relabelled = yield* Effect.flip(user(Resolve.byName(spec("a", "*"))))
      assert.strictEqual(relabelled._tag === "RegistryError" ? relabelled.reason._tag : "", "PackageNotFound")
      // Signed by a careless publisher under the wrong salt: still not what was asked for.
      const careless = Record.sign(alice, { salt: saltOf("a"), seq: 9, value: other.value })
      network.items.set(Hex.encode(Record.targetOf(alice.publicKey, saltOf("a"))), careless)
      const wrongName = yield* Effect.flip(user(Resolve.byName(spec("a", "*"))))
      assert.strictEqual(wrongName._tag === "RegistryError" ? wrongName.reason._tag : "", "PackageNotFound")
    }))

  test("passes over claims from the future and claims that others signed", (network) =>
    Effect.gen(function* () {
      const [alice, mallory] = [yield* keyPair("alice").pipe(withKeys), yield* keyPair("mallory").pipe(withKeys)]
      const user = yield* Fixtures.join(network)
      const sign = (timestamp: number) =>
        NameClaim.sign(mallory, name("a"), { latestVersion: version("1.0.0"), firstSeen: 0, timestamp })
      const forged = { ...sign(START_MS), k: alice.publicKey }
      const late = sign(START_MS + NameClaim.CLOCK_SKEW_MAX_MS + 1)
      const edge = sign(START_MS + NameClaim.CLOCK_SKEW_MAX_MS)
      const verified = (claims: ReadonlyArray<NameClaim.NameClaim>) =>
        Effect.map(user(NameClaim.verifyAll(name("a"), claims, START_MS)), (set) => set.size)
      assert.strictEqual(yield* verified([forged]), 0)
      assert.strictEqual(yield* verified([late]), 0)
      assert.strictEqual(yield* verified([edge]), 1)
      assert.strictEqual(
        yield* Effect.map(user(NameClaim.verifyAll(name("b"), [edge], START_MS)), (set) => set.size),
        0
      )
    }))

  test("refuses a release that its publisher wrote a second time", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const user = yield* Fixtures.join(network)
      yield* user(Publish.publish(alice, release("a", "1.0.0")))
      yield* user(Publish.publish(alice, release("a", "2.0.0")))
      const value = yield* Schema.encodeEffect(Release.codec)(release("a", "1.0.0", { content: "swapped" }))
      const salt = KeyString.saltOf(KeyString.release(name("a"), version("1.0.0")))
      yield* user(Effect.flatMap(Dht, (dht) => dht.put(Record.sign(alice, { salt, seq: 2, value }))))
      const error = yield* Effect.flip(user(Resolve.byName(spec("a", "1.0.0"))))
      assert.strictEqual(error._tag === "RegistryError" ? error.reason._tag : error._tag, "Equivocation")
    }))
})
