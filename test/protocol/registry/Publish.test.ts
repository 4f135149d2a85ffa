import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { explain } from "../../../src/protocol/core/Errors.ts"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { CasConflict, DhtError, PutRefused } from "../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../../../src/protocol/registry/NameIndex.ts"
import * as Package from "../../../src/protocol/registry/Package.ts"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"

const { keyPair, name, range, release, version } = Fixtures

const START_MS = 1_750_000_000_000
const HOUR_MS = 60 * 60 * 1000

const snapshot = (network: DhtMemory.Network) =>
  [...network.items].map(([target, { seq, value }]) => [target, seq, [...value].join()]).toSorted()

describe("Publish", () => {
  const test = (title: string, body: (network: DhtMemory.Network) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.effect(title, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(START_MS)
        yield* Effect.scoped(body(DhtMemory.make()))
      })
    )

  const withKeys = Effect.provide(Fixtures.host(DhtMemory.make()))

  test("changes nothing when it is run again", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      const before = snapshot(network)
      yield* TestClock.adjust(HOUR_MS)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      assert.deepStrictEqual(snapshot(network), before)
    }))

  test("refuses other content under a version that is out, before anything is written", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      const before = snapshot(network)
      const other = yield* Fixtures.join(network)
      const error = yield* Effect.flip(other(Publish.publish(alice, release("a", "1.0.0", { content: "else" }))))
      assert.strictEqual(error._tag === "RegistryError" ? error.reason._tag : "", "VersionExists")
      assert.include(error.message, "a@1.0.0")
      assert.deepStrictEqual(snapshot(network), before)
    }))

  test("ends in the same state wherever it was cut off", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const whole = yield* Fixtures.join(network)
      yield* whole(Publish.publish(alice, release("a", "1.0.0")))
      const expected = snapshot(network)
      for (let failing = 0; failing < expected.length; failing++) {
        const broken = DhtMemory.make()
        const publisher = yield* Fixtures.join(broken)
        let puts = 0
        const cutOff = Effect.flatMap(Dht, (dht) =>
          Effect.provideService(Publish.publish(alice, release("a", "1.0.0")), Dht, {
            ...dht,
            put: (record, options) =>
              puts++ === failing
                ? Effect.fail(new DhtError({ reason: new PutRefused({ target: "", problem: "cut off" }) }))
                : dht.put(record, options)
          })
        )
        yield* Effect.flip(publisher(cutOff))
        yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
        assert.deepStrictEqual(snapshot(broken), expected)
      }
    }))

  test("lists an older version after a newer one without making it the newest", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      yield* publisher(Publish.publish(alice, release("a", "2.0.0")))
      yield* publisher(Publish.publish(alice, release("a", "1.5.0")))
      const resolve = (packageRange: string) =>
        Effect.map(
          publisher(Resolve.byName({ name: name("a"), range: range(packageRange) })),
          ({ release }) => release.v
        )
      assert.strictEqual(yield* resolve("*"), "2.0.0")
      assert.strictEqual(yield* resolve("^1"), "1.5.0")
      const [claimed] = yield* publisher(Resolve.publishersOf(name("a")))
      assert.strictEqual(claimed!.claim.lv, "2.0.0")
    }))

  test("keeps hundreds of versions reachable although not all fit into the record", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      const versions = Array.from({ length: 150 }, (_, i) => `1.${i}.0`)
      yield* Effect.forEach(versions, (each) => publisher(Publish.publish(alice, release("a", each))), {
        discard: true
      })
      const resolve = (packageRange: string) =>
        Effect.map(
          publisher(Resolve.byName({ name: name("a"), range: range(packageRange) })),
          ({ release }) => release.v
        )
      assert.strictEqual(yield* resolve("^1"), "1.149.0")
      assert.strictEqual(yield* resolve("~1.140.0"), "1.140.0")
      assert.strictEqual(yield* resolve("1.0.0"), "1.0.0")
    }))

  test("goes on from what the publisher remembers when the network forgot", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      network.items.clear()
      yield* TestClock.adjust(HOUR_MS)
      yield* publisher(Publish.publish(alice, release("a", "1.1.0")))
      const newcomer = yield* Fixtures.join(network)
      const found = yield* Effect.option(newcomer(Resolve.byName({ name: name("a"), range: range("~1.0.0") })))
      assert.isTrue(Option.isNone(found), "the release record of 1.0.0 was lost with the network")
      const [claimed] = yield* publisher(Resolve.publishersOf(name("a")))
      assert.strictEqual(claimed!.claim.fs, START_MS, "the first claim's date is kept")
      const error = yield* Effect.flip(publisher(Publish.publish(alice, release("a", "1.0.0", { content: "else" }))))
      assert.strictEqual(error._tag === "RegistryError" ? error.reason._tag : "", "VersionExists")
    }))

  test("shares a name between two publishers who write at the same moment", (network) =>
    Effect.gen(function* () {
      const [alice, bob] = [yield* keyPair("alice").pipe(withKeys), yield* keyPair("bob").pipe(withKeys)]
      const [first, second] = [yield* Fixtures.join(network), yield* Fixtures.join(network)]
      const racing = yield* Effect.forkChild(
        Effect.all(
          [first(Publish.publish(alice, release("a", "1.0.0"))), second(Publish.publish(bob, release("a", "2.0.0")))],
          {
            concurrency: "unbounded"
          }
        )
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(racing)
      const user = yield* Fixtures.join(network)
      const publishers = yield* user(Resolve.publishersOf(name("a")))
      assert.deepStrictEqual(
        publishers.map(({ claim }) => PublicKey.toHex(claim.k)).toSorted(),
        [PublicKey.toHex(alice.publicKey), PublicKey.toHex(bob.publicKey)].toSorted()
      )
    }))

  test("brings back claims that somebody erased from the shared record", (network) =>
    Effect.gen(function* () {
      const [alice, bob] = [yield* keyPair("alice").pipe(withKeys), yield* keyPair("bob").pipe(withKeys)]
      const publisher = yield* Fixtures.join(network)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      yield* Fixtures.overwriteName(network, "a", 50)
      yield* publisher(Publish.publish(bob, release("a", "1.0.1")))
      assert.strictEqual((yield* publisher(NameIndex.read(name("a")))).claims.size, 2)
    }))

  test("says that the shared record is full rather than drop a claim", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const join = Effect.fnUntraced(function* (i: number) {
        const pair = yield* keyPair(`publisher ${i}`).pipe(withKeys)
        const claim = NameClaim.sign(pair, name("a"), {
          latestVersion: version("1.0.0"),
          firstSeen: START_MS,
          timestamp: START_MS
        })
        return yield* publisher(NameIndex.join(name("a"), () => claim))
      })
      for (let i = 0; i < 6; i++) yield* join(i)
      const error = yield* Effect.flip(join(6))
      assert.strictEqual(error._tag === "RegistryError" ? error.reason._tag : "", "NameIndexBlocked")
      assert.strictEqual((yield* publisher(NameIndex.read(name("a")))).claims.size, 6)
    }))

  test("says that the sequence numbers of the shared record are used up", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      yield* Fixtures.overwriteName(network, "a", Record.SEQ_MAX)
      const error = yield* Effect.flip(publisher(Publish.publish(alice, release("a", "1.0.0"))))
      assert.strictEqual(error._tag === "RegistryError" ? error.reason._tag : "", "NameIndexBlocked")
      assert.include(error.message, "sequence numbers")
    }))

  test("gives up on a name that others overwrite without pause", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      const overwritten = Effect.flatMap(Dht, (dht) =>
        Effect.provideService(Publish.publish(alice, release("a", "1.0.0")), Dht, {
          ...dht,
          put: (record, options) =>
            PublicKey.equals(record.publicKey, alice.publicKey)
              ? dht.put(record, options)
              : Effect.fail(new DhtError({ reason: new CasConflict({ target: "name", expectedSeq: 1 }) }))
        })
      )
      const publishing = yield* Effect.forkChild(Effect.flip(publisher(overwritten)))
      yield* TestClock.adjust("5 minutes")
      const error = yield* Fiber.join(publishing)
      assert.strictEqual(error._tag === "RegistryError" ? error.reason._tag : "", "NameIndexBlocked")
      assert.include(error.message, `${NameIndex.WRITE_TRIES} times`)
    }))

  test("carries on a claim that is dated ahead of its own clock", (network) =>
    Effect.gen(function* () {
      const [alice, bob] = [yield* keyPair("alice").pipe(withKeys), yield* keyPair("bob").pipe(withKeys)]
      const ahead = NameClaim.sign(alice, name("a"), {
        latestVersion: version("1.0.0"),
        firstSeen: START_MS,
        timestamp: START_MS + HOUR_MS
      })
      const publisher = yield* Fixtures.join(network)
      yield* publisher(NameIndex.join(name("a"), () => ahead))
      const other = yield* Fixtures.join(network)
      yield* other(Publish.publish(bob, release("a", "1.0.0")))
      const { inNetwork } = yield* other(NameIndex.read(name("a")))
      assert.strictEqual(inNetwork.size, 2)
      assert.strictEqual(NameClaim.believable(inNetwork, START_MS).length, 1)
    }))

  test("writes nothing over a shared record that it cannot read whole", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const value = new TextEncoder().encode(`d1:cle1:ki900e1:r20:${"r".repeat(20)}e`)
      yield* Fixtures.overwriteName(network, "a", 3, value)
      const before = snapshot(network).filter(([, seq]) => seq === 3)
      const publisher = yield* Fixtures.join(network)
      const error = yield* Effect.flip(publisher(Publish.publish(alice, release("a", "1.0.0"))))
      assert.include(error.message, "more claims than this version can read")
      assert.deepStrictEqual(
        snapshot(network).filter(([, seq]) => seq === 3),
        before
      )
    }))

  test("counts a version once, also when it is published again after it has dropped off the list", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      const versions = Array.from({ length: 90 }, (_, i) => `1.${i}.0`)
      yield* Effect.forEach(versions, (each) => publisher(Publish.publish(alice, release("a", each))), {
        discard: true
      })
      const before = snapshot(network)
      yield* TestClock.adjust(HOUR_MS)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      assert.deepStrictEqual(snapshot(network), before)
      const error = yield* Effect.flip(publisher(Resolve.byName({ name: name("a"), range: range("~1.0.0") })))
      assert.match(String(explain(error)?.hint), /older versions are not listed/)
    }))

  test("has room for 10,000 versions and says so at the next one", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      const salt = KeyString.saltOf(KeyString.packageOf(name("a")))
      const withCount = (c: number) => ({ ...Package.add(undefined, release("a", "1.0.0"), START_MS), c })
      const put = (seq: number, c: number) => {
        const record = Record.sign(alice, { salt, seq, value: Package.toBytes(withCount(c)) })
        return publisher(Effect.flatMap(Dht, (dht) => dht.put(record)))
      }
      yield* put(1, Package.VERSIONS_MAX - 1)
      yield* publisher(Publish.publish(alice, release("a", "2.0.0")))
      const error = yield* Effect.flip(publisher(Publish.publish(alice, release("a", "3.0.0"))))
      assert.strictEqual(explain(error)?._tag, "TooManyVersions")
    }))

  test("updates its claim also after the clock was set back", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      yield* TestClock.setTime(START_MS - 5 * 60 * 1000)
      yield* publisher(Publish.publish(alice, release("a", "2.0.0")))
      const [claimed] = yield* publisher(Resolve.publishersOf(name("a")))
      assert.strictEqual(claimed!.claim.lv, "2.0.0")
    }))
})
