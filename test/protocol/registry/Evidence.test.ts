import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import type { KeyPair } from "../../../src/protocol/core/KeyPair.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as Evidence from "../../../src/protocol/registry/Evidence.ts"
import * as Freshness from "../../../src/protocol/registry/Freshness.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as Package from "../../../src/protocol/registry/Package.ts"
import { Proofs } from "../../../src/protocol/registry/Proofs.ts"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import type { RegistryError } from "../../../src/protocol/registry/RegistryError.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import * as Retract from "../../../src/protocol/registry/Retract.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"

const { keyPair, name, range, release, version } = Fixtures

const START_MS = 1_750_000_000_000
const DAY_MS = 24 * 60 * 60 * 1000

const withKeys = Effect.provide(Fixtures.host(DhtMemory.make()))

interface World {
  readonly network: DhtMemory.Network
  readonly alice: KeyPair
  readonly publish: (packageVersion: string, content?: string) => Effect.Effect<void, unknown>
}

const test = (title: string, body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START_MS)
      const network = DhtMemory.make()
      const alice = yield* keyPair("alice").pipe(withKeys)
      const publisher = yield* Fixtures.join(network)
      const publish = (packageVersion: string, content = "") =>
        Effect.asVoid(publisher(Publish.publish(alice, release("a", packageVersion, { content }))))
      yield* body({ network, alice, publish })
    }).pipe(Effect.scoped)
  )

const latest = (options?: Resolve.Options) => Resolve.resolveLatest(name("a"), options)
const exact = (text: string) => Resolve.resolveExact(name("a"), version(text))

const refusal = <A>(work: Effect.Effect<A, RegistryError>) => Effect.map(Effect.flip(work), ({ reason }) => reason)

const codes = ({ evidence }: Resolve.Resolution) => evidence.warnings.map(({ code }) => code)

const targetOf = (pair: KeyPair, keyString: string) =>
  Hex.encode(Record.targetOf(pair.publicKey, KeyString.saltOf(keyString)))

const packageTarget = (pair: KeyPair) => targetOf(pair, KeyString.packageOf(name("a")))

describe("evidence", () => {
  test("tells every record that was asked for, round by round, and who gave it", ({ publish, network }) =>
    Effect.gen(function* () {
      yield* publish("1.0.0")
      yield* publish("1.1.0")
      const user = yield* Fixtures.join(network)
      const { evidence } = yield* user(Resolve.resolveSemver(name("a"), range("~1.0")))
      assert.deepStrictEqual(
        evidence.looks.map(({ found, kind, responders, round, source }) => [round, kind, found, source, ...responders]),
        [
          [1, "nameIndex", true, "network", "memory"],
          [2, "package", true, "network", "memory"],
          [3, "release", true, "network", "memory"]
        ]
      )
      assert.strictEqual(evidence.lookups, 3)
      assert.deepStrictEqual(
        evidence.versions.map(({ reason, verdict, version }) => [String(version), verdict, reason]),
        [
          ["1.1.0", "lost", "not in the range ~1.0"],
          ["1.0.0", "chosen", "the highest in the range ~1.0"]
        ]
      )
      assert.deepStrictEqual(
        evidence.candidates.map(({ reason, verdict }) => [verdict, reason]),
        [["chosen", "the only publisher"]]
      )
    }))

  test("is a list of plain data, each with its kind", ({ publish, network }) =>
    Effect.gen(function* () {
      yield* publish("1.0.0")
      const user = yield* Fixtures.join(network)
      const { evidence } = yield* user(latest())
      const items: ReadonlyArray<{ readonly kind: string }> = JSON.parse(JSON.stringify(Evidence.toItems(evidence)))
      assert.deepStrictEqual(
        items.map(({ kind }) => kind),
        ["record", "record", "publisher", "version"]
      )
      assert.deepStrictEqual(Evidence.toItems(Evidence.none), [])
    }))

  test("shows some twenty versions, the chosen one among them, and counts the others", ({ publish, network }) =>
    Effect.gen(function* () {
      for (let minor = 0; minor < 25; minor++) yield* publish(`1.${minor}.0`)
      const user = yield* Fixtures.join(network)
      const { evidence } = yield* user(exact("1.1.0"))
      assert.strictEqual(evidence.versions.length, 20)
      assert.strictEqual(evidence.versionsOmitted, 5)
      assert.strictEqual(evidence.versions.find(({ verdict }) => verdict === "chosen")?.version, "1.1.0")
    }))

  test("warns of a version that is yanked, deprecated, or not listed", ({ alice, publish, network }) =>
    Effect.gen(function* () {
      yield* publish("1.0.0")
      yield* publish("1.1.0")
      yield* publish("1.2.0")
      const owner = yield* Fixtures.join(network)
      yield* owner(Retract.yank(alice, name("a"), version("1.2.0")))
      yield* owner(Retract.deprecate(alice, name("a"), version("1.1.0")))
      const user = yield* Fixtures.join(network)
      const yanked = yield* user(exact("1.2.0"))
      assert.deepStrictEqual([yanked.flags, codes(yanked)], [Package.Flag.yanked, ["yanked"]])
      const newest = yield* user(latest())
      assert.strictEqual(newest.release.v, "1.1.0")
      assert.deepStrictEqual(codes(newest), ["deprecated"])
      const item = network.items.get(packageTarget(alice))!
      network.items.delete(packageTarget(alice))
      yield* publish("1.3.0")
      network.items.set(packageTarget(alice), item)
      const newcomer = yield* Fixtures.join(network)
      assert.deepStrictEqual(codes(yield* newcomer(exact("1.3.0"))), ["unlisted"])
      network.items.delete(packageTarget(alice))
      const direct = yield* Fixtures.join(network)
      const alone = yield* direct(Resolve.resolveExact(name("a"), version("1.0.0"), { publisher: alice.publicKey }))
      assert.deepStrictEqual(codes(alone), ["packageMissing"])
    }))
})

describe("old news", () => {
  test("is not believed where something newer is known, and a warning says so", ({ alice, publish, network }) =>
    Effect.gen(function* () {
      yield* publish("1.0.0")
      const old = network.items.get(packageTarget(alice))!
      yield* publish("1.1.0")
      const user = yield* Fixtures.join(network)
      yield* user(latest())
      network.items.set(packageTarget(alice), old)
      const rolledBack = yield* user(latest())
      assert.strictEqual(rolledBack.release.v, "1.1.0")
      assert.deepStrictEqual(codes(rolledBack), ["rollback"])
      network.items.delete(packageTarget(alice))
      const withheld = yield* user(latest())
      assert.strictEqual(withheld.release.v, "1.1.0")
      assert.deepStrictEqual(codes(withheld), ["withheld"])
      assert.strictEqual(withheld.evidence.looks[1]?.source, "memory")
    }))

  test("is a warning after the limit, and an error where that is asked for", ({ publish, network }) =>
    Effect.gen(function* () {
      yield* publish("1.0.0")
      const user = yield* Fixtures.join(network)
      yield* TestClock.adjust(Freshness.FRESHNESS_LIMIT)
      assert.deepStrictEqual(codes(yield* user(latest())), [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(codes(yield* user(latest())), ["stale"])
      const reason = yield* refusal(user(latest({ freshness: { limit: "30 days", onStale: "fail" } })))
      if (reason._tag !== "StaleRecord") return assert.fail(reason._tag)
      assert.deepStrictEqual([reason.ageDays, reason.limitDays], [365, 30])
      yield* publish("1.0.1")
      assert.deepStrictEqual(codes(yield* user(latest())), [])
    }))

  test("does not pass for fresh by being dated ahead", ({ publish, network }) =>
    Effect.gen(function* () {
      yield* publish("1.0.0")
      const user = yield* Fixtures.join(network)
      yield* TestClock.setTime(START_MS - NameClaim.CLOCK_SKEW_MAX_MS)
      assert.deepStrictEqual(codes(yield* user(latest())), [])
      yield* TestClock.setTime(START_MS - 2 * DAY_MS)
      // Claims from the future are passed over, so the publisher has to be named.
      const alice = yield* keyPair("alice").pipe(withKeys)
      const named = { publisher: alice.publicKey }
      assert.deepStrictEqual(codes(yield* user(latest(named))), ["postdated"])
      const reason = yield* refusal(user(latest({ ...named, freshness: { limit: "30 days", onStale: "fail" } })))
      assert.strictEqual(reason._tag, "StaleRecord")
      assert.include(reason.message, "dated 2 days ahead")
    }))
})

describe("equivocation", () => {
  /** The same key tells another story on another network, and its records find their way here. */
  const elsewhere = (alice: KeyPair, versions: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const network = DhtMemory.make()
      const publisher = yield* Fixtures.join(network)
      for (const each of versions) yield* publisher(Publish.publish(alice, release("a", each, { content: "else" })))
      return network
    })

  const releaseTarget = (pair: KeyPair, text: string) => targetOf(pair, KeyString.release(name("a"), version(text)))

  test("is refused with both infohashes, proved, and refused for good", ({ alice, publish, network }) =>
    Effect.gen(function* () {
      yield* publish("1.0.0")
      yield* publish("2.0.0")
      const user = yield* Fixtures.join(network)
      yield* user(exact("1.0.0"))
      const at = releaseTarget(alice, "1.0.0")
      const honest = network.items.get(at)!
      network.items.set(at, (yield* elsewhere(alice, ["1.0.0"])).items.get(at)!)
      const reason = yield* refusal(user(exact("1.0.0")))
      if (reason._tag !== "Equivocation") return assert.fail(reason._tag)
      const hashes = ["", "else"].map((content) => Hex.encode(release("a", "1.0.0", { content }).ih))
      assert.deepStrictEqual(reason.infohashes, hashes)
      for (const hash of hashes) assert.include(reason.message, hash)
      const [proof] = yield* user(Effect.flatMap(Proofs, ({ all }) => all))
      assert.strictEqual(proof?.version, "1.0.0")
      for (const record of proof!.records) yield* user(Record.verify(record, "proof"))
      network.items.set(at, honest)
      assert.strictEqual((yield* refusal(user(exact("1.0.0"))))._tag, "Equivocation")
      assert.strictEqual((yield* user(latest())).release.v, "2.0.0")
    }))

  test("is seen between a package's inlined release and the release's own record", ({ alice, publish, network }) =>
    Effect.gen(function* () {
      yield* publish("1.0.0")
      const at = releaseTarget(alice, "1.0.0")
      network.items.set(at, (yield* elsewhere(alice, ["1.0.0"])).items.get(at)!)
      const user = yield* Fixtures.join(network)
      const work = user(Resolve.resolveExact(name("a"), version("1.0.0"), { publisher: alice.publicKey }))
      assert.strictEqual((yield* refusal(work))._tag, "Equivocation")
    }))

  test("is seen between a package's records, and proved whichever version is wanted", ({ alice, publish, network }) =>
    Effect.gen(function* () {
      yield* publish("1.0.0")
      yield* publish("2.0.0")
      const user = yield* Fixtures.join(network)
      yield* user(latest())
      const other = yield* elsewhere(alice, ["0.9.0", "1.0.0", "2.0.0"])
      for (const [target, item] of other.items) if (target === packageTarget(alice)) network.items.set(target, item)
      const honest = yield* user(exact("1.0.0"))
      assert.deepStrictEqual(honest.release.ih, release("a", "1.0.0").ih)
      const kept = yield* user(Effect.flatMap(Proofs, ({ find }) => find(alice.publicKey, name("a"), version("2.0.0"))))
      assert.isTrue(Option.isSome(kept))
      assert.strictEqual((yield* refusal(user(latest())))._tag, "Equivocation")
    }))

  test("is what a release written a second time is taken for", ({ alice, publish, network }) =>
    Effect.gen(function* () {
      yield* publish("1.0.0")
      yield* publish("2.0.0")
      const at = releaseTarget(alice, "1.0.0")
      const { salt, value } = network.items.get(at)!
      const rewritten = Record.sign(alice, { salt: salt as KeyString.Salt, seq: 2, value })
      const user = yield* Fixtures.join(network)
      yield* user(Effect.flatMap(Dht, (dht) => dht.put(rewritten)))
      assert.strictEqual((yield* refusal(user(exact("1.0.0"))))._tag, "Equivocation")
    }))
})
