import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import type * as Infohash from "../../../src/protocol/core/Infohash.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as Quorum from "../../../src/protocol/dht/Quorum.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../../../src/protocol/registry/NameIndex.ts"
import * as Policy from "../../../src/protocol/registry/Policy.ts"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Revocation from "../../../src/protocol/trust/Revocation.ts"
import * as Fixtures from "./Fixtures.ts"
import * as Users from "./Users.ts"

const { keyPair, name, range, release, version } = Fixtures

const START_MS = 1_750_000_000_000

const withKeys = Effect.provide(Fixtures.host(DhtMemory.make()))

const test = (title: string, body: (network: DhtMemory.Network) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START_MS)
      yield* Effect.scoped(body(DhtMemory.make()))
    })
  )

const spec = (wanted: string) => ({ name: name("a"), range: wanted === "latest" ? wanted : range(wanted) }) as const

/** Publishes under the name `a`, on virtual time that the retries of a put may need. */
const publishing = (network: DhtMemory.Network, versions: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const alice = yield* keyPair("alice").pipe(withKeys)
    const publisher = yield* Fixtures.join(network)
    for (const each of versions) yield* publisher(Publish.publish(alice, release("a", each)))
    return alice
  })

const many = (count: number) => Array.from({ length: count }, (_, i) => `1.${i}.0`)

/** The seconds that a resolution took, at one second a look-up, are the look-ups that its evidence tells. */
const lookups = <E>(work: Effect.Effect<Resolve.Resolution, E>) =>
  Effect.gen(function* () {
    const { seconds, value } = yield* Users.timed(work)
    assert.strictEqual(value.evidence.lookups, seconds)
    return seconds
  })

describe("look-ups one after another", () => {
  test("by name: two for the newest version, three for any other", (network) =>
    Effect.gen(function* () {
      yield* publishing(network, ["1.2.0", "1.3.0"])
      const user = yield* Users.join(network, { dht: Users.slow })
      assert.strictEqual(yield* lookups(user(Resolve.resolveByName(spec("^1.0.0")))), 2)
      assert.strictEqual(yield* lookups(user(Resolve.resolveLatest(name("a")))), 2)
      assert.strictEqual(yield* lookups(user(Resolve.resolveSemver(name("a"), range("~1.2.0")))), 3)
      assert.strictEqual(yield* lookups(user(Resolve.resolveExact(name("a"), version("1.2.0")))), 3)
    }))

  test("pinned: one for the newest version and for any exact one, two for another", (network) =>
    Effect.gen(function* () {
      const alice = yield* publishing(network, ["1.2.0", "1.3.0"])
      const user = yield* Users.join(network, { dht: Users.slow, pins: { a: alice.publicKey } })
      assert.strictEqual(yield* lookups(user(Resolve.resolveByName(spec("^1.0.0")))), 1)
      assert.strictEqual(yield* lookups(user(Resolve.resolveByName(spec("~1.2.0")))), 2)
      assert.strictEqual(yield* lookups(user(Resolve.resolveExact(name("a"), version("1.2.0")))), 1)
    }))

  test("from a given publisher: one for the newest version and for any exact one, two for another", (network) =>
    Effect.gen(function* () {
      const { publicKey: publisher } = yield* publishing(network, ["1.2.0", "1.3.0"])
      const user = yield* Users.join(network, { dht: Users.slow })
      assert.strictEqual(yield* lookups(user(Resolve.resolveByName(spec("latest"), { publisher }))), 1)
      assert.strictEqual(yield* lookups(user(Resolve.resolveByName(spec("<1.3"), { publisher }))), 2)
      assert.strictEqual(yield* lookups(user(Resolve.resolveExact(name("a"), version("1.2.0"), { publisher }))), 1)
    }))

  test("a pinned name waits for nothing but its publisher, not even for a name index that never answers", (network) =>
    Effect.gen(function* () {
      const alice = yield* publishing(network, ["1.3.0"])
      const user = yield* Users.join(network, {
        pins: { a: alice.publicKey },
        dht: (dht) => ({
          ...dht,
          lookup: (publicKey, salt) =>
            publicKey.every((byte, i) => byte === alice.publicKey[i]) ? dht.lookup(publicKey, salt) : Effect.never
        })
      })
      const { seconds } = yield* Users.timed(user(Resolve.resolveByName(spec("^1.0.0"))))
      assert.strictEqual(seconds, 0)
    }))

  test("a list of versions that outgrew its record takes one more for each level of the tree", (network) =>
    Effect.gen(function* () {
      const { publicKey: publisher } = yield* publishing(network, many(80))
      const user = yield* Users.join(network, { dht: Users.slow })
      assert.strictEqual(yield* lookups(user(Resolve.resolveByName(spec("^1.0.0")))), 2)
      assert.strictEqual(yield* lookups(user(Resolve.resolveByName(spec("1.79.0")))), 2)
      // Name index, package, the one page of its tree, release.
      assert.strictEqual(yield* lookups(user(Resolve.resolveByName(spec("~1.3.0")))), 4)
      // The flags of an exact version are read while its release is.
      assert.strictEqual(yield* lookups(user(Resolve.resolveByName(spec("1.3.0")))), 3)
      assert.strictEqual(yield* lookups(user(Resolve.resolveByName(spec("1.3.0"), { publisher }))), 2)
    }))

  test("a name index that outgrew its record takes one more for each level of the tree", (network) =>
    Effect.gen(function* () {
      yield* publishing(network, ["1.0.0"])
      const crowd = yield* Fixtures.join(network)
      for (let i = 0; i < 20; i++) {
        const pair = yield* keyPair(`crowd ${i}`).pipe(withKeys)
        const dates = { firstSeen: START_MS + 1, timestamp: START_MS + 1 }
        const claim = NameClaim.sign(pair, name("a"), { latestVersion: version("1.0.0"), ...dates })
        yield* crowd(NameIndex.join(name("a"), () => claim))
      }
      const user = yield* Users.join(network, { dht: Users.slow })
      const seconds = yield* lookups(user(Resolve.resolveByName(spec("^1.0.0"))))
      assert.isAbove(seconds, 2)
      assert.isAtMost(seconds, 4)
    }))

  test("each group of candidates who revoked their keys takes one more, and the next who did not another", (network) =>
    Effect.gen(function* () {
      const shared = yield* Fixtures.join(network)
      for (let i = 0; i < 6; i++) {
        const pair = yield* keyPair(`publisher ${i}`).pipe(withKeys)
        yield* shared(Publish.publish(pair, release("a", `1.${i}.0`)))
        yield* TestClock.adjust("1 minute")
        const reason = Revocation.DEFAULT_REASON
        if (i < 5) yield* shared(Quorum.put(Revocation.sign(pair, { reason, timestamp: START_MS })))
      }
      const user = yield* Users.join(network, { dht: Users.slow })
      const { seconds, value } = yield* Users.timed(user(Resolve.resolveByName(spec("*"))))
      assert.strictEqual(value.release.v, "1.5.0")
      assert.strictEqual(value.evidence.lookups, seconds)
      // Name index, the first four, the last two, the package of the second of them.
      assert.strictEqual(seconds, 4)
    }))

  test("counting seeders takes two more, for packages and peers, and ends at its deadline", (network) =>
    Effect.gen(function* () {
      const { publicKey } = yield* publishing(network, ["1.0.0"])
      const seeder = yield* Fixtures.join(network)
      const { ih } = release("a", "1.0.0")
      yield* seeder(Effect.flatMap(Dht, (dht) => dht.announcePeer(ih, 6881)))
      const user = yield* Users.join(network, { dht: Users.slow })
      const options = { policy: Policy.seederCount }
      assert.strictEqual(yield* lookups(user(Resolve.resolveByName(spec("*"), options))), 4)
      const never = (_: Infohash.Infohash) => Effect.never
      const stuck = yield* Users.join(network, { dht: (dht) => ({ ...dht, findPeers: never }) })
      const { seconds, value } = yield* Users.timed(stuck(Resolve.resolveByName(spec("*"), options)))
      assert.strictEqual(seconds, 5)
      assert.deepStrictEqual(value.publisher, publicKey)
    }))
})
