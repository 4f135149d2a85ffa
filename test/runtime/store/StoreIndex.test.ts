/** The index of the store: always what the directories say, whoever changed them, and whatever became of it. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import { keyOfStored, PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as Sqlite from "../../../src/runtime/store/Sqlite.ts"
import * as StoreIndex from "../../../src/runtime/store/StoreIndex.ts"
import * as SqlClient from "effect/sql/SqlClient"
import * as Fixtures from "../../protocol/registry/Fixtures.ts"
import { fetchedFrom, writePackage } from "../install/Packages.ts"
import { test } from "../install/Project.ts"

const opened = <A, E, R>(use: (opened: Effect.Success<typeof StoreIndex.open>) => Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.flatMap(StoreIndex.open, use))

const rows = opened(({ index }) => index.all)
const refreshed = opened(({ refreshed }) => Effect.succeed(refreshed))

const publishThree = Effect.fnUntraced(function* (root: string) {
  return [
    yield* fetchedFrom(writePackage(root, "a", "1.0.0", { "index.js": "1" })),
    yield* fetchedFrom(writePackage(root, "a", "1.1.0", { "index.js": "2" })),
    yield* fetchedFrom(writePackage(root, "b", "1.0.0", { "index.js": "1" }))
  ] as const
})

describe("StoreIndex", () => {
  test("has a row for every release, with what is worth knowing of it", ({ root }) =>
    Effect.gen(function* () {
      const [first, , last] = yield* publishThree(root)
      const all = yield* rows
      assert.deepStrictEqual(
        all.map(({ name, version }) => `${name}@${version}`),
        ["a@1.0.0", "a@1.1.0", "b@1.0.0"]
      )
      const [row] = all
      assert.strictEqual(row?.key, keyOfStored(first))
      assert.strictEqual(Hex.encode(row!.publisher), Hex.encode(first.publisher))
      assert.strictEqual(row?.infohash, Hex.encode(first.torrent.infohash))
      assert.strictEqual(row?.contentHash, first.manifest.contentHash)
      assert.strictEqual(row?.bytes, first.torrent.totalLength)
      assert.isAbove(row!.addedAt, 0)
      const ofB = yield* opened(({ index }) => index.of(Fixtures.name("b")))
      assert.deepStrictEqual(
        ofB.map(({ key }) => key),
        [keyOfStored(last)]
      )
    }))

  test("reads only what is new, and forgets what is gone", ({ root }) =>
    Effect.gen(function* () {
      const store = yield* PackageStore
      const [first] = yield* publishThree(root)
      assert.deepStrictEqual(yield* refreshed, { releases: 3, read: 3, forgotten: 0, illegible: [] })
      assert.deepStrictEqual(yield* refreshed, { releases: 3, read: 0, forgotten: 0, illegible: [] })
      yield* store.remove(first)
      yield* fetchedFrom(writePackage(root, "c", "1.0.0", {}))
      assert.deepStrictEqual(yield* refreshed, { releases: 3, read: 1, forgotten: 1, illegible: [] })
      assert.strictEqual((yield* rows).length, 3)
    }))

  test("is made anew where it was lost, damaged, or is wrong", ({ root }) =>
    Effect.gen(function* () {
      yield* publishThree(root)
      const { store: location } = yield* Home
      const before = yield* rows
      for (const file of [location, `${location}-wal`, `${location}-shm`]) Fs.rmSync(file, { force: true })
      assert.deepStrictEqual(yield* rows, before)
      Fs.writeFileSync(location, "no database")
      assert.deepStrictEqual(yield* rows, before)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`DELETE FROM releases WHERE name = 'b'`
          yield* sql`UPDATE releases SET name = 'x', stamp = 'y' WHERE version = '1.0.0'`
          yield* sql`INSERT INTO releases SELECT 'ff', stamp, publisher, name, version, infohash, tarball_sha256,
            content_hash, bytes, added_at, used_at FROM releases LIMIT 1`
        }).pipe(Effect.provide(Sqlite.layer({ location, onDamage: "refuse" }), { local: true }))
      )
      assert.deepStrictEqual(yield* rows, before)
    }))

  test("knows when a release was last of use, without having been told", ({ root }) =>
    Effect.gen(function* () {
      const store = yield* PackageStore
      const [first] = yield* publishThree(root)
      const { packages } = yield* Home
      const file = Path.join(packages, keyOfStored(first), "release")
      Fs.utimesSync(file, new Date(1_000), new Date(1_000))
      const usedAt = Effect.map(rows, ([row]) => row!.usedAt)
      assert.strictEqual(yield* usedAt, 1_000)
      yield* store.touch(first)
      assert.isAbove(yield* usedAt, 1_000)
      assert.strictEqual((yield* refreshed).read, 0)
    }))

  test("tells of directories that nothing can be read in, and of a manifest that is none", ({ root }) =>
    Effect.gen(function* () {
      const { packages } = yield* Home
      const [first, second] = yield* publishThree(root)
      Fs.writeFileSync(Path.join(packages, keyOfStored(first), "release"), "torn")
      Fs.writeFileSync(Path.join(packages, keyOfStored(second), "manifest.json"), "{}")
      const { illegible, releases } = yield* refreshed
      assert.deepStrictEqual(illegible, [keyOfStored(first)])
      assert.strictEqual(releases, 2)
      assert.deepStrictEqual(
        (yield* rows).map(({ contentHash, name }) => `${name} ${contentHash === undefined}`),
        ["a true", "b false"]
      )
    }))
})
