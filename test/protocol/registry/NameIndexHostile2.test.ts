import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import * as Deadline from "../../../src/protocol/core/Deadline.ts"
import { explain } from "../../../src/protocol/core/Errors.ts"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../../../src/protocol/registry/NameIndex.ts"
import * as NameIndexMemory from "../../../src/protocol/registry/NameIndexMemory.ts"
import * as NameIndexRecord from "../../../src/protocol/registry/NameIndexRecord.ts"
import * as PublisherRecords from "../../../src/protocol/registry/PublisherRecords.ts"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"
import { claimOf, claims, countingHost, NAME, publish, SIGNED_AT_MS, verifiedSet } from "./NameIndexWorld.ts"

const { keyPair, range, release, version } = Fixtures

/** Signing and verifying 10,000 claims takes two seconds on an idle machine. */
const TIMEOUT_MS = 120_000

const DAY_MS = 24 * 60 * 60 * 1000

/** Lets the pauses between tries pass. */
const patiently = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(work)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
    return yield* Fiber.join(fiber)
  })

const withKeys = Effect.provide(Fixtures.host(DhtMemory.make()))

/** Claims that nobody signed. */
const fakes = (count: number): ReadonlyArray<NameClaim.NameClaim> => {
  const real = claimOf("some")
  return Array.from({ length: count }, (_, i) => {
    const key = new Uint8Array(32)
    new DataView(key.buffer).setUint32(0, (i + 1) * 7919)
    return { ...real, k: Option.getOrThrow(PublicKey.fromBytes(key)) }
  })
}

describe("a name under attack", () => {
  const test = (title: string, body: (network: DhtMemory.Network) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.effect(
      title,
      () =>
        Effect.gen(function* () {
          yield* TestClock.setTime(SIGNED_AT_MS)
          yield* Effect.scoped(body(DhtMemory.make()))
        }),
      TIMEOUT_MS
    )

  /** A record whose inner pages are there and whose leaves are not. */
  const hollow = Effect.fnUntraced(function* (network: DhtMemory.Network) {
    const { pages } = yield* publish(network, fakes(3_000), 1)
    const leaves = new Set(pages.filter((page) => isLeaf(page)))
    for (const [key, page] of network.immutable) if (leaves.has(page)) network.immutable.delete(key)
    assert.isAbove(leaves.size, 500)
    return pages.length
  })
  const isLeaf = (page: Uint8Array): boolean => {
    const encoded = Fixtures.text("1:hi0ee")
    return encoded.every((byte, at) => page[page.length - encoded.length + at] === byte)
  }

  test("asks once for each page of a tree that is not there, and writes what is known", (network) =>
    Effect.gen(function* () {
      const pages = yield* hollow(network)
      const { reset, run } = yield* countingHost(network)
      yield* patiently(run(NameIndex.join(NAME, () => claimOf("own"))))
      assert.isAtMost(reset().pageReads, pages + 1)
      const { inNetwork } = yield* run(NameIndex.read(NAME))
      assert.strictEqual(inNetwork.size, 1)
    }))

  test("does not wait for slow pages longer than half of the deadline", (network) =>
    Effect.gen(function* () {
      yield* publish(network, fakes(3_000), 1)
      const host = yield* Fixtures.join(network)
      const never = yield* Deferred.make<never>()
      let asked = 0
      const slow = Effect.flatMap(Dht, (dht) =>
        NameIndex.join(NAME, () => claimOf("own")).pipe(
          Effect.provideService(Dht, {
            ...dht,
            getImmutable: (target) =>
              Effect.suspend(() => (++asked <= 64 ? dht.getImmutable(target) : Deferred.await(never)))
          }),
          Deadline.within("30 seconds")
        )
      )
      const { seq } = yield* patiently(host(slow))
      assert.strictEqual(seq, 2)
    }))

  test("an owner's claim comes into a name that others filled, and stays there", (network) =>
    Effect.gen(function* () {
      const owner = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      yield* owner(Publish.publish(alice, release("a", "1.0.0")))
      const squatters = claims(NameIndex.CLAIMS_MAX)
      yield* publish(network, squatters, 50)
      yield* patiently(owner(NameIndex.mend(NAME)))
      const key = PublicKey.toHex(alice.publicKey)
      const newcomer = yield* Fixtures.join(network)
      const { inNetwork } = yield* newcomer(NameIndex.read(NAME))
      assert.strictEqual(inNetwork.size, NameIndex.CLAIMS_MAX)
      assert.isTrue(inNetwork.has(key))
      const { seq } = yield* patiently(owner(NameIndex.mend(NAME)))
      assert.strictEqual(seq, 51, "and a second mend writes nothing")
    }))

  test("a claim whose publisher's package is held displaces another one in a full memory", () =>
    Effect.gen(function* () {
      const host = yield* Fixtures.join(DhtMemory.make())
      const alice = yield* keyPair("alice").pipe(withKeys)
      const mine = { ...claimOf("some"), k: alice.publicKey }
      const place = yield* host(NameIndexMemory.placeOf(NAME))
      const full = verifiedSet(fakes(NameIndexRecord.CLAIMS_MAX))
      const all = NameClaim.merge(full, verifiedSet([mine]))
      const key = PublicKey.toHex(alice.publicKey)
      assert.isFalse((yield* host(NameIndexMemory.limited(place, all, full))).has(key))
      const salt = KeyString.saltOf(KeyString.packageOf(NAME))
      const record = Record.sign(alice, { salt, seq: 1, value: Bencode.encode({}) })
      yield* host(Effect.flatMap(RecordStore, (store) => store.remember(record)))
      const kept = yield* host(NameIndexMemory.limited(place, all, full))
      assert.isTrue(kept.has(key))
      assert.strictEqual(kept.size, NameIndexRecord.CLAIMS_MAX)
    }))

  test("a publisher whose clock was once far ahead is still found, with a warning, and after all others", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const [alice, bob] = [yield* keyPair("alice").pipe(withKeys), yield* keyPair("bob").pipe(withKeys)]
      yield* publisher(Publish.publish(alice, release("a", "2.0.0")))
      const late = NameClaim.sign(alice, NAME, {
        latestVersion: version("2.0.0"),
        firstSeen: 0,
        timestamp: SIGNED_AT_MS + 30_000 * DAY_MS
      })
      yield* publisher(NameIndex.join(NAME, () => late))
      const user = yield* Fixtures.join(network)
      const found = yield* user(Resolve.resolveByName({ name: NAME, range: range("*") }))
      assert.isTrue(PublicKey.equals(found.publisher, alice.publicKey))
      assert.include(
        found.evidence.warnings.map(({ code }) => code),
        "postdated"
      )
      const other = yield* Fixtures.join(network)
      yield* other(Publish.publish(bob, release("a", "1.0.0")))
      const second = yield* Fixtures.join(network)
      const chosen = yield* second(Resolve.resolveByName({ name: NAME, range: range("*") }))
      assert.isTrue(PublicKey.equals(chosen.publisher, bob.publicKey))
      assert.match(chosen.evidence.candidates[1]?.reason ?? "", /^postdated/)
    }))

  test("a claim of the last date there is is a typed error for the next one", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      const last = NameClaim.sign(alice, NAME, {
        latestVersion: version("1.0.0"),
        firstSeen: 0,
        timestamp: Number.MAX_SAFE_INTEGER
      })
      yield* publisher(NameIndex.join(NAME, () => last))
      const error = yield* Effect.flip(
        publisher(PublisherRecords.writeClaim(alice, NAME, version("2.0.0"), { now: SIGNED_AT_MS, yields: false }))
      )
      assert.strictEqual(explain(error)?._tag, "NameIndexBlocked")
      assert.include(error.message, "latest date")
    }))
})
