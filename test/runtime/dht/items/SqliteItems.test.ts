import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { LIFETIME_MS } from "../../../../src/runtime/dht/items/ItemStore.ts"
import type { Archived, ItemArchive } from "../../../../src/runtime/dht/items/ItemArchive.ts"
import * as SqliteItems from "../../../../src/runtime/dht/items/SqliteItems.ts"
import * as Sqlite from "../../../../src/runtime/store/Sqlite.ts"
import { platform } from "../../TemporaryHome.ts"
import { immutable, mutable, storeOf, TestTime } from "./Items.ts"

const PEER = "198.51.7.1:6881"

const inMemory = Layer.provideMerge(Sqlite.layerMemory, platform)

const loaded = Effect.fnUntraced(function* (archive: ItemArchive, since = 0) {
  const rows: Array<Archived> = []
  const damaged = yield* archive.load(since, (row) => void rows.push(row))
  return { rows, damaged }
})

const database = Effect.map(
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped({ prefix: "libreseed-test-" })),
  (directory) => `${directory}/state.db`
)

const changed = (...items: ReadonlyArray<Parameters<ReturnType<typeof storeOf>["put"]>[0]>) => {
  const store = storeOf()
  store.record()
  for (const item of items) store.put(item, PEER)
  return store.changes(Number.POSITIVE_INFINITY)
}

describe("SqliteItems", () => {
  it.effect("gives back after a restart what was written, oldest first", () =>
    Effect.gen(function* () {
      const location = yield* database
      const time = new TestTime()
      const store = storeOf({}, time)
      store.record()
      for (const item of [mutable({ salt: "s", seq: 2 ** 53 - 1 }), mutable(), immutable("a"), immutable("b")]) {
        store.put(item, PEER)
        time.pass(1_000)
      }
      const entries = Array.from(store.entries(), unpacked)
      yield* Effect.scoped(
        Effect.flatMap(SqliteItems.open(location), (archive) => archive.write(store.changes(Number.POSITIVE_INFINITY)))
      )
      const archive = yield* SqliteItems.open(location)
      assert.deepStrictEqual(yield* loaded(archive), { rows: entries, damaged: 0 })
    }).pipe(Effect.provide(platform))
  )

  it.effect("replaces what it has, and forgets what is gone", () =>
    Effect.gen(function* () {
      const archive = yield* SqliteItems.open(yield* database)
      yield* archive.write(changed(mutable({ seq: 1 }), immutable("a")))
      const { kept } = changed(mutable({ seq: 2 }))
      const gone = changed(immutable("a")).kept.map(({ target }) => target)
      yield* archive.write({ kept, gone })
      const { rows } = yield* loaded(archive)
      assert.deepStrictEqual(
        rows.map(({ item }) => item.mutable?.seq),
        [2]
      )
    }).pipe(Effect.provide(platform))
  )

  it.effect("never puts an older version in the place of a newer one, whoever comes with it", () =>
    Effect.gen(function* () {
      const location = yield* database
      const [one, other] = [yield* SqliteItems.open(location), yield* SqliteItems.open(location)]
      const versions = Effect.map(loaded(one), ({ rows }) => rows.map(({ item }) => item.mutable?.seq))
      yield* one.write(changed(mutable({ seq: 6 }), immutable("a")))
      yield* other.write(changed(mutable({ seq: 5 }), immutable("a")))
      assert.sameMembers([...(yield* versions)], [6, undefined])
      yield* other.write(changed(mutable({ seq: 7 })))
      assert.sameMembers([...(yield* versions)], [7, undefined])
    }).pipe(Effect.provide(platform))
  )

  it.effect("reads more rows than one page, none that has expired, and no more than there is room for", () =>
    Effect.gen(function* () {
      const location = yield* database
      const now = 1_700_000_000_000
      const row = (i: number): Archived => ({
        target: i.toString(16).padStart(40, "0"),
        item: immutable(`${i}`),
        putAt: now - LIFETIME_MS + Math.floor(i / 3),
        sender: PEER
      })
      const kept = Array.from({ length: 1_500 }, (_, i) => row(i))
      yield* Effect.scoped(Effect.flatMap(SqliteItems.open(location), (archive) => archive.write({ kept, gone: [] })))
      const archive = yield* SqliteItems.open(location)
      const { rows } = yield* loaded(archive, now - LIFETIME_MS)
      assert.deepStrictEqual(
        rows.map(({ target }) => target),
        kept.slice(3).map(({ target }) => target)
      )
      const small = yield* SqliteItems.open(location, 100)
      const { length } = (yield* loaded(small)).rows
      assert.isAtMost(length, 100)
      assert.isAtLeast(length, 97)
    }).pipe(Effect.provide(platform))
  )

  it.effect("reads what is pinned however old it is, and however many others there are", () =>
    Effect.gen(function* () {
      const archive = yield* SqliteItems.open(yield* database, 100)
      const row = (i: number): Archived => ({
        target: i.toString(16).padStart(40, "0"),
        item: immutable(`${i}`),
        putAt: i,
        sender: PEER
      })
      yield* archive.write({ kept: Array.from({ length: 500 }, (_, i) => row(i)), gone: [] })
      const pinned = [0, 7, 499].map((i) => row(i).target)
      const rows: Array<string> = []
      yield* archive.load(450, ({ target }) => void rows.push(target), [...pinned, "not hex", "ab".repeat(20)])
      assert.deepStrictEqual(rows.slice(0, 3), [...pinned.slice(0, 2), row(451).target])
      assert.strictEqual(rows.length, 2 + 49)
      assert.strictEqual((yield* loaded(archive, 450)).rows.length, 49, "the pin is what keeps them")
    }).pipe(Effect.provide(platform))
  )

  it.effect("passes over rows that are no items, counts and deletes them", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const archive = yield* SqliteItems.make()
      yield* archive.write(changed(immutable("good")))
      const target = (n: number) => new Uint8Array(20).fill(n)
      const [value, key, signature] = [new Uint8Array(3), new Uint8Array(32), new Uint8Array(64)]
      const bad: ReadonlyArray<Record<string, unknown>> = [
        { target: new Uint8Array(19), value },
        { target: target(1), value: new Uint8Array(1_001) },
        { target: target(2), value, public_key: key },
        { target: target(3), value, public_key: key, signature, salt: new Uint8Array(65), seq: 1 },
        { target: target(4), value, public_key: key, signature, salt: new Uint8Array(0), seq: -1 },
        { target: target(5), value, sender: "x".repeat(65) },
        { target: target(6), value, put_at: -5 }
      ]
      const whole = { public_key: null, signature: null, salt: null, seq: null, put_at: 1, sender: PEER }
      for (const row of bad) yield* sql`INSERT INTO held_items ${sql.insert({ ...whole, ...row })}`
      yield* sql`INSERT INTO held_items (target, value, put_at, sender) VALUES (${target(7)}, ${value}, 9223372036854775807, ${PEER})`
      const { damaged, rows } = yield* loaded(archive)
      assert.strictEqual(damaged, bad.length + 1)
      assert.strictEqual(rows.length, 1)
      assert.deepStrictEqual(yield* loaded(archive), { rows, damaged: 0 })
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("begins anew where the file is no database, and keeps the old one beside it", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const location = yield* database
      yield* fs.writeFileString(location, "this is not a database ".repeat(1_000))
      const archive = yield* SqliteItems.open(location)
      assert.deepStrictEqual(yield* loaded(archive), { rows: [], damaged: 0 })
      yield* archive.write(changed(immutable("a")))
      assert.isTrue(yield* fs.exists(`${location}.damaged`))
    }).pipe(Effect.provide(platform))
  )

  it.effect("fails with what happened when the table is not there any more", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const archive = yield* SqliteItems.make()
      yield* sql`DROP TABLE held_items`
      const written = yield* Effect.flip(archive.write(changed(immutable("a"))))
      assert.strictEqual(written._tag, "ArchiveUnavailable")
      assert.match(written.message, /could not be written: no such table/)
      assert.match((yield* Effect.flip(loaded(archive))).message, /could not be read: no such table/)
    }).pipe(Effect.provide(inMemory))
  )
})

/** Without the buffer that an item is packed in. */
const unpacked = ({ item: { mutable: signed, value }, putAt, sender, target }: Archived): Archived => ({
  target,
  item: {
    value: Uint8Array.from(value),
    mutable:
      signed === undefined
        ? undefined
        : {
            publicKey: Uint8Array.from(signed.publicKey),
            signature: Uint8Array.from(signed.signature),
            salt: Uint8Array.from(signed.salt),
            seq: signed.seq
          }
  },
  putAt,
  sender
})
