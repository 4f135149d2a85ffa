import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Hex from "effect/encoding/Hex"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import type { KeyPair } from "../../../src/protocol/core/KeyPair.ts"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { DhtError, PutRefused } from "../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Quorum from "../../../src/protocol/dht/Quorum.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../../../src/protocol/registry/NameIndex.ts"
import * as Policy from "../../../src/protocol/registry/Policy.ts"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import type { RegistryError } from "../../../src/protocol/registry/RegistryError.ts"
import * as Requirement from "../../../src/protocol/registry/Requirement.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import * as Seeders from "../../../src/protocol/registry/Seeders.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Revocation from "../../../src/protocol/trust/Revocation.ts"
import * as Fixtures from "./Fixtures.ts"
import * as Users from "./Users.ts"

const { keyPair, name, release, version } = Fixtures

const START_MS = 1_750_000_000_000

const withKeys = Effect.provide(Fixtures.host(DhtMemory.make()))

/** Alice published `a` first, Bob a minute later with a higher version. */
const test = (
  title: string,
  body: (world: {
    readonly network: DhtMemory.Network
    readonly alice: KeyPair
    readonly bob: KeyPair
  }) => Effect.Effect<void, unknown, Scope.Scope>
) =>
  it.effect(title, () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START_MS)
      const network = DhtMemory.make()
      const [alice, bob] = [yield* keyPair("alice").pipe(withKeys), yield* keyPair("bob").pipe(withKeys)]
      const publisher = yield* Fixtures.join(network)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      yield* TestClock.adjust("1 minute")
      const other = yield* Fixtures.join(network)
      yield* other(Publish.publish(bob, release("a", "9.0.0")))
      yield* body({ network, alice, bob })
    }).pipe(Effect.scoped)
  )

const latest = (options?: Resolve.Options) => Resolve.resolveLatest(name("a"), options)

const base64 = ({ publicKey }: KeyPair) => PublicKey.toBase64(publicKey)

const refusal = <A>(work: Effect.Effect<A, RegistryError>) => Effect.map(Effect.flip(work), ({ reason }) => reason)

const revoke = (network: DhtMemory.Network, pair: KeyPair, successor?: PublicKey.PublicKey) =>
  Effect.gen(function* () {
    const host = yield* Fixtures.join(network)
    const fields = { reason: Revocation.DEFAULT_REASON, successor, timestamp: START_MS }
    yield* host(Quorum.put(Revocation.sign(pair, fields)))
  })

const forget = (network: DhtMemory.Network, pair: KeyPair) => {
  const salt = KeyString.saltOf(KeyString.packageOf(name("a")))
  network.items.delete(Hex.encode(Record.targetOf(pair.publicKey, salt)))
}

/** Claims on `a` that are older than everybody's, with no package behind them. */
const squat = (network: DhtMemory.Network, count: number) =>
  Effect.gen(function* () {
    const host = yield* Fixtures.join(network)
    for (let i = 0; i < count; i++) {
      const pair = yield* keyPair(`squatter ${i}`).pipe(withKeys)
      const dates = { firstSeen: 0, timestamp: START_MS }
      const claim = NameClaim.sign(pair, name("a"), { latestVersion: version("99.0.0"), ...dates })
      yield* host(NameIndex.join(name("a"), () => claim))
    }
  })

describe("a name without a pin", () => {
  for (const count of [1, 6]) {
    test(`is not blocked by ${count} older claims with no package behind them`, ({ alice, network }) =>
      Effect.gen(function* () {
        yield* squat(network, count)
        const user = yield* Users.join(network, { dht: Users.slow })
        const { seconds, value } = yield* Users.timed(user(latest()))
        assert.isTrue(PublicKey.equals(value.publisher, alice.publicKey))
        assert.strictEqual(value.evidence.lookups, seconds)
        assert.isAtMost(seconds, 5)
        assert.deepStrictEqual(
          value.evidence.warnings.map(({ code }) => code),
          ["packageMissing"]
        )
        const empty = value.evidence.candidates.filter(({ reason }) => reason.includes("no record of the package"))
        assert.strictEqual(empty.length, count)
        assert.isTrue(empty.every(({ verdict }) => verdict === "lost"))
      }))
  }

  test("is not found where nobody's package is to be had, and names the others", ({ alice, bob, network }) =>
    Effect.gen(function* () {
      forget(network, alice)
      forget(network, bob)
      const user = yield* Users.join(network)
      const reason = yield* refusal(user(latest()))
      if (reason._tag !== "PackageNotFound") return assert.fail(reason._tag)
      assert.strictEqual(reason.publisher, base64(alice))
      assert.deepStrictEqual(reason.others, [base64(bob)])
    }))
})

describe("a pinned name", () => {
  test("is never offered from a publisher that revoked its key", ({ alice, bob, network }) =>
    Effect.gen(function* () {
      const carol = yield* keyPair("carol").pipe(withKeys)
      const other = yield* Fixtures.join(network)
      yield* other(Publish.publish(carol, release("a", "2.0.0")))
      yield* revoke(network, bob)
      forget(network, alice)
      const user = yield* Users.join(network, { pins: { a: alice.publicKey } })
      const reason = yield* refusal(user(latest()))
      if (reason._tag !== "PublisherChanged") return assert.fail(reason._tag)
      assert.deepStrictEqual(reason.offered, [base64(carol)])
      yield* revoke(network, carol)
      const nobody = yield* refusal(user(latest()))
      assert.strictEqual(nobody._tag, "PackageNotFound")
    }))

  test("stays with its publisher, whatever the policy prefers", ({ alice, bob, network }) =>
    Effect.gen(function* () {
      const user = yield* Users.join(network, { pins: { a: bob.publicKey } })
      const { evidence, publisher } = yield* user(latest())
      assert.isTrue(PublicKey.equals(publisher, bob.publicKey))
      assert.include(evidence.candidates[0]!.reason, "pinned")
      const fan = yield* Users.join(network, { pins: { a: alice.publicKey } })
      const kept = yield* fan(latest({ policy: Policy.latestVersion }))
      assert.isTrue(PublicKey.equals(kept.publisher, alice.publicKey))
    }))

  test("is an error with the command that accepts the change, where another publisher is asked for", (world) =>
    Effect.gen(function* () {
      const { alice, bob, network } = world
      const user = yield* Users.join(network, { pins: { a: alice.publicKey } })
      const reason = yield* refusal(user(latest({ publisher: bob.publicKey })))
      if (reason._tag !== "PublisherChanged") return assert.fail(reason._tag)
      assert.deepStrictEqual(reason.offered, [base64(bob)])
      assert.include(reason.hint, `ls-cli trust pin a ${base64(bob)}`)
      const same = yield* user(latest({ publisher: alice.publicKey }))
      assert.strictEqual(same.release.v, "1.0.0")
    }))

  test("does not move to others when its publisher's record is gone, and names them", ({ alice, bob, network }) =>
    Effect.gen(function* () {
      forget(network, alice)
      const user = yield* Users.join(network, { pins: { a: alice.publicKey } })
      const reason = yield* refusal(user(latest()))
      if (reason._tag !== "PublisherChanged") return assert.fail(reason._tag)
      assert.deepStrictEqual(reason.offered, [base64(bob)])
      assert.strictEqual(reason.pinned, base64(alice))
    }))

  test("is not found where its publisher's record is gone and nobody else publishes it", ({ alice, network }) =>
    Effect.gen(function* () {
      forget(network, alice)
      yield* Fixtures.overwriteName(network, "a", 99)
      const user = yield* Users.join(network, { pins: { a: alice.publicKey } })
      assert.strictEqual((yield* refusal(user(latest())))._tag, "PackageNotFound")
    }))

  test("needs no name index", ({ alice, network }) =>
    Effect.gen(function* () {
      const user = yield* Users.join(network, {
        pins: { a: alice.publicKey },
        dht: (dht) => ({
          ...dht,
          lookup: (publicKey, salt) =>
            PublicKey.equals(publicKey, alice.publicKey)
              ? dht.lookup(publicKey, salt)
              : Effect.fail(new DhtError({ reason: new PutRefused({ target: "", problem: "broken" }) }))
        })
      })
      assert.strictEqual((yield* user(latest())).release.v, "1.0.0")
    }))

  test("is refused where its publisher revoked the key, with the successor", ({ alice, bob, network }) =>
    Effect.gen(function* () {
      yield* revoke(network, alice, bob.publicKey)
      const user = yield* Users.join(network, { pins: { a: alice.publicKey } })
      const reason = yield* refusal(user(latest()))
      if (reason._tag !== "PublisherRevoked") return assert.fail(reason._tag)
      assert.strictEqual(reason.successor, base64(bob))
      assert.strictEqual(reason.because, Revocation.DEFAULT_REASON)
    }))

  test("is refused where the policy refuses its publisher, naming those that it would take", (world) =>
    Effect.gen(function* () {
      const { alice, bob, network } = world
      const pins = { a: alice.publicKey }
      const trusting = yield* Users.join(network, { pins, trusted: [bob.publicKey] })
      const changed = yield* refusal(trusting(latest({ policy: Policy.userTrust })))
      if (changed._tag !== "PublisherChanged") return assert.fail(changed._tag)
      assert.deepStrictEqual(changed.offered, [base64(bob)])
      const nobody = yield* Users.join(network, { pins })
      const reason = yield* refusal(nobody(latest({ policy: Policy.userTrust })))
      assert.strictEqual(reason._tag, "NoAcceptablePublisher")
      const either = Policy.orElse(Policy.userTrust, Policy.firstSeen)
      assert.strictEqual((yield* nobody(latest({ policy: either }))).release.v, "1.0.0")
      const seeded = Policy.require(Policy.seederCount, Requirement.seeders(1))
      assert.strictEqual((yield* refusal(nobody(latest({ policy: seeded }))))._tag, "NoAcceptablePublisher")
      yield* nobody(Effect.flatMap(Dht, (dht) => dht.announcePeer(release("a", "1.0.0").ih, 7000)))
      assert.strictEqual((yield* nobody(latest({ policy: seeded }))).release.v, "1.0.0")
    }))
})

describe("peers of a name", () => {
  test("stand in for records that the network lost, pinned or not", ({ alice, network }) =>
    Effect.gen(function* () {
      const seeder = yield* Fixtures.join(network)
      yield* seeder(latest())
      yield* seeder(NameIndex.serve(name("a")))
      forget(network, alice)
      yield* Fixtures.overwriteName(network, "a", 99)
      const user = yield* Users.join(network)
      const found = yield* user(latest())
      assert.strictEqual(found.release.v, "1.0.0")
      assert.strictEqual(found.evidence.looks.find(({ kind }) => kind === "package")?.source, "peers")
      const pinned = yield* Users.join(network, { pins: { a: alice.publicKey } })
      assert.strictEqual((yield* pinned(latest())).release.v, "1.0.0")
    }))
})

describe("revoked keys", () => {
  test("are passed over, and the evidence says so", ({ alice, bob, network }) =>
    Effect.gen(function* () {
      yield* revoke(network, alice)
      const user = yield* Users.join(network)
      const { evidence, publisher } = yield* user(latest())
      assert.isTrue(PublicKey.equals(publisher, bob.publicKey))
      const lost = evidence.candidates.find(({ verdict }) => verdict === "lost")!
      assert.isTrue(PublicKey.equals(lost.publisher, alice.publicKey))
      assert.include(lost.reason, "revoked its key (revoked by its owner)")
    }))

  test("leave nobody where everybody revoked theirs", ({ alice, bob, network }) =>
    Effect.gen(function* () {
      yield* revoke(network, alice)
      yield* revoke(network, bob)
      const user = yield* Users.join(network)
      const reason = yield* refusal(user(latest()))
      if (reason._tag !== "NoAcceptablePublisher") return assert.fail(reason._tag)
      assert.deepStrictEqual(
        reason.refused.map(({ publisher }) => publisher),
        [base64(alice), base64(bob)]
      )
    }))

  test("are refused also when they are asked for, and still when the network hides the revocation", (world) =>
    Effect.gen(function* () {
      const { alice, network } = world
      const user = yield* Users.join(network)
      yield* revoke(network, alice)
      const work = user(latest({ publisher: alice.publicKey }))
      assert.strictEqual((yield* refusal(work))._tag, "PublisherRevoked")
      network.items.delete(Hex.encode(Record.targetOf(alice.publicKey, Revocation.SALT)))
      assert.strictEqual((yield* refusal(work))._tag, "PublisherRevoked")
    }))
})

describe("policies in a resolution", () => {
  test("userTrust takes trusted keys only, and refuses everybody where none is", ({ bob, network }) =>
    Effect.gen(function* () {
      const trusting = yield* Users.join(network, { trusted: [bob.publicKey] })
      const { publisher } = yield* trusting(latest({ policy: Policy.userTrust }))
      assert.isTrue(PublicKey.equals(publisher, bob.publicKey))
      const nobody = yield* Users.join(network)
      const reason = yield* refusal(nobody(latest({ policy: Policy.userTrust })))
      if (reason._tag !== "NoAcceptablePublisher") return assert.fail(reason._tag)
      assert.strictEqual(reason.refused.length, 2)
      assert.include(reason.refused[0]!.reason, "not one that you trust")
    }))

  test("seederCount takes the publisher with the most distinct seeders", ({ bob, network }) =>
    Effect.gen(function* () {
      for (const host of ["93.184.216.1", "93.184.216.2"]) {
        const seeder = DhtMemory.layerOn(network, { host })
        yield* Effect.flatMap(Dht, (dht) => dht.announcePeer(release("a", "9.0.0").ih, 6881)).pipe(
          Effect.provide(Layer.provide(seeder, Fixtures.host(network)))
        )
      }
      const user = yield* Users.join(network)
      const { evidence, publisher } = yield* user(latest({ policy: Policy.seederCount }))
      assert.isTrue(PublicKey.equals(publisher, bob.publicKey))
      assert.include(evidence.candidates[1]!.reason, "0 seeders")
    }))

  test("a crowd of squatters costs a bounded number of counts, and moves nobody who was there before", ({
    alice,
    network
  }) =>
    Effect.gen(function* () {
      const user = yield* Users.join(network)
      yield* user(latest())
      yield* TestClock.adjust("1 day")
      let counted = 0
      const seeders = Seeders.Seeders.of({ count: () => Effect.sync(() => ++counted) })
      const crowd = yield* Fixtures.join(network)
      for (let i = 0; i < 40; i++) {
        const pair = yield* keyPair(`crowd ${i}`).pipe(withKeys)
        const fields = { latestVersion: version("1.0.0"), firstSeen: 0, timestamp: START_MS }
        yield* crowd(NameIndex.join(name("a"), () => NameClaim.sign(pair, name("a"), fields)))
      }
      const work = latest({ policy: Policy.seederCount }).pipe(Effect.provideService(Seeders.Seeders, seeders))
      const { evidence } = yield* user(work)
      assert.isAtMost(counted, Seeders.SEEDER_CANDIDATES_MAX)
      assert.strictEqual(evidence.candidates.length, 20)
      assert.strictEqual(evidence.candidatesOmitted, 22)
      const own = yield* user(latest())
      assert.isTrue(PublicKey.equals(own.publisher, alice.publicKey))
    }))
})
