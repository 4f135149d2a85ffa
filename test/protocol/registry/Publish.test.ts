import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { explain } from "../../../src/protocol/core/Errors.ts"
import type { KeyPair } from "../../../src/protocol/core/KeyPair.ts"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { CasConflict, DhtError } from "../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Quorum from "../../../src/protocol/dht/Quorum.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as Announce from "../../../src/protocol/registry/Announce.ts"
import * as Lookup from "../../../src/protocol/registry/Lookup.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../../../src/protocol/registry/NameIndex.ts"
import * as Package from "../../../src/protocol/registry/Package.ts"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import * as PublisherRecords from "../../../src/protocol/registry/PublisherRecords.ts"
import { PublicationLog } from "../../../src/protocol/registry/PublicationLog.ts"
import * as Retract from "../../../src/protocol/registry/Retract.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"
import * as World from "./PublisherWorld.ts"

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

  test("lists an older version after a newer one without making it the newest", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      yield* publisher(Publish.publish(alice, release("a", "2.0.0")))
      yield* publisher(Publish.publish(alice, release("a", "1.5.0")))
      const resolve = (packageRange: string) =>
        Effect.map(
          publisher(Resolve.resolveByName({ name: name("a"), range: range(packageRange) })),
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
      const versions = Array.from({ length: 80 }, (_, i) => `1.${i}.0`)
      yield* Effect.forEach(versions, (each) => publisher(Publish.publish(alice, release("a", each))), {
        discard: true
      })
      const resolve = (packageRange: string) =>
        Effect.map(
          publisher(Resolve.resolveByName({ name: name("a"), range: range(packageRange) })),
          ({ release }) => release.v
        )
      assert.strictEqual(yield* resolve("^1"), "1.79.0")
      assert.strictEqual(yield* resolve("~1.70.0"), "1.70.0")
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
      const found = yield* Effect.option(newcomer(Resolve.resolveByName({ name: name("a"), range: range("~1.0.0") })))
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

  test("lists the package and its newest version in the publisher's catalogue", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      for (const [packageName, packageVersion] of [
        ["b", "1.0.0"],
        ["a", "1.0.0"],
        ["a", "1.1.0"],
        ["a", "1.0.1"]
      ] as const) {
        yield* publisher(Publish.publish(alice, release(packageName, packageVersion)))
      }
      const found = yield* publisher(Announce.find(alice.publicKey))
      const listed = yield* publisher(Stream.runCollect(Announce.packages(Option.getOrThrow(found).value)))
      assert.deepStrictEqual(listed, [
        { name: name("a"), version: version("1.1.0") },
        { name: name("b"), version: version("1.0.0") }
      ])
    }))

  test("signs package and catalogue anew when the same thing is published after a month, and not before", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      const dates = Effect.gen(function* () {
        const pkg = yield* Lookup.find(alice.publicKey, KeyString.packageOf(name("a")), Package.codec)
        const announce = yield* Announce.find(alice.publicKey)
        return [Option.getOrThrow(pkg), Option.getOrThrow(announce)].map(({ record, value }) => [record.seq, value.t])
      })
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      yield* TestClock.adjust(PublisherRecords.RENEW_AFTER)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      assert.deepStrictEqual(yield* publisher(dates), [
        [1, START_MS],
        [1, START_MS]
      ])
      yield* TestClock.adjust("1 milli")
      const { records } = yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      const now = START_MS + Duration.toMillis(PublisherRecords.RENEW_AFTER) + 1
      assert.deepStrictEqual(yield* publisher(dates), [
        [2, now],
        [2, now]
      ])
      assert.deepStrictEqual(
        records.map(({ seq }) => seq),
        [1, 2, 2, 1]
      )
    }))

  test("refuses a listed version of which nobody knows the content any more", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      yield* publisher(Publish.publish(alice, release("a", "1.1.0")))
      for (const packageVersion of ["1.0.0", "1.1.0"]) {
        const salt = KeyString.saltOf(KeyString.release(name("a"), version(packageVersion)))
        network.items.delete(Hex.encode(Record.targetOf(alice.publicKey, salt)))
      }
      const elsewhere = yield* Fixtures.join(network)
      const error = yield* Effect.flip(elsewhere(Publish.publish(alice, release("a", "1.0.0"))))
      assert.strictEqual(explain(error)?._tag, "VersionExists")
      // The package's record tells what the newest one was.
      const other = yield* Effect.flip(elsewhere(Publish.publish(alice, release("a", "1.1.0", { content: "else" }))))
      assert.strictEqual(explain(other)?._tag, "VersionExists")
      const again = yield* elsewhere(Publish.publish(alice, release("a", "1.1.0", { t: START_MS })))
      assert.strictEqual(again.release.t, release("a", "1.1.0").t)
    }))

  test("says that the key was stolen when somebody used up the sequence numbers of its package", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      const { value } = yield* publisher(Package.add(undefined, release("a", "1.0.0"), START_MS))
      const salt = KeyString.saltOf(KeyString.packageOf(name("a")))
      const record = Record.sign(alice, { salt, seq: Record.SEQ_MAX, value })
      yield* publisher(Effect.flatMap(Dht, (dht) => dht.put(record)))
      const error = yield* Effect.flip(publisher(Publish.publish(alice, release("a", "1.1.0"))))
      assert.strictEqual(explain(error)?._tag, "SequenceExhausted")
    }))

  test("tells each step as it begins", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      const steps: Array<string> = []
      const onStep = (step: string) => Effect.sync(() => void steps.push(step))
      const { acks } = yield* publisher(Publish.publish(alice, release("a", "1.0.0"), { onStep }))
      assert.deepStrictEqual(steps, ["prepared", "release", "package", "announce", "claim"])
      assert.strictEqual(acks, 1)
    }))

  test("is not done before enough nodes hold each record, and goes on with the same bytes", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      const ofTwenty = Effect.flatMap(Dht, (dht) =>
        Effect.provideService(Publish.publish(alice, release("a", "1.0.0")), Dht, {
          ...dht,
          nodeCount: Effect.succeed(20)
        })
      )
      const publishing = yield* Effect.forkChild(Effect.flip(publisher(ofTwenty)))
      yield* TestClock.adjust("5 minutes")
      const error = yield* Fiber.join(publishing)
      assert.strictEqual(explain(error)?._tag, "TooFewAcks")
      assert.strictEqual(network.items.size, 1, "nothing follows a release that only one node holds")
      const { records } = yield* publisher(Effect.provideService(ofTwenty, Quorum.MinAcks, 1))
      assert.strictEqual(network.items.size, 4)
      assert.strictEqual(records[0]!.seq, 1)
    }))

  test("plans what publishing then does, and writes nothing for it", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const alice = yield* keyPair("alice").pipe(withKeys)
      const states = Effect.map(Publish.plan(alice, release("a", "1.0.0")), (records) =>
        records.map(({ kind, seq, state }) => [kind, seq, state])
      )
      assert.deepStrictEqual(yield* publisher(states), [
        ["release", 1, "new"],
        ["package", 1, "new"],
        ["announce", 1, "new"],
        ["nameIndex", 1, "new"]
      ])
      assert.strictEqual(network.items.size + network.immutable.size, 0)
      assert.deepStrictEqual(yield* publisher(Effect.flatMap(RecordStore, (store) => store.all)), [])
      const planned = yield* publisher(Publish.plan(alice, release("a", "1.0.0")))
      const { records } = yield* publisher(Publish.publish(alice, release("a", "1.0.0")))
      assert.deepStrictEqual(
        planned.map(({ bytes, seq }) => [bytes, seq]),
        records.map(({ seq, value }) => [value.length, seq])
      )
      assert.deepStrictEqual(
        (yield* publisher(states)).map(([, , state]) => state),
        ["unchanged", "unchanged", "unchanged", "unchanged"]
      )
      const next = yield* publisher(Publish.plan(alice, release("a", "1.1.0")))
      assert.deepStrictEqual(
        next.map(({ state }) => state),
        ["new", "changed", "changed", "changed"]
      )
      const refused = yield* Effect.flip(publisher(Publish.plan(alice, release("a", "1.0.0", { content: "else" }))))
      assert.strictEqual(explain(refused)?._tag, "VersionExists")
    }))
})

describe("Publish, from two machines with one key", () => {
  const test = (title: string, body: (network: DhtMemory.Network) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.effect(title, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(START_MS)
        yield* Effect.scoped(body(DhtMemory.make()))
      })
    )

  /** Every question to the network takes its time, so that what two machines do is interleaved. */
  const slowly = <A, E, R>(work: Effect.Effect<A, E, R>) =>
    Effect.flatMap(Dht, (dht) =>
      Effect.provideService(work, Dht, {
        ...dht,
        lookup: (publicKey, salt) => Effect.delay(dht.lookup(publicKey, salt), "10 millis"),
        put: (record, options) => Effect.delay(dht.put(record, options), "10 millis")
      })
    )

  /** Both at once, while time runs. */
  const race = Effect.fnUntraced(function* <A, B, E, F>(one: Effect.Effect<A, E>, other: Effect.Effect<B, F>) {
    const racing = yield* Effect.forkChild(Effect.all([Effect.result(one), Effect.result(other)], { concurrency: 2 }))
    yield* TestClock.adjust("5 minutes")
    return yield* Fiber.join(racing)
  })

  const withKeys = Effect.provide(Fixtures.host(DhtMemory.make()))

  const catalogueOf = (publicKey: PublicKey.PublicKey) =>
    Effect.flatMap(Announce.find(publicKey), (found) =>
      Stream.runCollect(Announce.packages(Option.getOrThrow(found).value))
    )

  test("lists the versions that both published at the same moment, and the newest of them everywhere", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const [first, second] = [yield* Fixtures.join(network), yield* Fixtures.join(network)]
      yield* first(Publish.publish(alice, release("a", "1.0.0")))
      const results = yield* race(
        first(slowly(Publish.publish(alice, release("a", "1.1.0")))),
        second(slowly(Publish.publish(alice, release("a", "1.2.0"))))
      )
      assert.isTrue(results.every(Result.isSuccess))
      const user = yield* Fixtures.join(network)
      const found = yield* user(Lookup.find(alice.publicKey, KeyString.packageOf(name("a")), Package.codec))
      const pkg = Option.getOrThrow(found).value
      assert.deepStrictEqual(
        pkg.vs.map(([each]) => String(each)),
        ["1.2.0", "1.1.0", "1.0.0"]
      )
      assert.strictEqual(pkg.l.v, "1.2.0")
      assert.deepStrictEqual(yield* user(catalogueOf(alice.publicKey)), [{ name: name("a"), version: pkg.l.v }])
      const [claimed] = yield* user(Resolve.publishersOf(name("a")))
      assert.strictEqual(claimed!.claim.lv, "1.2.0")
    }))

  test("lists both packages that were published at the same moment", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const [first, second] = [yield* Fixtures.join(network), yield* Fixtures.join(network)]
      const results = yield* race(
        first(slowly(Publish.publish(alice, release("a", "1.0.0")))),
        second(slowly(Publish.publish(alice, release("b", "1.0.0"))))
      )
      assert.isTrue(results.every(Result.isSuccess))
      const user = yield* Fixtures.join(network)
      assert.deepStrictEqual(
        (yield* user(catalogueOf(alice.publicKey))).map((each) => String(each.name)),
        ["a", "b"]
      )
    }))

  test("lets one of two different contents of a version win, and tells the other", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const [first, second] = [yield* Fixtures.join(network), yield* Fixtures.join(network)]
      const results = yield* race(
        first(slowly(Publish.publish(alice, release("a", "1.0.0", { content: "one" })))),
        second(slowly(Publish.publish(alice, release("a", "1.0.0", { content: "other" }))))
      )
      const failures = results.filter(Result.isFailure)
      assert.deepStrictEqual(
        failures.map(({ failure }) => explain(failure)?._tag),
        ["VersionExists"]
      )
      assert.strictEqual(network.items.size, 4)
    }))

  test("lets the machine that lost publish the content that won, and holds nothing against the key", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const machines = [yield* World.machine(network), yield* World.machine(network)]
      const contents = ["one", "other"]
      const publish = (i: number, content: string) =>
        Publish.publish(alice, release("a", "1.0.0", { content })).pipe(
          slowly,
          Effect.provideContext(machines[i]!.services)
        )
      const results = yield* race(publish(0, contents[0]!), publish(1, contents[1]!))
      const loser = results.findIndex(Result.isFailure)
      const [lost, won] = [contents[loser]!, contents[1 - loser]!]
      const unfinished = Effect.flatMap(PublicationLog, (log) => log.all)
      assert.deepStrictEqual(yield* Effect.provideContext(unfinished, machines[loser]!.services), [])
      const [refused, accepted] = yield* race(publish(loser, lost), Effect.void)
      assert.strictEqual(explain(Result.isFailure(refused) ? refused.failure : undefined)?._tag, "VersionExists")
      assert.isTrue(Result.isSuccess(accepted))
      const [again] = yield* race(publish(loser, won), Effect.void)
      assert.isTrue(Result.isSuccess(again))
    }))

  /** Publishes on `second`, which has looked the package up already when `meanwhile` is done on the other machine. */
  const overtaken = Effect.fnUntraced(function* <A, E>(
    network: DhtMemory.Network,
    alice: KeyPair,
    published: string,
    meanwhile: Effect.Effect<A, E>
  ) {
    const second = yield* Fixtures.join(network)
    let isDone = false
    const salt = Hex.encode(KeyString.saltOf(KeyString.packageOf(name("a"))))
    yield* TestClock.adjust("1 minute")
    const publishing = Effect.flatMap(Dht, (dht) =>
      Publish.publish(alice, release("a", published)).pipe(
        Effect.provideService(Dht, {
          ...dht,
          put: (record, options) =>
            Effect.suspend(() => {
              if (isDone || Hex.encode(record.salt) !== salt) return dht.put(record, options)
              isDone = true
              return Effect.andThen(Effect.orDie(meanwhile), dht.put(record, options))
            })
        })
      )
    )
    const running = yield* Effect.forkChild(second(publishing))
    yield* TestClock.adjust("5 minutes")
    yield* Fiber.join(running)
    const user = yield* Fixtures.join(network)
    const found = yield* user(Lookup.find(alice.publicKey, KeyString.packageOf(name("a")), Package.codec))
    return Option.getOrThrow(found).value
  })

  test("leaves a version yanked that the other machine yanked after this one had looked", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const first = yield* Fixtures.join(network)
      yield* first(Publish.publish(alice, release("a", "1.0.0")))
      const pkg = yield* overtaken(network, alice, "1.1.0", first(Retract.yank(alice, name("a"), version("1.0.0"))))
      assert.deepStrictEqual(pkg.vs, [
        [version("1.1.0"), 0],
        [version("1.0.0"), Package.Flag.yanked]
      ])
    }))

  test("takes the place of a newer version that the other machine yanked after this one had looked", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const first = yield* Fixtures.join(network)
      for (const each of ["1.0.0", "2.0.0"]) yield* first(Publish.publish(alice, release("a", each)))
      const pkg = yield* overtaken(network, alice, "1.1.0", first(Retract.yank(alice, name("a"), version("2.0.0"))))
      assert.strictEqual(pkg.l.v, "1.1.0")
    }))

  test("keeps what another machine wrote meanwhile when a stale machine publishes", (network) =>
    Effect.gen(function* () {
      const alice = yield* keyPair("alice").pipe(withKeys)
      const [first, second] = [yield* Fixtures.join(network), yield* Fixtures.join(network)]
      yield* first(Publish.publish(alice, release("a", "1.0.0")))
      yield* second(Publish.publish(alice, release("a", "1.1.0")))
      yield* second(Publish.publish(alice, release("b", "1.0.0")))
      yield* second(Retract.yank(alice, name("a"), version("1.0.0")))
      yield* first(Publish.publish(alice, release("a", "1.2.0")))
      const found = yield* second(Lookup.find(alice.publicKey, KeyString.packageOf(name("a")), Package.codec))
      assert.deepStrictEqual(Option.getOrThrow(found).value.vs, [
        [version("1.2.0"), 0],
        [version("1.1.0"), 0],
        [version("1.0.0"), Package.Flag.yanked]
      ])
      assert.strictEqual((yield* second(catalogueOf(alice.publicKey))).length, 2)
    }))
})
