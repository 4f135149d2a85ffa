import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import { explain } from "../../../src/protocol/core/Errors.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { CasConflict, DhtError, PutRefused } from "../../../src/protocol/dht/DhtError.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../../../src/protocol/registry/NameIndex.ts"
import * as NameIndexRecord from "../../../src/protocol/registry/NameIndexRecord.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"
import { claimOf, claims, countingHost, NAME, publish, publishersOf, SIGNED_AT_MS } from "./NameIndexWorld.ts"

const { text } = Fixtures

const join = (claim: NameClaim.NameClaim) => NameIndex.join(NAME, () => claim)

/** Lets the pauses between tries pass. */
const patiently = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(work)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
    return yield* Fiber.join(fiber)
  })

const seqsOf = (network: DhtMemory.Network) => [...network.items.values()].map(({ seq }) => seq)

describe("NameIndex.join and mend", () => {
  const test = (title: string, body: (network: DhtMemory.Network) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.effect(title, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(SIGNED_AT_MS)
        yield* Effect.scoped(body(DhtMemory.make()))
      })
    )

  /** What somebody reads who has never read the name before. */
  const seenByNewcomer = (network: DhtMemory.Network) =>
    Effect.flatMap(Fixtures.join(network), (newcomer) =>
      Effect.map(newcomer(NameIndex.read(NAME)), ({ claims }) => publishersOf(claims))
    )
  const publishers = (all: ReadonlyArray<NameClaim.NameClaim>) => publishersOf(NameClaim.fromClaims(all))

  test("adds claim after claim, past what one record holds", (network) =>
    Effect.gen(function* () {
      const all = claims(20)
      for (const claim of all) {
        const publisher = yield* Fixtures.join(network)
        yield* publisher(join(claim))
      }
      assert.deepStrictEqual(yield* seenByNewcomer(network), publishers(all))
      assert.deepStrictEqual(seqsOf(network), [20])
    }))

  test("joins two records that stand under one number, in one above them", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const [stranger, own] = [claimOf("a"), claimOf("b")]
      const { value } = yield* publish(network, [stranger], 3)
      const [item] = network.items.values()
      const rival = { ...item!, value } as Record.Record
      network.items.clear()
      yield* publish(network, [own], 3)
      /** As where some nodes hold the one and some the other: no holder of either takes the other. */
      const contested = Effect.updateService(Dht, (dht) =>
        Dht.of({
          ...dht,
          lookup: (...args) =>
            Effect.map(dht.lookup(...args), (answer) =>
              Option.exists(answer.value, ({ seq }) => seq === 3) ? { ...answer, rivals: [rival] } : answer
            )
        })
      )
      yield* publisher(contested(join(own)))
      assert.deepStrictEqual(seqsOf(network), [4])
      assert.deepStrictEqual(yield* seenByNewcomer(network), publishers([stranger, own]))
    }))

  test("replaces a publisher's claim by its newer one, and not by an older one", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const [old, current] = [claimOf("a"), claimOf("a", { version: "2.0.0", t: SIGNED_AT_MS + 1 })]
      yield* publisher(join(current))
      yield* publisher(join(old))
      const { claims: found } = yield* publisher(NameIndex.read(NAME))
      assert.deepStrictEqual([...found.values()], [current])
      assert.deepStrictEqual(seqsOf(network), [1])
    }))

  test("writes nothing where everything is there", (network) =>
    Effect.gen(function* () {
      yield* publish(network, claims(60), 5)
      const { reset, run } = yield* countingHost(network)
      yield* run(NameIndex.read(NAME))
      reset()
      assert.strictEqual((yield* run(NameIndex.mend(NAME))).seq, 5)
      const { pagePuts, puts } = reset()
      assert.deepStrictEqual([pagePuts, puts], [0, 0])
    }))

  test("is not blocked by a root whose pages do not exist, and keeps what could be read", (network) =>
    Effect.gen(function* () {
      const there = claimOf("there")
      const value = Bencode.encode({
        c: [{ fs: there.fs, k: there.k, lv: text(there.lv), s: there.s, t: there.t }],
        k: 900,
        r: text("r".repeat(20))
      })
      yield* Fixtures.overwriteName(network, "a", 3, value)
      const publisher = yield* Fixtures.join(network)
      yield* patiently(publisher(join(claimOf("new"))))
      assert.deepStrictEqual(yield* seenByNewcomer(network), publishers([there, claimOf("new")]))
    }))

  test("waits for a missing page to come back before it writes without it", (network) =>
    Effect.gen(function* () {
      const all = claims(60)
      const { pages } = yield* publish(network, all, 1)
      const leaf = Hex.encode(Record.immutableTargetOf(pages[0]!))
      network.immutable.delete(leaf)
      const publisher = yield* Fixtures.join(network)
      const joining = yield* Effect.forkChild(publisher(join(claimOf("new"))))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(seqsOf(network), [1])
      network.immutable.set(leaf, pages[0]!)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(joining)
      assert.strictEqual((yield* seenByNewcomer(network)).length, 61)
    }))

  test("leaves a record alone whose pages are missing, where it has nothing to add", (network) =>
    Effect.gen(function* () {
      const { pages } = yield* publish(network, claims(60), 4)
      network.immutable.delete(Hex.encode(Record.immutableTargetOf(pages[0]!)))
      const holder = yield* Fixtures.join(network)
      const record = yield* patiently(holder(NameIndex.mend(NAME)))
      assert.strictEqual(record.seq, 4)
      assert.deepStrictEqual(seqsOf(network), [4])
    }))

  test("puts the pages of a root that somebody named without putting what is under it", (network) =>
    Effect.gen(function* () {
      const all = claims(30)
      const publisher = yield* Fixtures.join(network)
      for (const claim of all) yield* publisher(join(claim))
      network.immutable.clear()
      assert.isBelow((yield* seenByNewcomer(network)).length, 30)
      yield* publisher(NameIndex.mend(NAME))
      assert.deepStrictEqual(yield* seenByNewcomer(network), publishers(all))
      assert.deepStrictEqual(seqsOf(network), [30], "the record was right as it was")
    }))

  test("brings everything back after the network has forgotten the name, with a newer seq", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      for (const claim of claims(12)) yield* publisher(join(claim))
      const forgotten = [...network.items.entries()]
      network.items.clear()
      network.immutable.clear()
      yield* publisher(NameIndex.mend(NAME))
      assert.strictEqual((yield* seenByNewcomer(network)).length, 12)
      assert.isAtLeast(seqsOf(network)[0]!, forgotten[0]![1].seq)
    }))

  test("clears away what somebody put beside the claims", (network) =>
    Effect.gen(function* () {
      const all = claims(3)
      const holder = yield* Fixtures.join(network)
      yield* publish(network, all, 1)
      yield* holder(NameIndex.read(NAME))
      const { value } = NameIndexRecord.make(NameClaim.fromClaims(all))
      const decoded = Bencode.decode(value)
      if (decoded._tag === "Failure") throw decoded.failure
      const padded = Bencode.encode({ ...(decoded.success as Bencode.Dictionary), z: new Uint8Array(300) })
      yield* Fixtures.overwriteName(network, "a", 2, padded)
      yield* holder(NameIndex.mend(NAME))
      assert.deepStrictEqual([...network.items.values()][0]!.value, value)
      assert.deepStrictEqual(seqsOf(network), [3])
    }))

  test("says that the sequence numbers are used up, and remembers the claim all the same", (network) =>
    Effect.gen(function* () {
      yield* Fixtures.overwriteName(network, "a", Record.SEQ_MAX)
      const publisher = yield* Fixtures.join(network)
      const error = yield* Effect.flip(publisher(join(claimOf("a"))))
      assert.strictEqual(explain(error)?._tag, "NameIndexBlocked")
      assert.include(error.message, "sequence numbers")
      assert.strictEqual((yield* publisher(NameIndex.read(NAME))).claims.size, 1)
    }))

  test("is content with a record of the last sequence number that has all claims", (network) =>
    Effect.gen(function* () {
      const all = claims(3)
      yield* publish(network, all, Record.SEQ_MAX)
      const publisher = yield* Fixtures.join(network)
      assert.strictEqual((yield* publisher(join(all[0]!))).seq, Record.SEQ_MAX)
    }))

  test("refuses a claim that does not hold", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const good = claimOf("a")
      for (const bad of [{ ...good, fs: 0 }, claimOf("a", { name: "b" }), claimOf("a", { t: SIGNED_AT_MS - 1 })]) {
        const error = yield* Effect.flip(publisher(join(bad)))
        assert.strictEqual(explain(error)?._tag, "InvalidRecord")
      }
      assert.strictEqual(network.items.size, 0)
    }))

  test("counts a put that was repeated after some nodes had taken it", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      yield* publisher(join(claimOf("first")))
      let isFirst = true
      const lossy = Effect.flatMap(Dht, (dht) =>
        Effect.provideService(join(claimOf("second")), Dht, {
          ...dht,
          put: (record, options) =>
            Effect.andThen(
              dht.put(record, options),
              Effect.suspend(() => {
                if (!isFirst) return dht.put(record)
                isFirst = false
                return Effect.fail(new DhtError({ reason: new CasConflict({ target: "name", expectedSeq: 1 }) }))
              })
            )
        })
      )
      assert.strictEqual((yield* patiently(publisher(lossy))).seq, 2)
      assert.deepStrictEqual(seqsOf(network), [2])
    }))

  test("fails with what the network failed with, and loses nothing by it", (network) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      const refusing = Effect.flatMap(Dht, (dht) =>
        Effect.provideService(join(claimOf("a")), Dht, {
          ...dht,
          put: () => Effect.fail(new DhtError({ reason: new PutRefused({ target: "name", problem: "full" }) }))
        })
      )
      const error = yield* patiently(Effect.flip(publisher(refusing)))
      assert.strictEqual(explain(error)?._tag, "PutRefused")
      yield* publisher(NameIndex.mend(NAME))
      assert.strictEqual((yield* seenByNewcomer(network)).length, 1)
    }))

  test("puts each page once, however often it has to try", (network) =>
    Effect.gen(function* () {
      yield* publish(network, claims(60), 1)
      const { reset, run } = yield* countingHost(network)
      let conflicts = 4
      const racing = Effect.flatMap(Dht, (dht) =>
        Effect.provideService(join(claimOf("new")), Dht, {
          ...dht,
          put: (record, options) =>
            conflicts-- > 0
              ? Effect.fail(new DhtError({ reason: new CasConflict({ target: "name", expectedSeq: 1 }) }))
              : dht.put(record, options)
        })
      )
      yield* patiently(run(racing))
      assert.isAtMost(reset().pagePuts, 6)
      assert.strictEqual((yield* seenByNewcomer(network)).length, 61)
    }))

  test("holds its own against somebody who overwrites the name again and again", (network) =>
    Effect.gen(function* () {
      const all = claims(10)
      const holder = yield* Fixtures.join(network)
      yield* publish(network, all, 1)
      yield* holder(NameIndex.read(NAME))
      for (let round = 0; round < 20; round++) {
        const seq = Option.fromUndefinedOr(seqsOf(network)[0]).pipe(Option.getOrElse(() => 0)) + 1 + round
        yield* Fixtures.overwriteName(network, "a", seq, round % 2 === 0 ? undefined : text(`junk ${round}`))
        yield* holder(NameIndex.mend(NAME))
        assert.deepStrictEqual(yield* seenByNewcomer(network), publishers(all))
      }
    }))

  /** A claim that stands already, made again where `before` nodes of ten gave it, no put is acknowledged by more than one, and `after` give it then. */
  const claimedAgain = (network: DhtMemory.Network, before: number, after: number) =>
    Effect.gen(function* () {
      const publisher = yield* Fixtures.join(network)
      yield* publisher(join(claimOf("a")))
      const names = (count: number) => Array.from({ length: count }, (_, i) => `10.0.0.${i}:6881`)
      let isPut = false
      const again = Effect.flatMap(Dht, (dht) =>
        Effect.provideService(join(claimOf("a")), Dht, {
          ...dht,
          nodeCount: Effect.succeed(10),
          lookup: (publicKey, salt) =>
            Effect.map(dht.lookup(publicKey, salt), (answer) => ({
              ...answer,
              responders: names(isPut ? after : before)
            })),
          put: (record, options) =>
            Effect.map(dht.put(record, options), (receipt) => {
              isPut = true
              return { ...receipt, acks: 1 }
            })
        })
      )
      return yield* patiently(Effect.result(publisher(again)))
    })

  test("counts those that held a claim before, where few take it again", (network) =>
    Effect.gen(function* () {
      assert.isTrue(Result.isSuccess(yield* claimedAgain(network, 5, 8)))
    }))

  test("says that a claim stands, but that too few nodes hold it", (network) =>
    Effect.gen(function* () {
      const result = yield* claimedAgain(network, 5, 6)
      assert.isTrue(Result.isFailure(result))
      if (Result.isSuccess(result)) return
      assert.strictEqual(explain(result.failure)?._tag, "NameIndexBlocked")
      assert.include(result.failure.message, "it stands, but only 6 of at least 8 DHT nodes hold it")
    }))
})
