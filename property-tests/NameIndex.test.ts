import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Bencode from "../src/protocol/core/Bencode.ts"
import { Dht } from "../src/protocol/dht/Dht.ts"
import * as Record from "../src/protocol/dht/Record.ts"
import * as Tree from "../src/protocol/dht/Tree.ts"
import * as NameClaim from "../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../src/protocol/registry/NameIndex.ts"
import * as NameIndexRecord from "../src/protocol/registry/NameIndexRecord.ts"
import * as DhtMemory from "../src/protocol/testing/DhtMemory.ts"
import * as TopicPeersMemory from "../src/protocol/testing/TopicPeersMemory.ts"
import * as Fixtures from "../test/protocol/registry/Fixtures.ts"
import { claimOf, NAME, publish, putPages, SIGNED_AT_MS, TOPIC } from "../test/protocol/registry/NameIndexWorld.ts"
import { runs, runsUpTo } from "./Runs.ts"

const { text } = Fixtures

/** 60 publishers with three claims each, of which the later ones replace the earlier. */
const PUBLISHERS = 60
const pool = Array.from({ length: PUBLISHERS }, (_, publisher) =>
  ["1.0.0", "1.1.0", `2.0.0-r${"c".repeat(publisher)}.1`].map((version, i) =>
    claimOf(`publisher ${publisher}`, { version, t: SIGNED_AT_MS + i })
  )
).flat()

const claimsUpTo = (maxLength: number) => fc.shuffledSubarray(pool, { maxLength })
/** Sizes are spread evenly, so that most sets need a tree. */
const claims = fc.nat({ max: 80 }).chain(claimsUpTo)
const few = claimsUpTo(12)

const setOf = NameClaim.fromClaims
const same = (self: NameClaim.ClaimSet, that: NameClaim.ClaimSet) => assert.isTrue(NameClaim.equals(self, that))
const covers = (self: NameClaim.ClaimSet, that: NameClaim.ClaimSet) => same(NameClaim.merge(self, that), self)

/** Time that passes as soon as somebody waits, for writers that pause between their tries. */
const hastyClock = (): Clock.Clock => {
  let now = SIGNED_AT_MS
  return {
    currentTimeMillisUnsafe: () => now,
    currentTimeMillis: Effect.sync(() => now),
    monotonicTimeNanosUnsafe: () => BigInt(now) * 1_000_000n,
    monotonicTimeNanos: Effect.sync(() => BigInt(now) * 1_000_000n),
    currentTimeNanosUnsafe: () => BigInt(now) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(now) * 1_000_000n),
    sleep: (duration) =>
      Effect.andThen(
        Effect.sync(() => {
          now += Math.ceil(Duration.toMillis(duration))
        }),
        Effect.yieldNow
      )
  }
}

/** A host whose DHT `change` may make worse, and who keeps its stores between calls. */
const hostOn = (network: DhtMemory.Network, change: (dht: Dht["Service"]) => Dht["Service"] = (dht) => dht) => {
  const context = Effect.runSync(Effect.scoped(Layer.build(Fixtures.host(network))))
  const changed = Context.add(context, Dht, change(Context.get(context, Dht)))
  const clock = hastyClock()
  return {
    read: () => Effect.runPromise(Effect.provideContext(NameIndex.read(NAME), changed)),
    write: <A, E>(work: Effect.Effect<A, E, Fixtures.Host>) =>
      Effect.runPromiseExit(work.pipe(Effect.provideContext(changed), Effect.provideService(Clock.Clock, clock)))
  }
}

const mendBy = async (host: ReturnType<typeof hostOn>) =>
  assert.isTrue(Exit.isSuccess(await host.write(NameIndex.mend(NAME))))

const readIn = (network: DhtMemory.Network) => hostOn(network).read()

const contentsOf = ({ pages, value }: NameIndexRecord.Made): NameClaim.ClaimSet => {
  const network = DhtMemory.make()
  putPages(network, pages)
  const reading = NameIndexRecord.contents(value).pipe(Effect.provide(Fixtures.host(network)))
  const { claims, missing } = Effect.runSync(reading)
  assert.deepStrictEqual(missing, [])
  return setOf(claims)
}

const dictionaryOf = (value: Uint8Array): Bencode.Dictionary => {
  const decoded = Bencode.decode(value)
  if (decoded._tag === "Failure") throw decoded.failure
  return decoded.success as Bencode.Dictionary
}

describe("the record of a name", () => {
  it("reading what was made of a claim set gives that set, with a tree and without", () => {
    fc.assert(
      fc.property(claims, (all) => {
        const made = NameIndexRecord.make(setOf(all))
        same(contentsOf(made), setOf(all))
        for (const bytes of [made.value, ...made.pages]) assert.isAtMost(bytes.length, Record.VALUE_MAX_BYTES)
      }),
      runsUpTo(120)
    )
  })

  it("record and pages are a function of the claim set, not of the order or number of its claims", () => {
    fc.assert(
      fc.property(
        claims.chain((all) =>
          fc.tuple(fc.constant(all), fc.shuffledSubarray([...all, ...all], { minLength: 2 * all.length }))
        ),
        ([all, shuffled]) =>
          assert.deepStrictEqual(NameIndexRecord.make(setOf(all)), NameIndexRecord.make(setOf(shuffled)))
      ),
      runs
    )
  })

  it("merging commutes with writing and reading: whoever merges, and where, comes to the same record", () => {
    fc.assert(
      fc.property(claims, claims, (a, b) => {
        const read = (all: ReadonlyArray<NameClaim.NameClaim>) => contentsOf(NameIndexRecord.make(setOf(all)))
        const merged = NameClaim.merge(read(a), read(b))
        assert.deepStrictEqual(NameIndexRecord.make(merged), NameIndexRecord.make(setOf([...b, ...a])))
      }),
      runsUpTo(250)
    )
  })

  it("no value hides the valid claims in it, and none makes reading fail", async () => {
    const wire = (claim: NameClaim.NameClaim): Bencode.Value => dictionaryOf(NameClaim.encode(claim))
    const withField = (claim: NameClaim.NameClaim, field: string, value: Bencode.Value): Bencode.Value => ({
      ...dictionaryOf(NameClaim.encode(claim)),
      [field]: value
    })
    const junk: fc.Arbitrary<Bencode.Value> = fc.letrec<{ value: Bencode.Value }>((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.maxSafeNat(),
        fc.uint8Array({ maxLength: 40 }),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom("k", "lv", "fs", "t", "s", "e", "h"), tie("value"), { noNullPrototype: true })
      )
    })).value
    const spoilt = fc
      .tuple(fc.constantFrom(...pool), fc.constantFrom("k", "lv", "fs", "t", "s"), junk)
      .map(([claim, field, value]) => withField(claim, field, value))
    await fc.assert(
      fc.asyncProperty(
        claimsUpTo(2),
        fc.array(fc.oneof(junk, spoilt), { maxLength: 3 }),
        fc.oneof(junk, fc.uint8Array({ minLength: 20, maxLength: 20 })),
        fc.boolean(),
        fc.nat(),
        async (valid, others, root, isBare, at) => {
          const c = [...valid.map(wire), ...others]
          c.push(...c.splice(0, at % (c.length + 1)))
          const value = Bencode.encode(isBare ? { c } : { a: root, c, k: root, r: root })
          fc.pre(value.length <= Record.VALUE_MAX_BYTES)
          const network = DhtMemory.make()
          await Effect.runPromise(Fixtures.overwriteName(network, "a", 1, value))
          const { inNetwork } = await readIn(network)
          covers(inNetwork, setOf(valid))
          for (const claim of inNetwork.values()) {
            assert.isTrue(pool.some((each) => NameClaim.compare(each, claim) === 0))
          }
        }
      ),
      runsUpTo(250)
    )
  })

  it("entries and pages of a tree that are not right hide no claim on the other pages", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(pool, { minLength: 20, maxLength: 80 }),
        fc.uniqueArray(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 20, selector: Hex.encode }),
        fc.array(fc.nat(), { maxLength: 2 }),
        async (all, strange, damaged) => {
          const set = setOf(all)
          const entries = [...set.values()].map((claim) => {
            const { k: _, ...rest } = dictionaryOf(NameClaim.encode(claim))
            return { key: claim.k as Uint8Array, value: Bencode.encode(rest), claim }
          })
          const strangers = strange.map((key) => ({ key, value: key, claim: undefined }))
          const sorted = [...entries, ...strangers].toSorted((a, b) => (Hex.encode(a.key) < Hex.encode(b.key) ? -1 : 1))
          const { pages, root } = Tree.build(sorted)
          const network = DhtMemory.make()
          putPages(network, pages)
          const lost = new Set(damaged.map((i) => pages[i % pages.length]!))
          for (const page of lost)
            network.immutable.set(Hex.encode(Record.immutableTargetOf(page)), text("d1:ele1:hi0ee"))
          await Effect.runPromise(Fixtures.overwriteName(network, "a", 1, Bencode.encode({ c: [], k: 7, r: root })))
          const { inNetwork, missing } = await readIn(network)
          // A claim can be read where no page between it and the root is lost: its value stands in one leaf only.
          const inner = pages.filter((page) => dictionaryOf(page)["h"] !== 0)
          if (inner.some((page) => lost.has(page))) return assert.isAtLeast(missing.length, 1)
          const lostText = [...lost].map((page) => Hex.encode(page)).join(" ")
          covers(inNetwork, setOf([...set.values()].filter(({ s }) => !lostText.includes(Hex.encode(s)))))
        }
      ),
      runsUpTo(100)
    )
  })
})

/** What any third party can do to the shared record, with no key but the name's. */
type Attack = (network: DhtMemory.Network, known: ReadonlyArray<NameClaim.NameClaim>) => Effect.Effect<unknown>

const seqIn = (network: DhtMemory.Network): number => [...network.items.values()][0]?.seq ?? 0
const overwrite =
  (value: Uint8Array): Attack =>
  (network) =>
    Effect.orDie(Fixtures.overwriteName(network, "a", seqIn(network) + 1, value))

const attack: fc.Arbitrary<Attack> = fc.oneof(
  fc.uint8Array({ maxLength: 100 }).map(overwrite),
  fc
    .constantFrom("d1:cle1:ki0ee", `d1:cle1:ki9e1:r20:${"r".repeat(20)}e`, "d1:ci0e1:r0:e")
    .map((value) => overwrite(text(value))),
  // Some of the claims and somebody else's, whole and well-formed.
  few.map(
    (others): Attack =>
      (network, known) =>
        Effect.orDie(publish(network, [...known.slice(known.length / 2), ...others], seqIn(network) + 1))
  ),
  // The right root, and nothing under it.
  fc.constant<Attack>((network, known) =>
    Effect.andThen(
      overwrite(NameIndexRecord.make(setOf(known)).value)(network, known),
      Effect.sync(() => network.immutable.clear())
    )
  ),
  // Gone after a day without anybody who puts it again.
  fc.constant<Attack>((network) =>
    Effect.sync(() => {
      network.items.clear()
      network.immutable.clear()
    })
  )
)

describe("a name that somebody overwrites", () => {
  it("one mend by any holder brings back every claim that it knows, whatever was put in their place", async () => {
    await fc.assert(
      fc.asyncProperty(claimsUpTo(30), fc.array(attack, { minLength: 1, maxLength: 3 }), async (known, attacks) => {
        const network = DhtMemory.make()
        const holder = hostOn(network)
        await Effect.runPromise(publish(network, known, 1))
        await holder.read()
        for (const each of attacks) await Effect.runPromise(each(network, known))
        await mendBy(holder)
        covers((await readIn(network)).inNetwork, setOf(known))
        const before = seqIn(network)
        await mendBy(holder)
        assert.strictEqual(seqIn(network), before, "and a second mend writes nothing")
      }),
      runsUpTo(50)
    )
  })

  it("what a reader knows only grows, whatever it reads", async () => {
    const step = fc.oneof(
      attack,
      few.map(
        (some): Attack =>
          (network) =>
            Effect.orDie(publish(network, some, seqIn(network) + 1))
      )
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        const network = DhtMemory.make()
        const reader = hostOn(network)
        let before = NameClaim.empty
        for (const each of steps) {
          await Effect.runPromise(each(network, [...before.values()]))
          const { claims: after, inNetwork } = await reader.read()
          covers(after, before)
          covers(after, inNetwork)
          before = after
        }
      }),
      runsUpTo(50)
    )
  })

  it("a claim is found by the second carrier although the shared record is used up for good", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(claimsUpTo(12), { minLength: 1, maxLength: 3 }),
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }),
        fc.uint8Array({ maxLength: 60 }),
        async (held, garbage, value) => {
          const network = DhtMemory.make()
          const scenario = Effect.gen(function* () {
            const topics = Fixtures.topicsOf(network)
            yield* TopicPeersMemory.place(topics, TOPIC, Effect.succeed({ claims: garbage, records: garbage }))
            for (const [i, some] of held.entries()) {
              const publisher = yield* Fixtures.join(network)
              yield* publish(network, some, i + 1)
              yield* publisher(NameIndex.read(NAME))
              yield* publisher(NameIndex.serve(NAME))
            }
            yield* Fixtures.overwriteName(network, "a", Record.SEQ_MAX, value)
            const late = yield* Fixtures.join(network)
            assert.isTrue(Exit.isFailure(yield* Effect.exit(late(NameIndex.join(NAME, () => pool[0]!)))))
            yield* late(NameIndex.serve(NAME))
            const user = yield* Fixtures.join(network)
            return yield* user(NameIndex.read(NAME))
          })
          const found = await Effect.runPromise(Effect.scoped(scenario))
          same(found.claims, setOf([...held.flat(), pool[0]!]))
        }
      ),
      runsUpTo(50)
    )
  })
})

describe("publishers who write at the same time", () => {
  /** A node that keeps no order: it takes what comes last, and knows no compare-and-swap. */
  const careless =
    (network: DhtMemory.Network) =>
    (dht: Dht["Service"]): Dht["Service"] => ({
      ...dht,
      put: (record) =>
        Effect.sync(() => {
          const target = Record.targetOf(record.publicKey, record.salt)
          const stored = network.items.get(Hex.encode(target))
          if (stored === undefined || record.seq >= stored.seq) network.items.set(Hex.encode(target), record)
          return { target, acks: 1, networks: 1, asked: 1, stored: ["10.0.0.1:6881"], refused: [], silent: [] }
        })
    })

  /** Lets the scheduler decide whose turn it is before each operation. */
  const inTurns =
    (scheduler: fc.Scheduler) =>
    (dht: Dht["Service"]): Dht["Service"] => {
      const turn = Effect.promise(() => scheduler.schedule(Promise.resolve()))
      return {
        ...dht,
        lookup: (...args) => Effect.andThen(turn, dht.lookup(...args)),
        getImmutable: (...args) => Effect.andThen(turn, dht.getImmutable(...args)),
        put: (...args) => Effect.andThen(turn, dht.put(...args)),
        putImmutable: (...args) => Effect.andThen(turn, dht.putImmutable(...args))
      }
    }

  it("no interleaving loses a claim for good: it is there after each has mended once", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.boolean(),
        claimsUpTo(8),
        fc.array(fc.shuffledSubarray(pool, { minLength: 1, maxLength: 2 }), { minLength: 2, maxLength: 3 }),
        async (scheduler, isCareless, before, written) => {
          const network = DhtMemory.make()
          await Effect.runPromise(publish(network, before, 1))
          const writers = written.map((own) => ({
            own,
            host: hostOn(network, (dht) => inTurns(scheduler)(isCareless ? careless(network)(dht) : dht))
          }))
          const racing = Promise.all(
            writers.map(({ host, own }) =>
              host.write(Effect.forEach(own, (claim) => Effect.exit(NameIndex.join(NAME, () => claim))))
            )
          )
          await scheduler.waitFor(racing)
          for (const exit of await racing) assert.isTrue(Exit.isSuccess(exit))
          for (const { host } of writers) await scheduler.waitFor(mendBy(host))
          const { claims: found, inNetwork } = await readIn(network)
          same(found, inNetwork)
          covers(inNetwork, setOf(written.flat()))
          if (!isCareless) covers(inNetwork, setOf(before))
        }
      ),
      runsUpTo(50)
    )
  })
})
