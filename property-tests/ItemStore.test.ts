/** The laws of the store of others' items, whatever is done to it in whatever order. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { LIFETIME_MS } from "../src/runtime/dht/items/ItemStore.ts"
import { targetOf } from "../src/runtime/dht/items/StoredItem.ts"
import { brokenCaps, immutable, storeOf, TestTime } from "../test/runtime/dht/items/Items.ts"
import { runs, runsUpTo } from "./Runs.ts"

const ITEMS_MAX = 12
const BYTES_MAX = 600
const LABELS = 40

const label = fc.integer({ min: 0, max: LABELS - 1 })
const itemOf = (n: number) => immutable(`item ${n}`, 8 + ((n * 7) % 60))
const peer = fc
  .tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 }))
  .map(([network, host, port]) => (network === 5 ? `127.0.0.1:${host}${port}` : `20.0.${network}.${host}:${port}`))

const step = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("put" as const), n: label, peer }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("refresh" as const), n: label, peer }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("pin" as const), n: label }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("unpin" as const), n: label }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: LIFETIME_MS }) })
  }
)

describe("ItemStore", () => {
  it("whatever is put, the store stays within its caps and never drops a pinned item", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.boolean(), (steps, isRecorded) => {
        const time = new TestTime()
        const store = storeOf({ itemsMax: ITEMS_MAX, bytesMax: BYTES_MAX, ownId: new Uint8Array(20) }, time)
        if (isRecorded) store.record()
        const pinned = new Set<number>()
        const own = new Set<number>()
        for (const each of steps) {
          switch (each.kind) {
            case "put": {
              const isKept = store.put(itemOf(each.n), each.peer)
              if (isKept && pinned.has(each.n)) own.add(each.n)
              break
            }
            case "refresh":
              store.refresh(targetOf(itemOf(each.n)), each.peer)
              break
            case "pin":
              if (!store.pin(targetOf(itemOf(each.n)))) break
              pinned.add(each.n)
              if (store.get(targetOf(itemOf(each.n))) !== undefined) own.add(each.n)
              break
            case "unpin":
              store.unpin(targetOf(itemOf(each.n)))
              pinned.delete(each.n)
              own.delete(each.n)
              break
            case "pass":
              time.pass(each.ms)
          }
          assert.deepStrictEqual(brokenCaps(store, ITEMS_MAX, BYTES_MAX), [])
          for (const n of own) assert.isDefined(store.get(targetOf(itemOf(n))))
          const bytes = [...store.entries()].reduce((sum, { item }) => sum + item.value.length, 0)
          assert.isAtMost(bytes, store.bytes)
        }
      }),
      runs
    )
  })

  it("what an archive is told adds up to what the store holds", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(step, fc.constantFrom("not yet", "fails", "written")), { maxLength: 200 }),
        (steps) => {
          const time = new TestTime()
          const store = storeOf({ itemsMax: ITEMS_MAX, bytesMax: BYTES_MAX }, time)
          store.record()
          const archive = new Map<string, number>()
          const write = () => {
            const { gone, kept } = store.changes(Number.POSITIVE_INFINITY)
            for (const target of gone) archive.delete(target)
            for (const { putAt, target } of kept) archive.set(target, putAt)
          }
          for (const [each, written] of steps) {
            if (each.kind === "put") store.put(itemOf(each.n), each.peer)
            if (each.kind === "refresh") store.refresh(targetOf(itemOf(each.n)), each.peer)
            if (each.kind === "pin") store.pin(targetOf(itemOf(each.n)))
            if (each.kind === "unpin") store.unpin(targetOf(itemOf(each.n)))
            if (each.kind === "pass") time.pass(each.ms)
            if (written === "written") write()
            if (written === "fails") {
              store.changes(5)
              store.retry()
            }
          }
          write()
          assert.deepStrictEqual(archive, new Map(Array.from(store.entries(), ({ putAt, target }) => [target, putAt])))
        }
      ),
      runs
    )
  })

  it("whoever holds less than an even share of the room loses nothing to a flood", () => {
    const networks = 8
    fc.assert(
      fc.property(fc.integer({ min: 1, max: networks - 1 }), fc.integer({ min: 1, max: 8 }), (honest, each) => {
        const store = storeOf({ itemsMax: 64, ownId: new Uint8Array(20) })
        const items = Array.from({ length: honest * each }, (_, i) => immutable(`honest ${i}`))
        for (const [i, item] of items.entries()) store.put(item, `20.0.${i % honest}.1:1`)
        for (let i = 0; i < 500; i++) store.put(immutable(`flood ${i}`), `66.0.${i % (networks - honest)}.1:1`)
        assert.isTrue(items.every((item) => store.get(targetOf(item)) !== undefined))
      }),
      runsUpTo(100)
    )
  })
})
