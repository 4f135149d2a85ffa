import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { LIFETIME_MS } from "../../../../src/runtime/dht/items/ItemStore.ts"
import { type Archived, ArchiveUnavailable, type ItemArchive } from "../../../../src/runtime/dht/items/ItemArchive.ts"
import * as SqliteItems from "../../../../src/runtime/dht/items/SqliteItems.ts"
import * as StorageNode from "../../../../src/runtime/dht/items/StorageNode.ts"
import { type StoredItem, targetOf } from "../../../../src/runtime/dht/items/StoredItem.ts"
import { PEERS_MAX } from "../../../../src/protocol/dht/client/Krpc.ts"
import { UNFRAGMENTED_BYTES } from "../../../../src/runtime/dht/KrpcMessage.ts"
import { platform } from "../../TemporaryHome.ts"
import { asBytes, asDictionary, codeOf, LOOPBACK, loose, Raw, STRANGER_ID, Stranger, text } from "../LiveNode.ts"
import { immutable, mutable } from "./Items.ts"

const made = (options: Partial<StorageNode.Options> = {}) =>
  StorageNode.make({ host: LOOPBACK, port: 0, bootstrap: [], ...options })

const strangerOf = ({ port }: StorageNode.StorageNode) =>
  Effect.acquireRelease(
    Effect.promise(() => Stranger.bind(port)),
    (stranger) => Effect.promise(() => stranger.close())
  )

const put = (stranger: Stranger, token: Uint8Array, { mutable: signed, value }: StoredItem) =>
  Effect.promise(() =>
    stranger.ask("put", {
      token,
      v: new Raw(value),
      ...(signed === undefined ? {} : { k: signed.publicKey, seq: signed.seq, sig: signed.signature })
    })
  )

const get = (stranger: Stranger, item: StoredItem) =>
  Effect.map(
    Effect.promise(() => stranger.ask("get", { target: new Uint8Array(Buffer.from(targetOf(item), "hex")) })),
    (reply) => asDictionary(reply?.["r"])
  )

const tokenFor = (stranger: Stranger) => Effect.promise(() => stranger.token())

/** An archive in memory, whose disk fails while it is told to. */
class MemoryArchive implements ItemArchive {
  readonly rows = new Map<string, Archived>()
  isFailing = false
  writes = 0
  readonly load: ItemArchive["load"] = (since, take) =>
    Effect.suspend(() => {
      if (this.isFailing) return Effect.fail(new ArchiveUnavailable({ action: "read", problem: "EIO" }))
      for (const row of this.rows.values()) if (row.putAt > since) take(row)
      return Effect.succeed(0)
    })
  readonly write: ItemArchive["write"] = ({ gone, kept }) =>
    Effect.suspend(() => {
      this.writes++
      if (this.isFailing) return Effect.fail(new ArchiveUnavailable({ action: "written", problem: "ENOSPC" }))
      for (const target of gone) this.rows.delete(target)
      for (const row of kept) this.rows.set(row.target, row)
      return Effect.void
    })
}

describe("StorageNode", () => {
  it.effect("holds over UDP what strangers put, outside of the library", () =>
    Effect.gen(function* () {
      const node = yield* made()
      let seen = 0
      node.client.on("put", () => seen++).on("get", () => seen++)
      const stranger = yield* strangerOf(node)
      const token = yield* tokenFor(stranger)
      for (const item of [mutable(), immutable("plain"), mutable({ seedByte: 2, v: { a: [1, 2] } })]) {
        const reply = yield* put(stranger, token, item)
        assert.deepStrictEqual(asDictionary(reply?.["r"])["id"], new Uint8Array(node.client.nodeId))
        assert.property(yield* get(stranger, item), "v")
      }
      assert.strictEqual(codeOf(yield* put(stranger, text("invented"), mutable())), 203)
      assert.strictEqual(node.items.size, 3)
      assert.strictEqual(seen, 0)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("forgets what was not put for two hours, and gives tokens that end", () =>
    Effect.gen(function* () {
      const node = yield* made()
      const stranger = yield* strangerOf(node)
      const token = yield* tokenFor(stranger)
      yield* put(stranger, token, mutable())
      yield* TestClock.adjust(LIFETIME_MS)
      assert.notProperty(yield* get(stranger, mutable()), "v")
      assert.strictEqual(codeOf(yield* put(stranger, token, mutable())), 203)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("names its neighbours, itself under the id that it was given", () =>
    Effect.gen(function* () {
      const nodeId = new Uint8Array(20).fill(7)
      const node = yield* made({ nodeId })
      node.client.addNode({ host: LOOPBACK, port: 1_234, id: STRANGER_ID })
      const stranger = yield* strangerOf(node)
      const reply = yield* get(stranger, immutable("nothing"))
      assert.deepStrictEqual(reply["id"], nodeId)
      assert.deepStrictEqual(asBytes(reply["nodes"]), new Uint8Array([...STRANGER_ID, 127, 0, 0, 1, 4, 210]))
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("lives through a flood over UDP: caps hold, own and honest items stay", () =>
    Effect.gen(function* () {
      const node = yield* made({ itemsMax: 200 })
      const [honest, flooder] = [yield* strangerOf(node), yield* strangerOf(node)]
      const own = mutable({ seedByte: 9 })
      node.items.pin(targetOf(own))
      const others = Array.from({ length: 50 }, (_, i) => immutable(`honest ${i}`))
      const token = yield* tokenFor(honest)
      for (const item of [own, ...others]) yield* put(honest, token, item)
      const stolen = yield* tokenFor(flooder)
      for (let i = 0; i < 1_000; i++) yield* put(flooder, stolen, immutable(`flood ${i}`))
      assert.strictEqual(node.server.counters().get("put-stored"), 1_051)
      assert.isAtMost(node.items.size, 200)
      for (const item of [own, ...others]) assert.property(yield* get(honest, item), "v")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("names so many of many announced peers as one unfragmented datagram holds", () =>
    Effect.gen(function* () {
      const node = yield* made()
      const stranger = yield* strangerOf(node)
      const ask = (q: string, a: Parameters<Stranger["ask"]>[1]) => Effect.promise(() => stranger.ask(q, a))
      const first = yield* ask("get_peers", { info_hash: STRANGER_ID })
      const token = asBytes(asDictionary(first?.["r"])["token"])
      for (let port = 1; port <= 300; port++) {
        assert.isUndefined(codeOf(yield* ask("announce_peer", { info_hash: STRANGER_ID, port, token })))
      }
      const reply = yield* ask("get_peers", { info_hash: STRANGER_ID })
      assert.strictEqual(Object(asDictionary(reply?.["r"])["values"]).length, PEERS_MAX)
      assert.isAtMost(loose(reply ?? {}).length, UNFRAGMENTED_BYTES)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("keeps what it holds across a restart, in a SQLite file", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const location = `${yield* fs.makeTempDirectoryScoped({ prefix: "libreseed-test-" })}/state.db`
      const items = [mutable(), ...Array.from({ length: 20 }, (_, i) => immutable(`item ${i}`))]
      yield* Effect.scoped(
        Effect.gen(function* () {
          const node = yield* made({ archive: yield* SqliteItems.open(location) })
          const stranger = yield* strangerOf(node)
          const token = yield* tokenFor(stranger)
          for (const item of items) yield* put(stranger, token, item)
        })
      )
      const node = yield* made({ archive: yield* SqliteItems.open(location) })
      const stranger = yield* strangerOf(node)
      for (const item of items) assert.property(yield* get(stranger, item), "v")
      assert.strictEqual(node.items.counters().get("restored"), items.length)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect(
    "never gives up what is pinned: neither to a flood, nor across a restart, however long ago it was put",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const location = `${yield* fs.makeTempDirectoryScoped({ prefix: "libreseed-test-" })}/state.db`
        const own = [mutable({ seedByte: 9 }), immutable("own page")]
        const pinned = own.map(targetOf)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const node = yield* made({ archive: yield* SqliteItems.open(location), itemsMax: 50, pinned })
            for (const item of own) assert.isTrue(node.items.put(item, "20.1.1.1:1"))
            for (let i = 0; i < 500; i++) node.items.put(immutable(`flood ${i}`), `20.2.${i % 200}.1:1`)
            for (const target of pinned) assert.isDefined(node.items.get(target))
          })
        )
        yield* TestClock.adjust(3 * LIFETIME_MS)
        const node = yield* made({ archive: yield* SqliteItems.open(location), itemsMax: 50, pinned })
        const stranger = yield* strangerOf(node)
        for (const item of own) assert.property(yield* get(stranger, item), "v")
        assert.strictEqual(node.items.size, own.length, "all else is gone")
      }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("writes behind itself every few seconds, and what is left when it ends", () =>
    Effect.gen(function* () {
      const archive = new MemoryArchive()
      const scope = yield* Scope.make()
      const node = yield* Scope.provide(made({ archive }), scope)
      yield* Effect.yieldNow
      node.items.put(immutable("a"), "127.0.0.1:1")
      assert.strictEqual(archive.writes, 0)
      yield* TestClock.adjust(StorageNode.WRITE_EVERY)
      assert.deepStrictEqual([...archive.rows.keys()], [targetOf(immutable("a"))])
      yield* TestClock.adjust(StorageNode.WRITE_EVERY)
      assert.strictEqual(archive.writes, 1)
      node.items.put(immutable("b"), "127.0.0.1:1")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(archive.rows.size, 2)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("goes on without its archive while the disk fails, and writes all of it afterwards", () =>
    Effect.gen(function* () {
      const archive = new MemoryArchive()
      archive.isFailing = true
      const node = yield* made({ archive })
      yield* Effect.yieldNow
      node.items.put(immutable("a"), "127.0.0.1:1")
      yield* TestClock.adjust(StorageNode.WRITE_EVERY)
      node.items.put(immutable("b"), "127.0.0.1:1")
      yield* TestClock.adjust(StorageNode.WRITE_EVERY)
      assert.strictEqual(archive.rows.size, 0)
      archive.isFailing = false
      yield* TestClock.adjust(StorageNode.WRITE_EVERY)
      assert.strictEqual(archive.rows.size, 2)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("drops from the archive what it has dropped itself", () =>
    Effect.gen(function* () {
      const archive = new MemoryArchive()
      const now = yield* Clock.currentTimeMillis
      const forged = { ...mutable(), value: text("5:other") }
      const item = immutable("good")
      for (const each of [forged, item]) {
        archive.rows.set(targetOf(each), { item: each, target: targetOf(each), putAt: now, sender: "127.0.0.1:1" })
      }
      const node = yield* made({ archive })
      yield* Effect.yieldNow
      assert.isUndefined(node.items.get(targetOf(forged)))
      yield* TestClock.adjust(StorageNode.WRITE_EVERY)
      assert.deepStrictEqual([...archive.rows.keys()], [targetOf(item)])
      yield* TestClock.adjust(LIFETIME_MS)
      assert.strictEqual(archive.rows.size, 0)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})
