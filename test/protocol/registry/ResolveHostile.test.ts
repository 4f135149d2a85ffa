import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../../../src/protocol/registry/NameIndex.ts"
import * as Package from "../../../src/protocol/registry/Package.ts"
import { Proofs } from "../../../src/protocol/registry/Proofs.ts"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import * as PublisherRecords from "../../../src/protocol/registry/PublisherRecords.ts"
import * as Release from "../../../src/protocol/registry/Release.ts"
import * as RePut from "../../../src/protocol/registry/RePut.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"

const { keyPair, name, range, release, text, version } = Fixtures

const START_MS = 1_750_000_000_000
const DAY_MS = 24 * 60 * 60 * 1000

const spec = (packageName: string, packageRange: string) => ({ name: name(packageName), range: range(packageRange) })

describe("Resolve among strangers", () => {
  const test = (title: string, body: (network: DhtMemory.Network) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.effect(title, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(START_MS)
        yield* Effect.scoped(body(DhtMemory.make()))
      })
    )

  const withKeys = Effect.provide(Fixtures.host(DhtMemory.make()))

  test("believes its own first observation before any date that a squatter claims", (network) =>
    Effect.gen(function* () {
      const [alice, mallory] = [yield* keyPair("alice").pipe(withKeys), yield* keyPair("mallory").pipe(withKeys)]
      const publisher = yield* Fixtures.join(network)
      const user = yield* Fixtures.join(network)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      yield* user(Resolve.resolveByName(spec("a", "*")))
      yield* TestClock.adjust(DAY_MS)
      const squatter = yield* Fixtures.join(network)
      const claim = NameClaim.sign(mallory, name("a"), {
        latestVersion: version("9.9.9"),
        firstSeen: 0,
        timestamp: START_MS + DAY_MS
      })
      yield* squatter(NameIndex.join(name("a"), () => claim))
      const chosen = yield* user(Resolve.resolveByName(spec("a", "*")))
      assert.isTrue(PublicKey.equals(chosen.publisher, alice.publicKey))
    }))

  test("refuses a record that was tampered with", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const publisher = yield* Fixtures.join(network)
      const user = yield* Fixtures.join(network)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      const key = Hex.encode(Record.targetOf(alice.publicKey, KeyString.saltOf(KeyString.packageOf(name("a")))))
      const genuine = network.items.get(key)!
      for (let i = 0; i < genuine.value.length; i += 7) {
        network.items.set(key, { ...genuine, value: genuine.value.map((byte, at) => (at === i ? byte ^ 4 : byte)) })
        const error = yield* Effect.flip(user(Resolve.resolveByName(spec("a", "*"))))
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
      const error = yield* Effect.flip(user(Resolve.resolveByName(spec("a", "*"))))
      assert.strictEqual(error._tag === "RegistryError" ? error.reason._tag : error._tag, "InvalidRecord")
    }))

  test("refuses a package record that was signed for another name", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const publisher = yield* Fixtures.join(network)
      const user = yield* Fixtures.join(network)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      yield* publisher(Publish.publish(alice, release("b", "1.0.0")))
      const saltOf = (packageName: string) => KeyString.saltOf(KeyString.packageOf(name(packageName)))
      const other = network.items.get(Hex.encode(Record.targetOf(alice.publicKey, saltOf("b"))))!
      // Relabelled: the signature covers the salt, so it does not hold under another one.
      network.items.set(Hex.encode(Record.targetOf(alice.publicKey, saltOf("a"))), { ...other, salt: saltOf("a") })
      const relabelled = yield* Effect.flip(user(Resolve.resolveByName(spec("a", "*"))))
      assert.strictEqual(relabelled._tag === "RegistryError" ? relabelled.reason._tag : "", "PackageNotFound")
      // Signed by a careless publisher under the wrong salt: still not what was asked for.
      const careless = Record.sign(alice, { salt: saltOf("a"), seq: 9, value: other.value })
      network.items.set(Hex.encode(Record.targetOf(alice.publicKey, saltOf("a"))), careless)
      const wrongName = yield* Effect.flip(user(Resolve.resolveByName(spec("a", "*"))))
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
      const believed = (claims: ReadonlyArray<NameClaim.NameClaim>, of = "a") =>
        Effect.map(user(NameClaim.verifyAll(name(of), claims)), (set) => NameClaim.believable(set, START_MS).length)
      assert.strictEqual(yield* believed([forged]), 0)
      assert.strictEqual(yield* believed([late]), 0)
      assert.strictEqual(yield* believed([edge]), 1)
      assert.strictEqual(yield* believed([edge], "b"), 0)
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
      const error = yield* Effect.flip(user(Resolve.resolveByName(spec("a", "1.0.0"))))
      assert.strictEqual(error._tag === "RegistryError" ? error.reason._tag : error._tag, "Equivocation")
    }))

  const tagOf = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
    Effect.map(Effect.flip(effect), (error) =>
      "reason" in error ? (error.reason as { readonly _tag: string })._tag : error._tag
    )

  test("keeps to the newest record that it has seen when the network serves an older one", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const publisher = yield* Fixtures.join(network)
      const user = yield* Fixtures.join(network)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      const old = new Map(network.items)
      yield* publisher(Publish.publish(alice, release("a", "1.1.0")))
      assert.strictEqual((yield* user(Resolve.resolveByName(spec("a", "*")))).release.v, "1.1.0")
      for (const [target, item] of old) network.items.set(target, item)
      assert.strictEqual((yield* user(Resolve.resolveByName(spec("a", "*")))).release.v, "1.1.0")
      const newcomer = yield* Fixtures.join(network)
      assert.strictEqual((yield* newcomer(Resolve.resolveByName(spec("a", "*")))).release.v, "1.0.0")
    }))

  test("refuses a release that differs from the one that it remembers, inlined or not, and stays with the first", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const user = yield* Fixtures.join(network)
      const publisher = yield* Fixtures.join(network)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      yield* publisher(Publish.publish(alice, release("a", "2.0.0")))
      const first = yield* user(Resolve.resolveByName(spec("a", "1.0.0")))
      // The same key tells another story on another network, and its records find their way here.
      const elsewhere = DhtMemory.make()
      const twoFaced = yield* Fixtures.join(elsewhere)
      yield* twoFaced(Publish.publish(alice, release("a", "1.0.0", { content: "else" })))
      const salt = KeyString.saltOf(KeyString.release(name("a"), version("1.0.0")))
      const key = Hex.encode(Record.targetOf(alice.publicKey, salt))
      network.items.set(key, elsewhere.items.get(key)!)
      assert.strictEqual(yield* tagOf(user(Resolve.resolveByName(spec("a", "1.0.0")))), "Equivocation")
      const inlined = yield* user(Package.add(undefined, release("a", "1.0.0", { content: "else" }), START_MS))
      const packageSalt = KeyString.saltOf(KeyString.packageOf(name("a")))
      const swapped = Record.sign(alice, { salt: packageSalt, seq: 9, value: inlined.value })
      yield* user(Effect.flatMap(Dht, (dht) => dht.put(swapped)))
      assert.strictEqual(yield* tagOf(user(Resolve.resolveByName(spec("a", "*")))), "Equivocation")
      const kept = yield* user(Effect.flatMap(RecordStore, (store) => store.find(alice.publicKey, salt)))
      assert.deepStrictEqual(Option.getOrThrow(kept).value, yield* Schema.encodeEffect(Release.codec)(first.release))
    }))

  test("still finds a name whose shared record somebody overwrote, where it was known before", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const publisher = yield* Fixtures.join(network)
      const user = yield* Fixtures.join(network)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      yield* user(Resolve.resolveByName(spec("a", "*")))
      yield* Fixtures.overwriteName(network, "a", 50)
      assert.strictEqual((yield* user(Resolve.resolveByName(spec("a", "*")))).release.v, "1.0.0")
      assert.strictEqual((yield* user(Resolve.resolveByName(spec("a", "*")))).release.v, "1.0.0")
      const newcomer = yield* Fixtures.join(network)
      assert.strictEqual(yield* tagOf(newcomer(Resolve.resolveByName(spec("a", "*")))), "NameNotFound")
      assert.deepStrictEqual(yield* user(RePut.once), { stored: 2, superseded: 0, failed: 0 })
      assert.strictEqual((yield* newcomer(Resolve.resolveByName(spec("a", "*")))).release.v, "1.0.0")
    }))

  test("reads the good claims of a record that has bad ones too", (network) =>
    Effect.gen(function* () {
      const [alice, bob] = [yield* keyPair("alice").pipe(withKeys), yield* keyPair("bob").pipe(withKeys)]
      const user = yield* Fixtures.join(network)
      const fields = { latestVersion: version("1.0.0"), firstSeen: START_MS, timestamp: START_MS }
      const good = NameClaim.sign(alice, name("a"), fields)
      const other = NameClaim.sign(bob, name("a"), fields)
      const wire = ({ fs, k, lv, s, t }: NameClaim.NameClaim) => ({ fs, k, lv: text(lv), s, t })
      const bad: ReadonlyArray<Bencode.Value> = [
        { ...wire(other), k: new Uint8Array(32) },
        { ...wire(other), lv: text("one") },
        { ...wire(other), more: 1 },
        7,
        []
      ]
      const value = Bencode.encode({ c: [...bad, wire(good), wire(other)], k: 7 })
      yield* Fixtures.overwriteName(network, "a", 1, value)
      assert.strictEqual((yield* user(NameIndex.read(name("a")))).claims.size, 2)
    }))

  test("refuses a release of which the network holds two at once, and keeps the proof", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const publisher = yield* Fixtures.join(network)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      yield* publisher(Publish.publish(alice, release("a", "1.1.0")))
      const rival = PublisherRecords.signRelease(alice, release("a", "1.0.0", { content: "other" }))
      /** Some nodes hold one of them and some the other. */
      const torn = Effect.map(Dht, (dht) =>
        Dht.of({
          ...dht,
          lookup: (publicKey, salt) =>
            Effect.map(dht.lookup(publicKey, salt), (answer) =>
              Bytes.Equivalence(salt, rival.salt) ? { ...answer, rivals: [rival] } : answer
            )
        })
      )
      const user = yield* Fixtures.join(network)
      const error = yield* user(
        Effect.flip(Effect.provideServiceEffect(Resolve.resolveByName(spec("a", "1.0.0")), Dht, torn))
      )
      assert.strictEqual(error.reason._tag, "Equivocation")
      const proofs = yield* user(Effect.flatMap(Proofs, (store) => store.all))
      assert.strictEqual(proofs.length, 1)
      // Whatever the network says from now on.
      const again = yield* user(Effect.flip(Resolve.resolveByName(spec("a", "1.0.0"))))
      assert.strictEqual(again.reason._tag, "Equivocation")
    }))

  test("notices while publishing that another machine with the key put other content at the same moment", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const rival = PublisherRecords.signRelease(alice, release("a", "1.0.0", { content: "other" }))
      let isPut = false
      const torn = Effect.map(Dht, (dht) =>
        Dht.of({
          ...dht,
          put: (record, options) => {
            isPut ||= Bytes.Equivalence(record.salt, rival.salt)
            return dht.put(record, options)
          },
          lookup: (publicKey, salt) =>
            Effect.map(dht.lookup(publicKey, salt), (answer) =>
              isPut && Bytes.Equivalence(salt, rival.salt) ? { ...answer, rivals: [rival] } : answer
            )
        })
      )
      const publisher = yield* Fixtures.join(network)
      const error = yield* publisher(
        Effect.flip(Effect.provideServiceEffect(Publish.publish(alice, release("a", "1.0.0")), Dht, torn))
      )
      assert.strictEqual(error.reason._tag, "VersionExists")
      // Nothing speaks of it yet: neither package, nor catalogue, nor name.
      assert.strictEqual(network.items.size, 1)
    }))
})
