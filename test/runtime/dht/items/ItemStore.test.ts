import { assert, describe, it } from "@effect/vitest"
import { BYTES_MAX, ITEMS_MAX, LIFETIME_MS } from "../../../../src/runtime/dht/items/ItemStore.ts"
import { bytesOf, targetOf } from "../../../../src/runtime/dht/items/StoredItem.ts"
import { sha1, text, verify } from "../LiveNode.ts"
import { brokenCaps, HOUR_MS, immutable, mutable, pairOf, storeOf, TestTime } from "./Items.ts"

const PEER = "198.51.7.1:6881"

/** A sender in the /24 of that number. */
const inNetwork = (network: number, host = 1): string => `20.${network >> 8}.${network & 255}.${host}:6881`

describe("ItemStore", () => {
  it("gives back what was put, in bytes of its own", () => {
    const store = storeOf()
    const datagram = Buffer.from("5:value and the rest of a datagram")
    const item = { value: datagram.subarray(0, 7), mutable: undefined }
    assert.isTrue(store.put(item, PEER))
    datagram.fill(0)
    const kept = store.get(Buffer.from(sha1(text("5:value"))).toString("hex"))
    assert.deepStrictEqual(kept?.value, text("5:value"))
    assert.isUndefined(kept?.mutable)
    assert.strictEqual(kept?.value.buffer.byteLength, 7)
  })

  it("gives back every part of a mutable item", () => {
    const store = storeOf()
    for (const salt of ["", "salt", "s".repeat(64)]) {
      const item = mutable({ salt, seq: 2 ** 53 - 1, v: { a: 1, list: [text("x")] } })
      store.put(item, PEER)
      const kept = store.get(targetOf(item))
      assert.deepStrictEqual(kept?.value, new Uint8Array(item.value))
      assert.deepStrictEqual({ ...kept?.mutable }, { ...item.mutable, salt: text(salt) })
    }
  })

  it("forgets an item two hours after its last put", () => {
    const time = new TestTime()
    const store = storeOf({}, time)
    const target = targetOf(immutable("a"))
    store.put(immutable("a"), PEER)
    time.pass(LIFETIME_MS - 1)
    assert.isDefined(store.get(target))
    store.refresh(target, PEER)
    time.pass(LIFETIME_MS - 1)
    assert.isDefined(store.get(target))
    time.pass(1)
    assert.isUndefined(store.get(target))
    assert.strictEqual(store.size, 0)
    assert.strictEqual(store.bytes, 0)
    assert.strictEqual(store.counters().get("expired"), 1)
  })

  it("makes room with the next put for all that has expired", () => {
    const time = new TestTime()
    const store = storeOf({}, time)
    for (let i = 0; i < 100; i++) store.put(immutable(`old ${i}`), PEER)
    time.pass(LIFETIME_MS)
    store.put(immutable("new"), PEER)
    assert.strictEqual(store.size, 1)
    assert.deepStrictEqual([...store.entries()].length, 1)
  })

  it("neither expires nor evicts what is pinned, before or after it came", () => {
    const time = new TestTime()
    const store = storeOf({ itemsMax: 10 }, time)
    const [early, late] = [immutable("early"), mutable()]
    store.put(early, PEER)
    assert.isTrue(store.pin(targetOf(early)))
    assert.isTrue(store.pin(targetOf(late)))
    store.put(late, PEER)
    time.pass(100 * LIFETIME_MS)
    for (let i = 0; i < 1_000; i++) store.put(immutable(`flood ${i}`), inNetwork(i))
    assert.isDefined(store.get(targetOf(early)))
    assert.isDefined(store.get(targetOf(late)))
    assert.strictEqual(store.size, 10)
  })

  it("treats what is no longer pinned as put just now", () => {
    const time = new TestTime()
    const store = storeOf({}, time)
    const target = targetOf(immutable("own"))
    store.pin(target)
    store.put(immutable("own"), PEER)
    time.pass(10 * LIFETIME_MS)
    store.unpin(target)
    assert.isDefined(store.get(target))
    time.pass(LIFETIME_MS)
    assert.isUndefined(store.get(target))
    assert.strictEqual(store.size, 0)
  })

  it("takes as many pins as it takes items, and refuses strangers' items where all room is pinned", () => {
    const store = storeOf({ itemsMax: 3 })
    const own = [1, 2, 3].map((i) => immutable(`own ${i}`))
    for (const item of own) assert.isTrue(store.pin(targetOf(item)))
    assert.isFalse(store.pin(targetOf(immutable("own 4"))))
    for (const item of own) assert.isTrue(store.put(item, PEER))
    assert.isFalse(store.put(immutable("stranger"), PEER))
    assert.strictEqual(store.counters().get("refused-full"), 1)
    assert.strictEqual(store.size, 3)
  })

  it("keeps to its bytes, pinned or not", () => {
    const store = storeOf({ bytesMax: 1_000 })
    for (let i = 0; i < 50; i++) store.put(immutable(`${i}`, 100), inNetwork(i))
    assert.deepStrictEqual(brokenCaps(store, 50, 1_000), [])
    assert.isAtLeast(store.size, 9)
    const own = Array.from({ length: 20 }, (_, i) => immutable(`own ${i}`, 100))
    for (const item of own) store.pin(targetOf(item))
    const taken = own.filter((item) => store.put(item, PEER))
    assert.strictEqual(taken.length, 9)
    assert.deepStrictEqual(brokenCaps(store, 50, 1_000), [])
  })

  it("keeps count while its clock goes on between two looks at it", () => {
    let ms = 0
    const store = storeOf({ now: () => ms++, lifetimeMs: 25, itemsMax: 5 })
    for (let i = 0; i < 2_000; i++) {
      store.put(immutable(`${i % 7}`, 20 + (i % 7)), inNetwork(i % 3))
      if (i % 5 === 0) store.refresh(targetOf(immutable(`${i % 7}`, 20 + (i % 7))), inNetwork(1))
      assert.isAtMost(store.size, 5)
      assert.isAtLeast(store.bytes, store.size * 23)
      assert.isAtMost(store.bytes, store.size * 29)
    }
  })

  it("has room for the largest items there are up to its number", () => {
    assert.isAtLeast(BYTES_MAX, ITEMS_MAX * bytesOf(mutable({ salt: "s".repeat(64), v: new Uint8Array(996) })))
  })

  it("replaces what is at a target, and counts its bytes once", () => {
    const store = storeOf()
    store.put(mutable({ seq: 1, v: new Uint8Array(500) }), PEER)
    const next = mutable({ seq: 2, v: new Uint8Array(10) })
    store.put(next, PEER)
    assert.strictEqual(store.size, 1)
    assert.strictEqual(store.bytes, bytesOf(next))
    assert.strictEqual(store.get(targetOf(next))?.mutable?.seq, 2)
  })
})

describe("ItemStore under a flood", () => {
  it("lets one sender turn over his own share only: every item of others lives", () => {
    const store = storeOf()
    const honest = Array.from({ length: 2_000 }, (_, i) => immutable(`honest ${i}`))
    for (const [i, item] of honest.entries()) store.put(item, inNetwork(i % 100))
    for (let i = 0; i < 100_000; i++) store.put(immutable(`flood ${i}`), "66.6.6.6:666")
    assert.isTrue(honest.every((item) => store.get(targetOf(item)) !== undefined))
    assert.strictEqual(store.size, 2_000 + ITEMS_MAX / 2)
    assert.deepStrictEqual(brokenCaps(store, ITEMS_MAX, BYTES_MAX), [])
  })

  it("counts a /24 as one, whatever address in it sends", () => {
    const store = storeOf({ itemsMax: 1_000 })
    const honest = Array.from({ length: 200 }, (_, i) => immutable(`honest ${i}`))
    for (const item of honest) store.put(item, inNetwork(1))
    for (let i = 0; i < 20_000; i++) store.put(immutable(`flood ${i}`), `66.6.6.${i % 256}:${1_024 + (i % 60_000)}`)
    assert.isTrue(honest.every((item) => store.get(targetOf(item)) !== undefined))
  })

  it("lets a neighbour in the flooder's own /24 keep what he has, up to an even share", () => {
    const store = storeOf({ itemsMax: 1_000 })
    const honest = Array.from({ length: 100 }, (_, i) => immutable(`honest ${i}`))
    for (const item of honest) store.put(item, "66.6.6.1:6881")
    for (let i = 0; i < 20_000; i++) store.put(immutable(`flood ${i}`), "66.6.6.6:666")
    assert.isTrue(honest.every((item) => store.get(targetOf(item)) !== undefined))
    assert.strictEqual(store.size, 500)
  })

  it("from n networks, leaves everybody an even share of the room", () => {
    const store = storeOf()
    // 20 publishers with 30 items each; (10,000 − 600) / 256 networks leave 36 items to each.
    const honest = Array.from({ length: 600 }, (_, i) => immutable(`honest ${i}`))
    for (const [i, item] of honest.entries()) store.put(item, inNetwork(i % 20))
    for (let i = 0; i < 100_000; i++) store.put(immutable(`flood ${i}`), `66.6.${i % 256}.6:666`)
    assert.isTrue(honest.every((item) => store.get(targetOf(item)) !== undefined))
    assert.strictEqual(store.size, ITEMS_MAX)
  })

  it("from more networks than it has room for, keeps the items that are near its own id", () => {
    const ownId = sha1(text("own"))
    const store = storeOf({ itemsMax: 1_000, ownId })
    const near = Array.from({ length: 50 }, (_, n) => {
      for (let i = 0; ; i++) {
        const item = immutable(`near ${n} ${i}`)
        if (targetOf(item).startsWith(Buffer.from(ownId).toString("hex").slice(0, 2))) return item
      }
    })
    for (const [i, item] of near.entries()) store.put(item, inNetwork(i))
    for (let i = 0; i < 20_000; i++) store.put(immutable(`flood ${i}`), inNetwork(1_000 + i))
    const left = near.filter((item) => store.get(targetOf(item)) !== undefined)
    assert.isAtLeast(left.length, 45)
  })

  it("charges an item to the less greedy of those who put it, so that a flooder cannot drag others' down", () => {
    const store = storeOf({ itemsMax: 100 })
    const honest = Array.from({ length: 20 }, (_, i) => immutable(`honest ${i}`))
    for (const item of honest) store.put(item, inNetwork(1))
    for (let i = 0; i < 1_000; i++) {
      store.put(immutable(`flood ${i}`), "66.6.6.6:666")
      for (const item of honest) store.refresh(targetOf(item), "66.6.6.6:666")
    }
    assert.isTrue(honest.every((item) => store.get(targetOf(item)) !== undefined))
  })

  it("takes back into the honest share what a flooder put first", () => {
    const store = storeOf({ itemsMax: 100 })
    const item = immutable("popular")
    for (let i = 0; i < 50; i++) store.put(immutable(`flood ${i}`), "66.6.6.6:666")
    store.put(item, "66.6.6.6:666")
    store.refresh(targetOf(item), inNetwork(1))
    for (let i = 50; i < 1_000; i++) store.put(immutable(`flood ${i}`), "66.6.6.6:666")
    assert.isDefined(store.get(targetOf(item)))
  })

  it("tells senders on one machine apart by their ports", () => {
    const store = storeOf({ itemsMax: 1_000 })
    const honest = Array.from({ length: 300 }, (_, i) => immutable(`honest ${i}`))
    for (const item of honest) store.put(item, "127.0.0.1:4000")
    for (let i = 0; i < 20_000; i++) store.put(immutable(`flood ${i}`), "127.0.0.1:5000")
    assert.isTrue(honest.every((item) => store.get(targetOf(item)) !== undefined))
  })
})

describe("ItemStore with an archive", () => {
  const all = (store: ReturnType<typeof storeOf>) => store.changes(Number.POSITIVE_INFINITY)

  it("tells each change once, as it stands", () => {
    const time = new TestTime()
    const store = storeOf({}, time)
    store.put(immutable("before"), PEER)
    store.record()
    store.put(mutable({ seq: 1 }), PEER)
    store.put(mutable({ seq: 2 }), PEER)
    store.put(immutable("gone"), PEER)
    const { gone, kept } = all(store)
    assert.isEmpty(gone)
    assert.deepStrictEqual(
      kept.map(({ item, putAt, sender }) => [item.mutable?.seq, putAt, sender]),
      [
        [undefined, time.ms, PEER],
        [2, time.ms, PEER],
        [undefined, time.ms, PEER]
      ]
    )
    assert.deepStrictEqual(all(store), { gone: [], kept: [] })
    time.pass(LIFETIME_MS)
    assert.sameMembers(
      [...all(store).gone],
      [targetOf(immutable("before")), targetOf(mutable()), targetOf(immutable("gone"))]
    )
  })

  it("tells again what could not be kept", () => {
    const store = storeOf()
    store.record()
    for (let i = 0; i < 10; i++) store.put(immutable(`${i}`), PEER)
    const first = store.changes(4)
    assert.strictEqual(first.kept.length, 4)
    store.retry()
    assert.strictEqual(all(store).kept.length, 10)
  })

  it("says nothing of what came and went between two writes, and remembers no more than it may hold", () => {
    const itemsMax = 100
    const time = new TestTime()
    const store = storeOf({ itemsMax }, time)
    store.record()
    const archive = new Set<string>()
    const write = (isFailing: boolean) => {
      const { gone, kept } = store.changes(50)
      if (isFailing) return store.retry()
      for (const target of gone) assert.isTrue(archive.delete(target), "it was never there")
      for (const { target } of kept) archive.add(target)
    }
    const flood = (label: string, isFailing: boolean) => {
      for (let i = 0; i < 5_000; i++) {
        store.put(immutable(`${label} ${i}`), `20.0.${i % 250}.1:1`)
        if (i % 40 === 0) write(isFailing)
        assert.isAtMost(archive.size, itemsMax)
      }
    }
    flood("at first", false)
    flood("while the disk is full", true)
    const { gone, kept } = all(store)
    assert.isAtMost(kept.length, itemsMax)
    assert.isAtMost(gone.length, itemsMax)
    store.retry()
    flood("afterwards", false)
    for (let i = 0; i < 10; i++) write(false)
    assert.sameMembers(
      [...archive],
      Array.from(store.entries(), ({ target }) => target)
    )
    time.pass(LIFETIME_MS)
    for (let i = 0; i < 3; i++) write(false)
    assert.isEmpty([...archive])
  })

  it("has the archive replace what is put while it is still being read", () => {
    const time = new TestTime()
    const store = storeOf({}, time)
    store.record()
    store.put(mutable({ seq: 2 }), PEER)
    const older = mutable({ seq: 1 })
    assert.isFalse(store.restore({ item: older, target: targetOf(older), putAt: time.ms, sender: PEER }))
    const { gone, kept } = all(store)
    assert.deepStrictEqual([gone, kept.map(({ item }) => item.mutable?.seq)], [[], [2]])
  })

  it("takes back what an archive kept, with its age and its sender", () => {
    const time = new TestTime()
    const [before, after] = [storeOf({}, time), storeOf({}, time)]
    before.put(mutable({ salt: "s" }), PEER)
    time.pass(HOUR_MS)
    before.put(immutable("young"), PEER)
    for (const archived of before.entries()) assert.isTrue(after.restore(archived))
    assert.deepStrictEqual([...after.entries()], [...before.entries()])
    assert.strictEqual(after.get(targetOf(mutable({ salt: "s" })))?.mutable?.seq, 1)
    time.pass(HOUR_MS)
    assert.isUndefined(after.get(targetOf(mutable({ salt: "s" }))))
    assert.isDefined(after.get(targetOf(immutable("young"))))
  })

  it("believes nothing of an archive: what is expired, unsound, misplaced or forged goes and is counted", () => {
    const time = new TestTime()
    const store = storeOf({}, time)
    store.record()
    const good = mutable({ salt: "good" })
    const [a, b] = [immutable("a"), immutable("b")]
    const forged = { ...mutable({ salt: "forged" }), value: text("5:other") }
    const parts = { putAt: time.ms, sender: PEER }
    assert.isFalse(store.restore({ ...parts, item: a, target: targetOf(a), putAt: time.ms - LIFETIME_MS }))
    assert.isFalse(store.restore({ ...parts, item: a, target: targetOf(b) }))
    for (const value of [text("5:abc"), text("i01e"), text("1:ab"), text("d1:bi1e1:ai1ee"), new Uint8Array(2_000)]) {
      const item = { value, mutable: undefined }
      assert.isFalse(store.restore({ ...parts, item, target: targetOf(item) }))
    }
    for (const seq of [-1, 1.5, 2 ** 53]) {
      const item = { ...good, mutable: { ...good.mutable!, seq } }
      assert.isFalse(store.restore({ ...parts, item, target: targetOf(item) }))
    }
    assert.isTrue(store.restore({ ...parts, item: forged, target: targetOf(forged) }))
    assert.isTrue(store.restore({ ...parts, item: good, target: targetOf(good), putAt: time.ms + 100 * LIFETIME_MS }))
    assert.isUndefined(store.get(targetOf(forged)))
    assert.isDefined(store.get(targetOf(good)))
    time.pass(LIFETIME_MS)
    assert.isUndefined(store.get(targetOf(good)))
    const { expired, forged: forgeries, restored, unsound } = Object.fromEntries(store.counters())
    assert.deepStrictEqual(
      { expired, forgeries, restored, unsound },
      { expired: 2, forgeries: 1, restored: 2, unsound: 9 }
    )
    assert.include([...all(store).gone], targetOf(forged))
  })

  it("checks the signature of an item of an archive once, when it is first asked for", () => {
    let checks = 0
    const store = storeOf({ verify: (...args) => (checks++, verify(...args)) })
    const item = mutable()
    store.restore({ item, target: targetOf(item), putAt: 1_700_000_000_000, sender: PEER })
    assert.strictEqual(checks, 0)
    for (let i = 0; i < 3; i++) assert.isDefined(store.get(targetOf(item)))
    assert.strictEqual(checks, 1)
  })

  it("keeps the number of a forged record out of the way of the true one", () => {
    const store = storeOf()
    const item = mutable({ seq: 1 })
    const forged = { ...item, mutable: { ...item.mutable!, seq: 9, publicKey: pairOf(1).publicKey } }
    store.restore({ item: forged, target: targetOf(forged), putAt: 1_700_000_000_000, sender: PEER })
    assert.isUndefined(store.get(targetOf(item)))
    assert.isTrue(store.put(item, PEER))
    assert.strictEqual(store.get(targetOf(item))?.mutable?.seq, 1)
  })
})
