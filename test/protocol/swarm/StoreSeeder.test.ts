/** A seeder that stays: what comes into the store and what leaves it, while it runs. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { type Content, StorageFailed } from "../../../src/protocol/swarm/Content.ts"
import { ContentDamaged } from "../../../src/protocol/swarm/SwarmError.ts"
import { PackageStore, type StoredRelease } from "../../../src/protocol/swarm/PackageStore.ts"
import * as StoreSeeder from "../../../src/protocol/swarm/StoreSeeder.ts"
import { type SeedOptions, Swarm } from "../../../src/protocol/swarm/Swarm.ts"
import * as Testing from "../../../src/protocol/testing/index.ts"
import { sample } from "./PackageStoreSuite.ts"

interface Offered {
  readonly content: Content
  readonly options: SeedOptions | undefined
}

/** A swarm that offers to nobody, and remembers what; a store in memory. */
const world = Effect.gen(function* () {
  const offered = new Map<string, Offered>()
  const host = yield* Layer.build(Testing.layer)
  const seed: Swarm["Service"]["seed"] = (torrent, content, options) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => offered.set(torrent.name, { content, options })),
        () => Effect.sync(() => offered.delete(torrent.name))
      )
    )
  const real = yield* Effect.provideContext(Swarm, host)
  const does = <A, E>(work: Effect.Effect<A, E, Layer.Success<typeof Testing.layer> | Scope.Scope>) =>
    work.pipe(Effect.provideService(Swarm, Swarm.of({ ...real, seed })), Effect.provideContext(host))
  const keep = ({ bytes, stored }: ReturnType<typeof sample>) =>
    does(
      Effect.gen(function* () {
        const store = yield* PackageStore
        yield* Effect.scoped(Effect.flatMap(store.stage(stored.torrent), (staged) => staged.write(0, bytes)))
        yield* store.commit(stored)
      })
    )
  const remove = (stored: StoredRelease) => does(Effect.flatMap(PackageStore, (store) => store.remove(stored)))
  return { offered, does, keep, remove }
})

const a = sample("a", "1.0.0", 3)
const b = sample("b", "1.0.0", 5)

const unreadable = new StorageFailed({ location: "memory", operation: "open", problem: "EACCES" })

const namesOf = (releases: ReadonlyArray<StoredRelease>) => releases.map(({ release }) => release.n).toSorted()

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () => Effect.scoped(body))

describe("StoreSeeder", () => {
  test(
    "serves what is there, what comes later, and no longer what is removed",
    Effect.gen(function* () {
      const { does, keep, offered, remove } = yield* world
      yield* keep(a)
      const seeder = yield* does(StoreSeeder.make())
      assert.deepStrictEqual(namesOf((yield* does(seeder.look)).added), ["a"])
      assert.deepStrictEqual([...offered.keys()], ["a-1.0.0"])
      assert.strictEqual(offered.get("a-1.0.0")?.options?.announce, "scheduled")
      const changes: Array<StoreSeeder.Change> = []
      yield* Effect.forkScoped(does(seeder.follow((change) => Effect.sync(() => void changes.push(change)))))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(changes, [])
      yield* keep(b)
      yield* TestClock.adjust(StoreSeeder.FOLLOW_INTERVAL)
      assert.deepStrictEqual(
        changes.map(({ added }) => namesOf(added)),
        [["b"]]
      )
      yield* remove(a.stored)
      yield* TestClock.adjust(StoreSeeder.FOLLOW_INTERVAL)
      assert.deepStrictEqual(
        changes.map(({ removed }) => namesOf(removed)),
        [[], ["a"]]
      )
      assert.deepStrictEqual([...offered.keys()], ["b-1.0.0"])
    })
  )

  test(
    "ends what it serves with its scope",
    Effect.gen(function* () {
      const { does, keep, offered } = yield* world
      yield* keep(a)
      yield* Effect.scoped(does(Effect.flatMap(StoreSeeder.make(), ({ look }) => look)))
      assert.strictEqual(offered.size, 0)
    })
  )

  test(
    "has nothing to repair in what was removed, or is as it should be",
    Effect.gen(function* () {
      const { does, keep, offered, remove } = yield* world
      yield* keep(a)
      const seeder = yield* does(StoreSeeder.make())
      yield* does(seeder.look)
      const onDamage = offered.get("a-1.0.0")!.options!.onDamage!
      const damaged = onDamage(new ContentDamaged({ infohash: "", piece: 0 }))
      yield* remove(a.stored)
      assert.isFalse(yield* damaged)
      assert.isFalse(seeder.isServed(a.stored))
      assert.strictEqual(offered.size, 0)
    })
  )

  test(
    "tells once of what cannot be served, and serves it when it can",
    Effect.gen(function* () {
      const { does, keep, offered } = yield* world
      yield* keep(a)
      yield* keep(b)
      const store = yield* does(Effect.map(PackageStore, (it) => it))
      let fails = true
      const broken = PackageStore.of({
        ...store,
        open: (stored) => (fails && `${stored.release.n}` === "a" ? Effect.fail(unreadable) : store.open(stored))
      })
      const withBroken = <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.provideService(work, PackageStore, broken)
      const seeder = yield* does(withBroken(StoreSeeder.make()))
      const first = yield* does(withBroken(seeder.look))
      assert.deepStrictEqual(namesOf(first.added), ["b"])
      assert.deepStrictEqual(
        first.failures.map(({ release }) => String(release?.release.n)),
        ["a"]
      )
      assert.deepStrictEqual((yield* does(withBroken(seeder.look))).failures, [])
      fails = false
      assert.deepStrictEqual(namesOf((yield* does(withBroken(seeder.look))).added), ["a"])
      assert.strictEqual(offered.size, 2)
    })
  )
})
