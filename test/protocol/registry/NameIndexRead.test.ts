import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import * as Deadline from "../../../src/protocol/core/Deadline.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { DhtError, InvalidReply } from "../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as Tree from "../../../src/protocol/dht/Tree.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../../../src/protocol/registry/NameIndex.ts"
import * as NameIndexMemory from "../../../src/protocol/registry/NameIndexMemory.ts"
import * as NameIndexRecord from "../../../src/protocol/registry/NameIndexRecord.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"
import {
  claimOf,
  claims,
  countingHost,
  NAME,
  publish,
  publishersOf,
  putPages,
  SIGNED_AT_MS,
  verifiedSet
} from "./NameIndexWorld.ts"

const { text } = Fixtures

const same = (self: NameClaim.ClaimSet, that: NameClaim.ClaimSet) =>
  assert.deepStrictEqual(publishersOf(self), publishersOf(that))

describe("NameIndex.read", () => {
  const test = (title: string, body: (network: DhtMemory.Network) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.effect(title, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(SIGNED_AT_MS)
        yield* Effect.scoped(body(DhtMemory.make()))
      })
    )

  test("finds every claim, those in the tree too, and says how it came by them", (network) =>
    Effect.gen(function* () {
      const all = claims(60)
      yield* publish(network, all, 7)
      const { reset, run } = yield* countingHost(network)
      const found = yield* run(NameIndex.read(NAME))
      same(found.claims, NameClaim.fromClaims(all))
      same(found.inNetwork, found.claims)
      assert.strictEqual(Option.getOrThrow(found.record).seq, 7)
      assert.deepStrictEqual(found.responders, ["memory"])
      assert.deepStrictEqual(found.missing, [])
      assert.isAbove(found.depth, 1)
      assert.strictEqual(reset().verified, 60, "every claim once")
    }))

  test("looks only the record up, and verifies nothing else, when it has seen all of it", (network) =>
    Effect.gen(function* () {
      yield* publish(network, claims(60), 7)
      const { reset, run } = yield* countingHost(network)
      yield* run(NameIndex.read(NAME))
      reset()
      const found = yield* run(NameIndex.read(NAME))
      assert.strictEqual(found.claims.size, 60)
      assert.strictEqual(found.depth, 1)
      assert.deepStrictEqual(reset(), { lookups: 1, pageReads: 0, pagePuts: 0, puts: 0, verified: 0 })
    }))

  test("verifies only what is new, and reads only pages that are", (network) =>
    Effect.gen(function* () {
      const all = claims(200)
      yield* publish(network, all, 1)
      const { reset, run } = yield* countingHost(network)
      yield* run(NameIndex.read(NAME))
      reset()
      yield* publish(network, [...all, claimOf("new")], 2)
      assert.strictEqual((yield* run(NameIndex.read(NAME))).claims.size, 201)
      const { pageReads, verified } = reset()
      assert.strictEqual(verified, 1)
      assert.isAtMost(pageReads, 8)
    }))

  test("finds the rest where a page is missing, and names that page", (network) =>
    Effect.gen(function* () {
      const { pages } = yield* publish(network, claims(60), 1)
      const leaf = Record.immutableTargetOf(pages[0]!)
      network.immutable.delete(Hex.encode(leaf))
      const { run } = yield* countingHost(network)
      const found = yield* run(NameIndex.read(NAME))
      assert.deepStrictEqual(found.missing.map(Hex.encode), [Hex.encode(leaf)])
      assert.isAbove(found.claims.size, 50)
      assert.isBelow(found.claims.size, 60)
      putPages(network, pages)
      assert.strictEqual((yield* run(NameIndex.read(NAME))).claims.size, 60)
    }))

  test("keeps what stands in the record where not even the root can be asked for", (network) =>
    Effect.gen(function* () {
      yield* publish(network, claims(30), 1)
      const user = yield* Fixtures.join(network)
      const found = yield* user(
        Effect.flatMap(Dht, (dht) =>
          Effect.provideService(NameIndex.read(NAME), Dht, {
            ...dht,
            getImmutable: (target) =>
              Effect.fail(new DhtError({ reason: new InvalidReply({ target: Hex.encode(target), problem: "lost" }) }))
          })
        )
      )
      assert.isAtLeast(found.claims.size, 3)
      assert.strictEqual(found.missing.length, 1)
    }))

  test("remembers what somebody overwrites, whatever is put in its place", (network) =>
    Effect.gen(function* () {
      const all = NameClaim.fromClaims(claims(20))
      yield* publish(network, [...all.values()], 1)
      const user = yield* Fixtures.join(network)
      yield* user(NameIndex.read(NAME))
      const hostile = [text("d1:cle1:ki0ee"), text(""), text(`d1:cle1:ki9e1:r20:${"r".repeat(20)}e`), text("i1e")]
      for (const [i, value] of hostile.entries()) {
        yield* Fixtures.overwriteName(network, "a", 2 + i, value)
        const found = yield* user(NameIndex.read(NAME))
        same(found.claims, all)
        assert.strictEqual(found.inNetwork.size, 0)
      }
      yield* Fixtures.overwriteName(network, "a", Record.SEQ_MAX)
      same((yield* user(NameIndex.read(NAME))).claims, all)
      const late = claimOf("late")
      network.items.clear()
      yield* publish(network, [late], Record.SEQ_MAX)
      assert.strictEqual((yield* user(NameIndex.read(NAME))).claims.size, 21)
      network.items.clear()
      assert.strictEqual((yield* user(NameIndex.read(NAME))).claims.size, 21, "and of a record with the last seq too")
    }))

  test("believes no claim because the record with it got into the own store", (network) =>
    Effect.gen(function* () {
      const honest = claimOf("honest")
      const user = yield* Fixtures.join(network)
      yield* publish(network, [honest], 1)
      yield* user(NameIndex.read(NAME))
      const forged = claims(20, "victim").map(({ k, lv, s, t }) => ({ fs: 0, k, lv, s, t }))
      yield* publish(network, forged, 50)
      // As a seeder does that keeps the newest of every record.
      const remember = Effect.gen(function* () {
        const [dht, store] = [yield* Dht, yield* RecordStore]
        const keyString = KeyString.nameIndex(NAME)
        const { publicKey } = yield* KeyString.nameKeyOf(keyString)
        const record = Option.getOrThrow(yield* dht.get(publicKey, KeyString.saltOf(keyString)))
        yield* store.remember(record)
      })
      yield* user(remember)
      const found = yield* user(NameIndex.read(NAME))
      same(found.claims, NameClaim.fromClaims([honest]))
      assert.strictEqual(found.inNetwork.size, 0)
    }))

  test("loses nothing when one host reads different records at the same time", (network) =>
    Effect.gen(function* () {
      const other = DhtMemory.make()
      yield* publish(network, claims(9, "first"), 1)
      yield* publish(other, claims(9, "second"), 1)
      const user = yield* Fixtures.join(network)
      const elsewhere = Effect.flatMap(Dht, (dht) =>
        Effect.provideService(NameIndex.read(NAME), Dht, {
          ...dht,
          lookup: (...args) =>
            Effect.flatMap(Dht, (dht) => dht.lookup(...args)).pipe(Effect.provide(Fixtures.host(other))),
          getImmutable: (...args) =>
            Effect.flatMap(Dht, (dht) => dht.getImmutable(...args)).pipe(Effect.provide(Fixtures.host(other)))
        })
      )
      yield* user(Effect.all([NameIndex.read(NAME), elsewhere], { concurrency: "unbounded" }))
      network.items.clear()
      assert.strictEqual((yield* user(NameIndex.read(NAME))).claims.size, 18)
    }))

  test("reads a bounded part of a hostile tree, and the claims beside it", (network) =>
    Effect.gen(function* () {
      // As many pages as there can be: two entries of the largest size to each.
      const entries = Array.from({ length: 16_000 }, (_, i) => {
        const key = new Uint8Array(200)
        new DataView(key.buffer).setUint32(0, i)
        return { key, value: new Uint8Array(270) }
      })
      const { pages, root } = Tree.build(entries)
      putPages(network, pages)
      assert.isAbove(pages.length, NameIndex.PAGES_MAX)
      const good = claimOf("good")
      const value = Bencode.encode({
        c: [{ fs: good.fs, k: good.k, lv: text(good.lv), s: good.s, t: good.t }],
        k: 10_000,
        r: root
      })
      yield* Fixtures.overwriteName(network, "a", 1, value)
      const { reset, run } = yield* countingHost(network)
      const found = yield* run(NameIndex.read(NAME))
      same(found.claims, NameClaim.fromClaims([good]))
      const { pageReads, verified } = reset()
      assert.isAtMost(pageReads, NameIndex.PAGES_MAX)
      assert.strictEqual(verified, 1)
    }))

  const withSilentPages = <A, E, R>(work: Effect.Effect<A, E, R>) =>
    Effect.flatMap(Dht, (dht) => Effect.provideService(work, Dht, { ...dht, getImmutable: () => Effect.never }))

  test("waits for pages that never come only so long", (network) =>
    Effect.gen(function* () {
      yield* publish(network, claims(30), 1)
      const user = yield* Fixtures.join(network)
      const reading = yield* Effect.forkChild(user(withSilentPages(NameIndex.read(NAME))))
      yield* TestClock.adjust(NameIndex.TREE_DEADLINE)
      const found = yield* Fiber.join(reading)
      assert.isAtLeast(found.claims.size, 3)
      assert.strictEqual(found.missing.length, 1)
    }))

  test("leaves half of the caller's time for what comes after", (network) =>
    Effect.gen(function* () {
      yield* publish(network, claims(30), 1)
      const user = yield* Fixtures.join(network)
      const reading = yield* Effect.forkChild(
        user(withSilentPages(NameIndex.read(NAME)).pipe(Deadline.within("10 seconds")))
      )
      yield* TestClock.adjust("5 seconds")
      assert.isAtLeast((yield* Fiber.join(reading)).claims.size, 3)
    }))

  it("works without waiting for anything where all is in memory", () => {
    const network = DhtMemory.make()
    Effect.runSync(publish(network, claims(1), 1))
    const found = Effect.runSync(NameIndex.read(NAME).pipe(Effect.provide(Fixtures.host(network))))
    assert.strictEqual(found.claims.size, 1)
  })
})

describe("more claims than a name may have", () => {
  const some = claimOf("x")
  const many = (count: number, from: number) =>
    verifiedSet(
      Array.from({ length: count }, (_, i) => {
        const k = some.k.slice() as typeof some.k
        new DataView(k.buffer).setUint32(0, from + i)
        return { ...some, k }
      })
    )
  const MAX = NameIndexRecord.CLAIMS_MAX

  it.effect("keeps those that were known before, and of the others the same ones on every host", () =>
    Effect.gen(function* () {
      const place = yield* NameIndexMemory.placeOf(NAME)
      const [known, strangers] = [many(MAX - 10, 0), many(500, MAX)]
      const all = NameClaim.merge(known, strangers)
      const kept = NameIndexMemory.limit(place, all, [known])
      assert.strictEqual(kept.size, MAX)
      for (const key of known.keys()) assert.isTrue(kept.has(key))
      const shuffled = verifiedSet([...all.values()].toReversed())
      same(NameIndexMemory.limit(place, shuffled, [known]), kept)
      const elsewhere = yield* NameIndexMemory.placeOf(Fixtures.name("b"))
      assert.notDeepEqual(publishersOf(NameIndexMemory.limit(elsewhere, all, [known])), publishersOf(kept))
    }).pipe(Effect.provide(Fixtures.host(DhtMemory.make())))
  )

  it.effect("keeps the own claim before all others", () =>
    Effect.gen(function* () {
      const place = yield* NameIndexMemory.placeOf(NAME)
      const [known, own] = [many(MAX, 0), verifiedSet([claimOf("own")])]
      const kept = NameIndexMemory.limit(place, NameClaim.merge(known, own), [own, known])
      assert.strictEqual(kept.size, MAX)
      assert.isTrue([...own.keys()].every((key) => kept.has(key)))
    }).pipe(Effect.provide(Fixtures.host(DhtMemory.make())))
  )
})

describe("NameIndex.prune", () => {
  it("leaves out of the view what the rules say, the first reason first, and nothing without rules", () => {
    const [a, b, c, d] = [claimOf("a"), claimOf("b"), claimOf("c"), claimOf("d")]
    const set = NameClaim.fromClaims([a, b, c, d])
    assert.deepStrictEqual(NameIndex.prune(set, {}), { kept: NameClaim.toSorted(set), pruned: [] })
    const view = NameIndex.prune(set, {
      isRevoked: (claim) => claim === a,
      hasNoAnnounce: (claim) => claim === a || claim === b,
      hasNoSeeders: (claim) => claim !== d
    })
    assert.deepStrictEqual(view.kept, [d])
    const because = new Map(view.pruned.map(({ because, claim }) => [claim, because]))
    assert.deepStrictEqual([because.get(a), because.get(b), because.get(c)], ["revoked", "unannounced", "unseeded"])
  })
})
