import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import { explain, ExitCode } from "../../../src/protocol/core/Errors.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as Sqlite from "../../../src/runtime/store/Sqlite.ts"
import * as TemporaryHome from "../TemporaryHome.ts"
import { run } from "./Run.ts"

const location = Effect.map(Home, ({ directory }) => `${directory}/deep/state.db`)

/** Runs work on the database of the home, which is opened and closed for it. */
const using = <A, E, R>(work: Effect.Effect<A, E, R>, onDamage: Sqlite.Options["onDamage"] = "refuse") =>
  Effect.flatMap(location, (location) => Effect.provide(work, Sqlite.layer({ location, onDamage }), { local: true }))

const step = (up: Sqlite.Migration["up"]): Sqlite.Migration => ({ name: "step", up })
const table = step((sql) => sql`CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, bytes BLOB) STRICT`)
const coloured = step((sql) => sql`ALTER TABLE notes ADD COLUMN colour TEXT NOT NULL DEFAULT 'black'`)

const note = (text: string, bytes: Uint8Array | null = null) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO notes ${sql.insert({ text, bytes })}`)

const texts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return (yield* sql<{ readonly text: string }>`SELECT text FROM notes ORDER BY id`).map(({ text }) => text)
})

const noted = (...some: ReadonlyArray<string>) =>
  Effect.andThen(
    Sqlite.migrate("notes", [table]),
    Effect.forEach(some, (text) => note(text))
  )

/** Spoils the file in the middle, past its header. */
const spoil = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const at = yield* location
  const bytes = yield* fs.readFile(at)
  yield* fs.writeFile(at, bytes.fill(0xa5, 100))
})

/** Spoils the second half of the file: some of what is in it, but not what it is. */
const spoilEnd = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const at = yield* location
  const bytes = yield* fs.readFile(at)
  yield* fs.writeFile(at, bytes.fill(0xa5, bytes.length / 2))
})

const refusalOf = <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.map(Effect.flip(work), explain)

describe("SQLite databases", () => {
  it.effect("what was written is there when the file is opened again, and is its owner's alone", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const at = yield* location
      const bytes = new Uint8Array([0, 255, 7])
      const writing = Effect.gen(function* () {
        yield* noted("one")
        yield* note("two", bytes)
        for (const file of [at, `${at}-wal`, `${at}-shm`]) {
          assert.strictEqual(Number((yield* fs.stat(file)).mode) & 0o777, 0o600)
        }
      })
      yield* using(writing)
      assert.isFalse(yield* fs.exists(`${at}-wal`))
      const rows = yield* using(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT text, bytes FROM notes`.values))
      assert.deepStrictEqual(rows, [
        ["one", null],
        ["two", bytes]
      ])
    }).pipe(Effect.provide(TemporaryHome.layer))
  )

  it.effect("rows come as a stream, as arrays, or as a count of changes", () =>
    Effect.gen(function* () {
      yield* noted("one", "two")
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.map(sql`SELECT text FROM notes`.stream, Object.values)), [
        ["one"],
        ["two"]
      ])
      assert.deepStrictEqual(yield* sql`SELECT 1, 2, 1`.values, [[1, 2, 1]])
      assert.deepInclude(yield* sql`DELETE FROM notes`.raw, { changes: 2 })
      assert.deepStrictEqual(yield* sql`SELECT ${true} AS yes, ${null} AS no`.values, [[1, null]])
    }).pipe(Effect.provide(Sqlite.layerMemory))
  )

  it.effect("a transaction that fails leaves nothing, one within another only its own part", () =>
    Effect.gen(function* () {
      yield* noted()
      const sql = yield* SqlClient.SqlClient
      const failing = sql.withTransaction(Effect.andThen(note("lost"), Effect.fail("no" as const)))
      assert.strictEqual(yield* Effect.flip(failing), "no")
      yield* sql.withTransaction(Effect.andThen(note("kept"), Effect.ignore(failing)))
      assert.deepStrictEqual(yield* texts, ["kept"])
    }).pipe(Effect.provide(Sqlite.layerMemory))
  )

  it.effect("a failed statement tells what failed, where, and what to do", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const failure = yield* Effect.flip(Effect.mapError(sql`SELECT * FROM nowhere`, Sqlite.ofStatement("/a/state.db")))
      assert.deepInclude(explain(failure), {
        _tag: "DatabaseUnusable",
        message: "The database /a/state.db cannot be used: no such table: nowhere",
        exitCode: ExitCode.storage
      })
      const unbound = yield* Effect.flip(sql`SELECT ${new Date(0)}`)
      assert.strictEqual(unbound.message, "a object cannot be stored in SQLite")
    }).pipe(Effect.provide(Sqlite.layerMemory))
  )

  it.effect("a place where no file can be made is refused", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { directory } = yield* Home
      yield* fs.writeFileString(`${directory}/deep`, "a file")
      const refusal = yield* refusalOf(using(texts))
      assert.strictEqual(refusal?._tag, "DatabaseUnusable")
      assert.strictEqual(refusal?.exitCode, ExitCode.storage)
      assert.include(refusal?.message, `${directory}/deep/state.db`)
    }).pipe(Effect.provide(TemporaryHome.layer))
  )
})

describe("migrations", () => {
  it.effect("each is done once, in order, and what was there stays", () =>
    Effect.gen(function* () {
      yield* using(noted("one"))
      for (let round = 0; round < 2; round++) yield* using(Sqlite.migrate("notes", [table, coloured]))
      const rows = yield* using(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT text, colour FROM notes`.values)
      )
      assert.deepStrictEqual(rows, [["one", "black"]])
    }).pipe(Effect.provide(TemporaryHome.layer))
  )

  it.effect("one that fails leaves the tables as they were before it, and is done anew later", () =>
    Effect.gen(function* () {
      yield* using(noted("one"))
      const half = step((sql) => Effect.andThen(sql`DELETE FROM notes`, sql`INSERT INTO nowhere VALUES (1)`))
      const refusal = yield* refusalOf(using(Sqlite.migrate("notes", [table, half])))
      assert.include(refusal?.message, "no such table: nowhere")
      assert.deepStrictEqual(yield* using(texts), ["one"])
      yield* using(Sqlite.migrate("notes", [table, coloured]))
    }).pipe(Effect.provide(TemporaryHome.layer))
  )

  it.effect("tables of a newer version are refused, and those of other modules are not", () =>
    Effect.gen(function* () {
      yield* using(Effect.andThen(Sqlite.migrate("notes", [table, coloured]), note("one")))
      const refusal = yield* refusalOf(using(Sqlite.migrate("notes", [table]), "begin-anew"))
      assert.strictEqual(refusal?._tag, "DatabaseNewer")
      assert.include(
        refusal?.message,
        `${yield* location} was made by a newer version: its notes tables are of version 2`
      )
      assert.include(refusal?.hint, "later one")
      yield* using(Sqlite.migrate("others", []))
      assert.deepStrictEqual(yield* using(texts), ["one"])
    }).pipe(Effect.provide(TemporaryHome.layer))
  )
})

describe("damaged databases", () => {
  it.effect("are refused and left alone where nobody said that they may be lost", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* using(noted("one"))
      yield* spoil
      const before = yield* fs.readFile(yield* location)
      const refusal = yield* refusalOf(using(texts))
      assert.strictEqual(refusal?._tag, "DatabaseDamaged")
      assert.deepStrictEqual(yield* fs.readFile(yield* location), before)
    }).pipe(Effect.provide(TemporaryHome.layer))
  )

  it.effect("are moved aside where they are a cache, and begun anew", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const at = yield* location
      yield* fs.makeDirectory(`${(yield* Home).directory}/deep`)
      for (const content of ["not a database at all, but as long as the header of one: ".repeat(4), "twice"]) {
        yield* fs.writeFileString(at, content)
        yield* using(noted(content), "begin-anew")
        assert.deepStrictEqual(yield* using(texts), [content])
        assert.strictEqual(yield* fs.readFileString(`${at}.damaged`), content)
      }
    }).pipe(Effect.provide(TemporaryHome.layer))
  )

  it.effect("are not read through when they were closed properly, but once something damaged was met", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const at = yield* location
      yield* using(noted("short", "long ".repeat(20_000)))
      yield* spoilEnd
      const shortest = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT text FROM notes WHERE id = 1`.values)
      assert.deepStrictEqual(yield* using(shortest, "begin-anew"), [["short"]])
      assert.isFalse(yield* fs.exists(`${at}.suspect`))
      assert.strictEqual((yield* using(Effect.flip(Effect.asVoid(texts)), "begin-anew"))._tag, "SqlError")
      assert.isTrue(yield* fs.exists(`${at}.suspect`))
      assert.strictEqual((yield* refusalOf(using(shortest)))?._tag, "DatabaseDamaged")
      yield* using(noted("anew"), "begin-anew")
      assert.deepStrictEqual(yield* using(texts), ["anew"])
      assert.isFalse(yield* fs.exists(`${at}.suspect`))
    }).pipe(Effect.provide(TemporaryHome.layer))
  )

  it.effect("are read through when the last process to have them open was killed", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const at = yield* location
      yield* using(noted("short", "long ".repeat(20_000)))
      yield* spoilEnd
      yield* fs.writeFileString(`${at}-wal`, "")
      yield* using(noted("anew"), "begin-anew")
      assert.deepStrictEqual(yield* using(texts), ["anew"])
    }).pipe(Effect.provide(TemporaryHome.layer))
  )

  it.live("are moved aside by one of those that find them at the same time, and nobody's new file is lost", () =>
    Effect.gen(function* () {
      yield* using(noted("one"))
      yield* spoil
      const writers = Array.from({ length: 4 }, (_, i) => `writer ${i}`)
      yield* Effect.forEach(writers, (text) => using(noted(text), "begin-anew"), { concurrency: "unbounded" })
      assert.deepStrictEqual((yield* using(texts)).toSorted(), writers)
    }).pipe(Effect.provide(TemporaryHome.layer))
  )
})

describe("several processes on one database", () => {
  it.live("lose no update, say nothing, and make the tables once", () =>
    Effect.gen(function* () {
      const at = yield* location
      const ends = yield* Effect.all(
        Array.from({ length: 3 }, () => run("SqliteProgram.ts", at, "40", "0")),
        { concurrency: "unbounded" }
      )
      for (const end of ends) assert.deepStrictEqual(end, { end: "0", stderr: "" })
      assert.deepStrictEqual(
        yield* using(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT value FROM counter`.values)),
        [[120]]
      )
    }).pipe(Effect.provide(TemporaryHome.layer))
  )

  it.live("one that is killed in the middle of a transaction leaves nothing of it, and the database free", () =>
    Effect.gen(function* () {
      const at = yield* location
      assert.strictEqual((yield* run("SqliteProgram.ts", at, "9", "5")).end, "SIGKILL")
      assert.deepStrictEqual(yield* run("SqliteProgram.ts", at, "6", "0"), { end: "0", stderr: "" })
      assert.deepStrictEqual(
        yield* using(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT value FROM counter`.values)),
        [[10]]
      )
    }).pipe(Effect.provide(TemporaryHome.layer))
  )
})
