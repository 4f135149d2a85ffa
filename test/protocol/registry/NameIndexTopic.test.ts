import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import { DhtError, NoNodes } from "../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore, RecordStoreError } from "../../../src/protocol/dht/RecordStore.ts"
import { ANSWER_ITEMS_MAX, type TopicAnswer, TopicPeers } from "../../../src/protocol/dht/TopicPeers.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../../../src/protocol/registry/NameIndex.ts"
import * as Package from "../../../src/protocol/registry/Package.ts"
import * as Release from "../../../src/protocol/registry/Release.ts"
import {
  ANSWER_LIFETIME,
  ANSWER_RECORDS_MAX,
  HELD_LIFETIME,
  NAMES_INTERVAL
} from "../../../src/protocol/registry/TopicServe.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as TopicPeersMemory from "../../../src/protocol/testing/TopicPeersMemory.ts"
import * as Fixtures from "./Fixtures.ts"
import { claimOf, claims, countingHost, NAME, publish, publishersOf, SIGNED_AT_MS, TOPIC } from "./NameIndexWorld.ts"

const { keyPair, name, release } = Fixtures

const publishers = (all: Iterable<NameClaim.NameClaim>) => publishersOf(NameClaim.fromClaims(all))

const answerWith = (
  all: ReadonlyArray<NameClaim.NameClaim>,
  records: ReadonlyArray<Record.Record> = []
): TopicAnswer => ({
  claims: all.map(NameClaim.encode),
  records: records.map(Record.toBytes)
})

/** A package record, as its publisher signs it. */
const packageRecord = Effect.fnUntraced(function* (label: string, packageName: string, seq = 1) {
  const pair = yield* keyPair(label)
  const newest = release(packageName, "1.0.0")
  const value = Package.toBytes({ n: newest.n, l: Release.inline(newest), vs: [[newest.v, 0]], c: 1, t: SIGNED_AT_MS })
  return Record.sign(pair, { salt: KeyString.saltOf(KeyString.packageOf(name(packageName))), seq, value })
})

const hold = (...records: ReadonlyArray<Record.Record>) =>
  Effect.flatMap(RecordStore, (store) => Effect.forEach(records, store.remember, { discard: true }))

const ask = Effect.flatMap(TopicPeers, (peers) => peers.ask(TOPIC))

const test = (title: string, body: (network: DhtMemory.Network) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(SIGNED_AT_MS)
      yield* Effect.scoped(body(DhtMemory.make()))
    })
  )

const withKeys = Effect.provide(Fixtures.host(DhtMemory.make()))

describe("reading by the second carrier", () => {
  test("finds a claim although somebody used up the shared record for good", (network) =>
    Effect.gen(function* () {
      yield* Fixtures.overwriteName(network, "a", Record.SEQ_MAX)
      const publisher = yield* Fixtures.join(network)
      yield* publisher(NameIndex.serve(NAME))
      yield* Effect.flip(publisher(NameIndex.join(NAME, () => claimOf("alice"))))
      const user = yield* Fixtures.join(network)
      const found = yield* user(NameIndex.read(NAME))
      assert.deepStrictEqual(publishersOf(found.claims), publishers([claimOf("alice")]))
      assert.strictEqual(found.inNetwork.size, 0)
      const later = yield* user(NameIndex.read(NAME, { askPeers: false }))
      assert.strictEqual(later.claims.size, 1, "and remembers it")
    }))

  test("puts into the shared record what a publisher learnt from peers", (network) =>
    Effect.gen(function* () {
      yield* TopicPeersMemory.place(Fixtures.topicsOf(network), TOPIC, Effect.succeed(answerWith(claims(8))))
      const publisher = yield* Fixtures.join(network)
      yield* publisher(NameIndex.join(NAME, () => claimOf("own")))
      const { inNetwork } = yield* publisher(NameIndex.read(NAME))
      assert.strictEqual(inNetwork.size, 9)
    }))

  test("does not ask where it is told not to", (network) =>
    Effect.gen(function* () {
      let asked = 0
      const counting = Effect.sync(() => ((asked += 1), answerWith([])))
      yield* TopicPeersMemory.place(Fixtures.topicsOf(network), TOPIC, counting)
      const user = yield* Fixtures.join(network)
      yield* user(NameIndex.read(NAME, { askPeers: false }))
      yield* user(NameIndex.mend(NAME))
      assert.strictEqual(asked, 0)
      yield* user(NameIndex.read(NAME))
      assert.strictEqual(asked, 1)
    }))

  test("goes on without peers that cannot be asked, break or keep silent, after a while", (network) =>
    Effect.gen(function* () {
      yield* publish(network, claims(2), 1)
      const user = yield* Fixtures.join(network)
      const broken: ReadonlyArray<Effect.Effect<ReadonlyArray<TopicAnswer>, DhtError>> = [
        Effect.fail(new DhtError({ reason: new NoNodes({ bootstrap: [] }) })),
        Effect.die("broken"),
        Effect.never
      ]
      for (const each of broken) {
        const reading = yield* Effect.forkChild(
          user(
            Effect.provideService(NameIndex.read(NAME), TopicPeers, {
              serve: () => Effect.void,
              ask: () => each
            })
          )
        )
        yield* TestClock.adjust(NameIndex.TOPIC_DEADLINE)
        assert.strictEqual((yield* Fiber.join(reading)).claims.size, 2)
      }
    }))

  test("can be interrupted while it waits for peers", (network) =>
    Effect.gen(function* () {
      const user = yield* Fixtures.join(network)
      yield* TopicPeersMemory.place(Fixtures.topicsOf(network), TOPIC, Effect.never)
      const reading = yield* Effect.forkChild(user(NameIndex.read(NAME)), { startImmediately: true })
      yield* Fiber.interrupt(reading)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(reading)))
    }))

  test("believes nothing that is not signed for this name", (network) =>
    Effect.gen(function* () {
      const good = claimOf("good", { t: SIGNED_AT_MS + 5 })
      const hostile = [
        { ...good, fs: 0 },
        { ...good, t: good.t + 1 },
        claimOf("other", { name: "b" }),
        { ...claimOf("other"), s: good.s }
      ]
      const garbage = { claims: [new Uint8Array(0), new Uint8Array([100]), new Uint8Array(1_400)], records: [] }
      const topics = Fixtures.topicsOf(network)
      yield* TopicPeersMemory.place(topics, TOPIC, Effect.succeed(garbage))
      yield* TopicPeersMemory.place(topics, TOPIC, Effect.succeed(answerWith(hostile)))
      yield* TopicPeersMemory.place(topics, TOPIC, Effect.succeed(answerWith([good])))
      const user = yield* Fixtures.join(network)
      const found = yield* user(NameIndex.read(NAME))
      assert.deepStrictEqual([...found.claims.values()], [good])
    }))

  test("spends a bounded part of its work on liars, and hears the honest peer among them", (network) =>
    Effect.gen(function* () {
      const some = claimOf("liar")
      const lies = (from: number) =>
        Array.from({ length: ANSWER_ITEMS_MAX }, (_, i) => ({ ...some, fs: from + i, t: SIGNED_AT_MS + i }))
      const topics = Fixtures.topicsOf(network)
      for (let peer = 0; peer < 8; peer++) {
        yield* TopicPeersMemory.place(topics, TOPIC, Effect.succeed(answerWith(lies(1_000 * peer))))
      }
      const honest = claims(20)
      yield* TopicPeersMemory.place(topics, TOPIC, Effect.succeed(answerWith(honest)))
      const { reset, run } = yield* countingHost(network)
      const found = yield* run(NameIndex.read(NAME))
      assert.deepStrictEqual(publishersOf(found.claims), publishers(honest))
      assert.isAtMost(reset().verified, NameIndex.VERIFY_MAX)
    }))

  test("gives the package records of peers, newest first, as far as they are of publishers of the name", (network) =>
    Effect.gen(function* () {
      const records = [
        yield* packageRecord("alice", "a", 1).pipe(withKeys),
        yield* packageRecord("alice", "a", 3).pipe(withKeys),
        yield* packageRecord("alice", "a", 2).pipe(withKeys),
        yield* packageRecord("alice", "b").pipe(withKeys),
        yield* packageRecord("nobody", "a").pipe(withKeys)
      ]
      const forged = { ...records[0]!, seq: 9 }
      const answer = answerWith([claimOf("alice")], [forged, ...records])
      const topics = Fixtures.topicsOf(network)
      yield* TopicPeersMemory.place(topics, TOPIC, Effect.succeed(answer))
      const user = yield* Fixtures.join(network)
      const { packages } = yield* user(NameIndex.read(NAME))
      assert.deepStrictEqual(
        [...packages].map(([publisher, { seq }]) => [publisher, seq]),
        [[PublicKey.toHex(claimOf("alice").k), 3]]
      )
    }))
})

describe("serving a topic", () => {
  test("gives the claims that are remembered and the package records that are held", (network) =>
    Effect.gen(function* () {
      yield* publish(network, claims(30), 1)
      const seeder = yield* Fixtures.join(network)
      yield* seeder(NameIndex.read(NAME))
      const [own, other] = [
        yield* packageRecord("x", "a").pipe(withKeys),
        yield* packageRecord("x", "b").pipe(withKeys)
      ]
      yield* seeder(hold(own, other))
      yield* seeder(NameIndex.serve(NAME))
      const asker = yield* Fixtures.join(network)
      const [answer] = yield* asker(ask)
      assert.strictEqual(answer!.claims.length, 30)
      assert.deepStrictEqual(answer!.records, [Record.toBytes(own)])
    }))

  test("makes no look-ups for whoever asks, and reads the own stores once in a while only", (network) =>
    Effect.gen(function* () {
      yield* publish(network, claims(30), 1)
      const { reset, run } = yield* countingHost(network)
      yield* run(NameIndex.read(NAME))
      let finds = 0
      const serving = Effect.flatMap(RecordStore, (store) =>
        Effect.provideService(NameIndex.serve(NAME), RecordStore, {
          ...store,
          find: (...args) => Effect.suspend(() => ((finds += 1), store.find(...args)))
        })
      )
      yield* run(serving)
      const asker = yield* Fixtures.join(network)
      reset()
      for (let i = 0; i < 5; i++) yield* asker(ask)
      const { lookups, pageReads } = reset()
      assert.deepStrictEqual([lookups, pageReads, finds], [0, 0, 1])
      yield* TestClock.adjust(ANSWER_LIFETIME)
      yield* asker(ask)
      assert.strictEqual(finds, 2)
    }))

  test("keeps an answer within its limits, and gives other claims another time", (network) =>
    Effect.gen(function* () {
      const all = claims(ANSWER_ITEMS_MAX + 50)
      yield* publish(network, all, 1)
      const seeder = yield* Fixtures.join(network)
      yield* seeder(NameIndex.read(NAME))
      const held = yield* Effect.forEach(
        Array.from({ length: ANSWER_RECORDS_MAX + 5 }, (_, i) => `publisher ${i}`),
        (label) => packageRecord(label, "a")
      ).pipe(withKeys)
      yield* seeder(hold(...held))
      yield* seeder(NameIndex.serve(NAME))
      const asker = yield* Fixtures.join(network)
      const seen = new Set<string>()
      for (let i = 0; i < 12; i++) {
        const [answer] = yield* asker(ask)
        assert.strictEqual(answer!.records.length, ANSWER_RECORDS_MAX)
        assert.strictEqual(answer!.claims.length, ANSWER_ITEMS_MAX - ANSWER_RECORDS_MAX)
        for (const claim of answer!.claims) seen.add(claim.join())
        yield* TestClock.adjust(ANSWER_LIFETIME)
      }
      assert.isAbove(seen.size, ANSWER_ITEMS_MAX)
      const ofHeld = all.slice(0, ANSWER_RECORDS_MAX - 5).map((claim) => NameClaim.encode(claim).join())
      assert.isTrue(ofHeld.every((claim) => seen.has(claim)))
    }))

  test("serves every name that is held, also those that come later, until the scope closes", (network) =>
    Effect.gen(function* () {
      const seeder = yield* Fixtures.join(network)
      yield* seeder(hold(yield* packageRecord("x", "a").pipe(withKeys)))
      const scope = yield* Scope.make()
      yield* seeder(Scope.provide(NameIndex.serveAll(), scope))
      const asker = yield* Fixtures.join(network)
      const topics = (label: string) => KeyString.topicOf(KeyString.nameIndex(name(label)))
      const count = (label: string) =>
        asker(Effect.flatMap(TopicPeers, (peers) => Effect.map(peers.ask(topics(label)), ({ length }) => length)))
      assert.deepStrictEqual([yield* count("a"), yield* count("b")], [1, 0])
      yield* seeder(hold(yield* packageRecord("x", "b").pipe(withKeys)))
      yield* TestClock.adjust(HELD_LIFETIME)
      assert.strictEqual(yield* count("b"), 0)
      yield* TestClock.adjust(NAMES_INTERVAL)
      assert.deepStrictEqual([yield* count("a"), yield* count("b")], [1, 1])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual([yield* count("a"), yield* count("b")], [0, 0])
    }))

  test("takes no look-alike for a package that is held", (network) =>
    Effect.gen(function* () {
      const seeder = yield* Fixtures.join(network)
      const genuine = yield* packageRecord("x", "b").pipe(withKeys)
      const pair = yield* keyPair("x").pipe(withKeys)
      // Says "b" under the salt of "a".
      const relabelled = Record.sign(pair, {
        salt: KeyString.saltOf(KeyString.packageOf(NAME)),
        seq: 1,
        value: genuine.value
      })
      yield* seeder(hold(relabelled))
      yield* seeder(NameIndex.serve(NAME))
      const asker = yield* Fixtures.join(network)
      assert.deepStrictEqual(yield* asker(ask), [{ claims: [], records: [] }])
    }))

  test("answers with nothing while the own store cannot be read", (network) =>
    Effect.gen(function* () {
      const seeder = yield* Fixtures.join(network)
      const problem = Effect.fail(new RecordStoreError({ location: "disk", problem: "EIO" }))
      const failing = Effect.flatMap(RecordStore, (store) =>
        Effect.provideService(NameIndex.serve(NAME), RecordStore, { ...store, find: () => problem })
      )
      yield* seeder(failing)
      const asker = yield* Fixtures.join(network)
      assert.deepStrictEqual(yield* asker(ask), [{ claims: [], records: [] }])
    }))
})
