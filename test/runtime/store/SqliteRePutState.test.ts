import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { explain, ExitCode } from "../../../src/protocol/core/Errors.ts"
import { RePutState } from "../../../src/protocol/registry/RePutState.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as Sqlite from "../../../src/runtime/store/Sqlite.ts"
import * as SqliteRePutState from "../../../src/runtime/store/SqliteRePutState.ts"
import * as RePutStateSuite from "../../protocol/registry/RePutStateSuite.ts"
import * as TemporaryHome from "../TemporaryHome.ts"

const { healthOf } = RePutStateSuite

RePutStateSuite.suite("SQLite", SqliteRePutState.layerHome.pipe(Layer.provide(TemporaryHome.layer)))

/** Opens the database of the home for this work alone, as a process does. */
const run = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.provide(work, SqliteRePutState.layer.pipe(Layer.provideMerge(Sqlite.layerHome)), { local: true })

const load = Effect.flatMap(RePutState, ({ load }) => load)
const save = (...args: Parameters<RePutState["Service"]["save"]>) =>
  Effect.flatMap(RePutState, ({ save }) => save(...args))
const changed = (change: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown>) =>
  Effect.flatMap(SqlClient.SqlClient, change)

describe("SqliteRePutState", () => {
  it.effect("what one process saved is there for the next", () =>
    Effect.gen(function* () {
      yield* run(save([healthOf(1), healthOf(2)], 5_000))
      assert.deepStrictEqual(yield* run(load), { healths: [healthOf(1), healthOf(2)], savedAt: 5_000 })
    }).pipe(Effect.provide(TemporaryHome.layer))
  )

  it.effect("two that are open at once see what either saved, the last word of each item", () =>
    Effect.gen(function* () {
      const other = Effect.gen(function* () {
        yield* save([healthOf(2, { puts: 9 })], 6_000)
        return yield* load
      })
      const both = Effect.gen(function* () {
        yield* save([healthOf(1), healthOf(2)], 5_000)
        return [yield* run(other), yield* load]
      })
      const expected = { healths: [healthOf(1), healthOf(2, { puts: 9 })], savedAt: 6_000 }
      assert.deepStrictEqual(yield* run(both), [expected, expected])
    }).pipe(Effect.provide(TemporaryHome.layer))
  )

  it.effect("rows that nobody can read count as none", () =>
    Effect.gen(function* () {
      yield* run(save([healthOf(1), healthOf(2), healthOf(3), healthOf(4)], 5_000))
      const set = (digit: number, from: string, to: string) =>
        changed(
          (sql) =>
            sql`UPDATE keep_alive SET health = replace(health, ${from}, ${to}) WHERE target = ${healthOf(digit).target}`
        )
      yield* run(set(1, "{", "["))
      yield* run(set(2, '"puts":3', '"puts":-3'))
      yield* run(set(3, '"nextDue":10000', '"nextDue":"soon"'))
      assert.deepStrictEqual((yield* run(load)).healths, [healthOf(4)])
    }).pipe(Effect.provide(TemporaryHome.layer))
  )

  it.effect("nothing of a batch is there where one of it cannot be written", () =>
    Effect.gen(function* () {
      yield* run(save([healthOf(1)], 5_000))
      yield* run(
        changed(
          (
            sql
          ) => sql`CREATE TRIGGER no BEFORE INSERT ON keep_alive WHEN new.target = ${sql.literal(`'${healthOf(3).target}'`)}
        BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`
        )
      )
      const failure = yield* Effect.flip(run(save([healthOf(2), healthOf(3)], 6_000)))
      const { state } = yield* Home
      assert.deepInclude(explain(failure), { _tag: "RePutStateError", exitCode: ExitCode.storage })
      assert.include(explain(failure)?.message, `in ${state}, cannot be used: the disk is full`)
      assert.deepStrictEqual(yield* run(load), { healths: [healthOf(1)], savedAt: 5_000 })
    }).pipe(Effect.provide(TemporaryHome.layer))
  )

  it.live("a large save holds up neither another process that writes, nor this one, and can be given up", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 5_000 }, (_, n) => healthOf(n))
      const { state } = yield* Home
      const work = Effect.gen(function* () {
        const own = yield* SqlClient.SqlClient
        yield* own`CREATE TABLE notes (at INTEGER NOT NULL, rows INTEGER NOT NULL)`
        const noteWith = (sql: SqlClient.SqlClient) =>
          sql`INSERT INTO notes SELECT unixepoch(), count(*) FROM keep_alive`
        const other = Sqlite.layer({ location: state, onDamage: "refuse" })
        const written = yield* Effect.gen(function* () {
          const theirs = yield* SqlClient.SqlClient
          const saving = yield* Effect.forkChild(save(many, 5_000))
          yield* Effect.yieldNow
          yield* noteWith(theirs)
          yield* noteWith(own)
          yield* Fiber.interrupt(saving)
          return yield* own<{ readonly rows: number }>`SELECT rows FROM notes UNION ALL SELECT count(*) FROM keep_alive`
        }).pipe(Effect.provide(other, { local: true }))
        for (const { rows } of written) assert.isBelow(rows, many.length)
        assert.isUndefined((yield* load).savedAt)
        yield* save(many, 6_000)
        const { healths, savedAt } = yield* load
        assert.deepStrictEqual([healths.length, savedAt], [many.length, 6_000])
      })
      yield* run(work)
    }).pipe(Effect.provide(TemporaryHome.layer))
  )

  it.effect("a state of a newer version is refused", () =>
    Effect.gen(function* () {
      yield* run(changed((sql) => sql`INSERT INTO migrations VALUES ('keep-alive', 2, 'more', 0)`))
      assert.include(explain(yield* Effect.flip(run(load)))?.message, "its keep-alive tables are of version 2")
    }).pipe(Effect.provide(TemporaryHome.layer))
  )
})
