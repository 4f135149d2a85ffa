import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { DhtError, NoNodes } from "../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore, RecordStoreError } from "../../../src/protocol/dht/RecordStore.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../../../src/protocol/registry/NameIndex.ts"
import * as Package from "../../../src/protocol/registry/Package.ts"
import { Proofs } from "../../../src/protocol/registry/Proofs.ts"
import * as PublisherRecords from "../../../src/protocol/registry/PublisherRecords.ts"
import * as RePut from "../../../src/protocol/registry/RePut.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"
import * as World from "./RePutWorld.ts"

const { HOUR, still } = World

const noNodes = Effect.fail(new DhtError({ reason: new NoNodes({ bootstrap: [] }) }))

const SILENT = Effect.provideService(References.MinimumLogLevel, "None")

/** A publisher's record of the package `name`; the loop looks at its name alone. */
const packageRecord = Effect.fnUntraced(function* (name: string) {
  const pair = yield* Fixtures.keyPair("publisher")
  const keyString = KeyString.packageOf(Fixtures.name(name))
  return Record.sign(pair, {
    salt: KeyString.saltOf(keyString),
    seq: 1,
    value: Fixtures.text(`d1:n${name.length}:${name}e`)
  })
})

const claim = Effect.fnUntraced(function* (name: string, publisher: string) {
  const pair = yield* Fixtures.keyPair(publisher)
  return NameClaim.sign(pair, Fixtures.name(name), {
    latestVersion: Fixtures.version("1.0.0"),
    firstSeen: 1000,
    timestamp: 2000
  })
})

describe("RePut.once", () => {
  it.effect("keeps the release that was seen first, and the proof, when the network has another one", () => {
    const network = DhtMemory.make()
    return Effect.gen(function* () {
      const [store, dht, proofs] = [yield* RecordStore, yield* Dht, yield* Proofs]
      const pair = yield* Fixtures.keyPair("two-faced")
      const [one, two] = ["x", "y"]
        .map((content) => PublisherRecords.signRelease(pair, Fixtures.release("pkg", "1.0.0", { content })))
        .toSorted((a, b) => (Record.newer(a, b) === a ? 1 : -1))
      // `two` is the newer one to whoever compares bytes.
      yield* store.remember(one!)
      yield* dht.put(two!)
      yield* RePut.once
      const kept = Option.getOrThrow(yield* store.find(pair.publicKey, one!.salt))
      assert.deepStrictEqual(kept.value, one!.value)
      const proof = Option.getOrThrow(
        yield* proofs.find(pair.publicKey, Fixtures.name("pkg"), Fixtures.version("1.0.0"))
      )
      assert.deepStrictEqual(
        proof.records.map(({ value }) => value),
        [one!.value, two!.value]
      )
    }).pipe(Effect.provide(Fixtures.host(network)))
  })

  it.effect("keeps a proof before a package that contradicts what is held takes its place", () => {
    const network = DhtMemory.make()
    return Effect.gen(function* () {
      const [store, dht, proofs] = [yield* RecordStore, yield* Dht, yield* Proofs]
      const pair = yield* Fixtures.keyPair("two-faced")
      const salt = KeyString.saltOf(KeyString.packageOf(Fixtures.name("pkg")))
      const record = Effect.fnUntraced(function* (content: string, seq: number) {
        const { value } = yield* Package.add(undefined, Fixtures.release("pkg", "1.0.0", { content }), 1000)
        return Record.sign(pair, { salt, seq, value })
      })
      const [one, two] = [yield* record("x", 1), yield* record("y", 2)]
      yield* store.remember(one)
      yield* dht.put(two)
      yield* RePut.once
      assert.strictEqual(Option.getOrThrow(yield* store.find(pair.publicKey, salt)).seq, 2)
      assert.isTrue(Option.isSome(yield* proofs.find(pair.publicKey, Fixtures.name("pkg"), Fixtures.version("1.0.0"))))
    }).pipe(Effect.provide(Fixtures.host(network)))
  })

  it.effect("puts every record that is held, and tells what came of each", () => {
    const network = DhtMemory.make()
    return Effect.gen(function* () {
      const store = yield* RecordStore
      const dht = yield* Dht
      const [lost, held, stale] = [
        yield* World.record("lost"),
        yield* World.record("held"),
        yield* World.record("stale")
      ]
      for (const each of [lost, held, stale]) yield* store.remember(each)
      yield* dht.put(held)
      yield* dht.put(yield* World.record("stale", 2))
      assert.deepStrictEqual(yield* RePut.once, { stored: 2, superseded: 1, failed: 0 })
      assert.strictEqual(network.items.size, 3)
    }).pipe(Effect.provide(Fixtures.host(network)))
  })

  it.effect("goes on with the others when one fails or dies", () => {
    const network = DhtMemory.make()
    return Effect.gen(function* () {
      const store = yield* RecordStore
      const dht = yield* Dht
      const [failing, dying] = [yield* World.record("failing"), yield* World.record("dying")]
      for (const each of [failing, dying, yield* World.record("third")]) yield* store.remember(each)
      const round = yield* Effect.provideService(RePut.once, Dht, {
        ...dht,
        put: (each) => (each === failing ? noNodes : each === dying ? Effect.die(new Error("a bug")) : dht.put(each))
      })
      assert.deepStrictEqual(round, { stored: 1, superseded: 0, failed: 2 })
    }).pipe(Effect.provide(Fixtures.host(network)))
  })

  it.effect("remembers the newer record that it meets", () => {
    const network = DhtMemory.make()
    return Effect.gen(function* () {
      const store = yield* RecordStore
      const dht = yield* Dht
      const old = yield* World.record("a", 1)
      yield* store.remember(old)
      yield* dht.put(yield* World.record("a", 2))
      yield* RePut.once
      assert.strictEqual(Option.getOrThrow(yield* store.find(old.publicKey, old.salt)).seq, 2)
      network.items.clear()
      yield* RePut.once
      assert.deepStrictEqual(
        [...network.items.values()].map(({ seq }) => seq),
        [2]
      )
    }).pipe(Effect.provide(Fixtures.host(network)))
  })

  it.effect("fails where the store cannot be read", () =>
    Effect.gen(function* () {
      const store = yield* RecordStore
      const broken = { ...store, all: Effect.fail(new RecordStoreError({ location: "disk", problem: "EIO" })) }
      const error = yield* Effect.flip(Effect.provideService(RePut.once, RecordStore, broken))
      assert.strictEqual(error._tag, "RecordStoreError")
    }).pipe(Effect.provide(Fixtures.host(DhtMemory.make())))
  )
})

describe("RePut of names", () => {
  it.effect("puts back the claims that somebody overwrote, and never a list of its own over those of others", () => {
    const network = DhtMemory.make()
    return Effect.gen(function* () {
      const user = yield* Fixtures.join(network)
      const other = yield* Fixtures.join(network)
      const name = Fixtures.name("left-pad")
      const own = yield* user(claim("left-pad", "publisher"))
      yield* user(
        Effect.gen(function* () {
          yield* NameIndex.join(name, () => own)
          const store = yield* RecordStore
          yield* store.remember(yield* packageRecord("left-pad"))
        })
      )
      yield* Fixtures.overwriteName(network, "left-pad", 9)
      const theirs = yield* other(claim("left-pad", "other"))
      yield* other(NameIndex.join(name, () => theirs))
      assert.deepStrictEqual(yield* user(RePut.once), { stored: 2, superseded: 0, failed: 0 })
      const { inNetwork } = yield* other(NameIndex.read(name))
      assert.strictEqual(inNetwork.size, 2)
    }).pipe(Effect.scoped)
  })

  it.effect("keeps the record of a name to be found, and mends it when somebody emptied it", () => {
    const world = World.make(World.mainline)
    return Effect.gen(function* () {
      const store = yield* RecordStore
      const dht = yield* Dht
      const name = Fixtures.name("left-pad")
      const own = yield* claim("left-pad", "publisher")
      const record = yield* NameIndex.join(name, () => own)
      yield* store.remember(yield* packageRecord("left-pad"))
      const { of } = yield* World.started()
      yield* TestClock.adjust("5 days")
      assert.deepStrictEqual(world.lost(5 * World.DAY), [])
      const nameKey = yield* KeyString.nameKeyOf(KeyString.nameIndex(name))
      yield* dht.put(Record.sign(nameKey, { salt: record.salt, seq: 99, value: Fixtures.text("d1:cle1:ki0ee") }))
      yield* TestClock.adjust("7 hours")
      assert.strictEqual(of("Mended").at(-1)?.keyString, KeyString.nameIndex(name))
      assert.strictEqual((yield* NameIndex.read(name)).inNetwork.size, 1)
    }).pipe(World.on(world))
  })

  it.effect("writes nothing under a name whose claims it does not know", () => {
    const network = DhtMemory.make()
    return Effect.gen(function* () {
      const store = yield* RecordStore
      yield* store.remember(yield* packageRecord("left-pad"))
      yield* RePut.once
      assert.strictEqual(network.items.size, 1)
    }).pipe(Effect.provide(Fixtures.host(network)))
  })

  it.effect("does not put lists of claims whose name it does not know", () => {
    const network = DhtMemory.make()
    return Effect.gen(function* () {
      const store = yield* RecordStore
      const nameKey = yield* KeyString.nameKeyOf(KeyString.nameIndex(Fixtures.name("unknown")))
      const salt = KeyString.saltOf(KeyString.nameIndex(Fixtures.name("unknown")))
      yield* store.remember(Record.sign(nameKey, { salt, seq: 1, value: Fixtures.text("d1:cle1:ki0ee") }))
      assert.deepStrictEqual(yield* RePut.once, { stored: 0, superseded: 0, failed: 0 })
      assert.strictEqual(network.items.size, 0)
    }).pipe(Effect.provide(Fixtures.host(network)))
  })
})

describe("RePut.run", () => {
  it.effect("tries again in an hour what failed", () => {
    const world = World.make(still)
    let isDown = true
    const flaky: World.World = {
      ...world,
      dht: { ...world.dht, lookup: (...place) => (isDown ? noNodes : world.dht.lookup(...place)) }
    }
    return Effect.gen(function* () {
      yield* World.remembered("kept", 1)
      const { of } = yield* World.started()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(of("Failed").length, 1)
      isDown = false
      yield* TestClock.adjust("75 minutes")
      assert.strictEqual(world.puts.size, 1)
    }).pipe(World.on(flaky))
  })

  it.effect("gives up an item that never answers, and goes on", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const [silent] = yield* World.remembered("kept", 3)
      const dht = yield* Dht
      const { of } = yield* World.started().pipe(
        Effect.provideService(Dht, {
          ...dht,
          lookup: (publicKey, salt) => (salt === silent!.salt ? Effect.never : dht.lookup(publicKey, salt))
        })
      )
      yield* TestClock.adjust("6 minutes")
      assert.strictEqual(of("Put").length, 2)
      assert.include(of("Failed")[0]?.problem, "no answer in 5m")
    }).pipe(World.on(world))
  })

  it.effect("holds nothing up for names that never answer, and puts no fewer at once for them", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const store = yield* RecordStore
      yield* store.remember(yield* packageRecord("left-pad"))
      yield* World.remembered("kept", 100)
      const dht = yield* Dht
      const nameSalt = KeyString.saltOf(KeyString.nameIndex(Fixtures.name("left-pad")))
      const isOfName = (salt: Uint8Array) => Bytes.Equivalence(salt, nameSalt)
      const { of } = yield* World.started().pipe(
        Effect.provideService(Dht, {
          ...dht,
          lookup: (publicKey, salt) => (isOfName(salt) ? Effect.never : dht.lookup(publicKey, salt))
        })
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual(of("Put").length, 101)
      assert.strictEqual(of("Failed").length, 0)
      yield* TestClock.adjust(RePut.NAME_DEADLINE)
      assert.include(of("Failed")[0]?.problem, "no answer in 1m")
      assert.isTrue(of("BatchSize").every(({ before, size }) => size > before))
    }).pipe(World.on(world))
  })

  it.effect("goes on after a store could not be read, and says so", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      yield* World.remembered("kept", 1)
      const store = yield* RecordStore
      let isBroken = true
      const moody = {
        ...store,
        all: Effect.suspend(() =>
          isBroken ? Effect.fail(new RecordStoreError({ location: "disk", problem: "EIO" })) : store.all
        )
      }
      const { of } = yield* Effect.provideService(World.started(), RecordStore, moody)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(world.puts.size, 0)
      assert.include(of("StoreFailed")[0]?.problem, "EIO")
      isBroken = false
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(world.puts.size, 1)
    }).pipe(World.on(world), SILENT)
  })

  it.effect("takes up what is remembered while it runs", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const { of } = yield* World.started()
      yield* TestClock.adjust("1 minute")
      yield* World.remembered("later", 2)
      yield* TestClock.adjust("30 minutes")
      assert.strictEqual(of("Put").length, 2)
      assert.deepStrictEqual(
        of("Holdings").map(({ added }) => added),
        [2]
      )
    }).pipe(World.on(world))
  })

  it.effect("remembers a newer record that it sees, and keeps that one alive", () => {
    const world = World.make(World.mainline)
    return Effect.gen(function* () {
      const store = yield* RecordStore
      const dht = yield* Dht
      const [old, newer] = [yield* World.record("a", 1), yield* World.record("a", 2)]
      yield* store.remember(old)
      yield* dht.put(newer)
      const { of } = yield* World.started()
      yield* TestClock.adjust("3 days")
      assert.deepStrictEqual(
        of("Superseded").map(({ seq }) => seq),
        [2]
      )
      assert.strictEqual(Option.getOrThrow(yield* store.find(old.publicKey, old.salt)).seq, 2)
      assert.deepStrictEqual(world.lost(3 * World.DAY), [])
      assert.strictEqual(Option.getOrThrow(yield* dht.get(old.publicKey, old.salt)).seq, 2)
    }).pipe(World.on(world))
  })

  it.effect("grows batches while the network takes everything, and shrinks them when it does not", () => {
    const world = World.make(still)
    let isDown = false
    const flaky: World.World = {
      ...world,
      dht: { ...world.dht, lookup: (...place) => (isDown ? noNodes : world.dht.lookup(...place)) }
    }
    return Effect.gen(function* () {
      yield* World.remembered("many", 400)
      const { of } = yield* World.started()
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        of("BatchSize").map(({ size }) => size),
        [15, 20, 25, 30, 35, 40, 45, 50]
      )
      isDown = true
      yield* TestClock.adjust("3 hours")
      assert.isTrue(of("Failed").length > 0)
      assert.strictEqual(of("BatchSize").at(-1)?.size, 5)
    }).pipe(World.on(flaky))
  })

  it.effect("tells how every record fares", () => {
    const world = World.make({ ...still, holders: 12 })
    return Effect.gen(function* () {
      const [record] = yield* World.remembered("kept", 1)
      const { rePut } = yield* World.started()
      yield* TestClock.adjust("1 minute")
      const [put] = yield* rePut.health
      assert.include(put, {
        kind: "record",
        target: World.targetOf(record!),
        acks: 12,
        puts: 1,
        failures: 0,
        lastPut: 0
      })
      assert.isAbove(put!.nextDue, 2 * HOUR)
      assert.isAtMost(put!.putBy!, 22 * HOUR)
      yield* TestClock.adjust("3 hours")
      const [looked] = yield* rePut.health
      assert.include(looked, { acks: 12, holders: 12, puts: 1 })
      assert.isAbove(looked!.lastLook!, 2 * HOUR)
    }).pipe(World.on(world))
  })

  it.effect("names the kinds of what it keeps alive", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const store = yield* RecordStore
      const pair = yield* Fixtures.keyPair("publisher")
      const sign = (keyString: string, value: string) =>
        store.remember(Record.sign(pair, { salt: KeyString.saltOf(keyString), seq: 1, value: Fixtures.text(value) }))
      const release = KeyString.release(Fixtures.name("a"), Fixtures.version("1.0.0"))
      yield* sign(release, "d1:n1:a1:v5:1.0.0e")
      yield* sign(KeyString.announce(pair.publicKey), "de")
      yield* sign(KeyString.REVOCATION, "de")
      yield* sign("libreseed:channel", "no dictionary")
      const { rePut } = yield* World.started()
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* rePut.health).map(({ keyString, kind }) => [kind, keyString]).toSorted(), [
        ["announce", KeyString.announce(pair.publicKey)],
        ["record", undefined],
        ["release", release],
        ["revocation", KeyString.REVOCATION]
      ])
    }).pipe(World.on(world))
  })

  it.effect("is not held up by a reader of its events who never reads", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const rePut = yield* RePut.make()
      yield* Effect.forkChild(Stream.runForEach(rePut.events, () => Effect.never))
      yield* TestClock.adjust(0)
      yield* World.remembered("many", RePut.EVENTS_KEPT + 100)
      yield* Effect.forkChild(rePut.run)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(world.puts.size, RePut.EVENTS_KEPT + 100)
    }).pipe(World.on(world))
  })
})
