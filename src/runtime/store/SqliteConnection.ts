/**
 * One connection to a SQLite database, as `effect/sql` wants it, over `node:sqlite`.
 *
 * Statements run on the thread of the program: they are to be short. A database that another process is writing
 * to is waited for in two ways: SQLite itself waits a moment, which holds the thread, and then the statement is
 * tried again now and then, which does not.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Connection } from "effect/sql/SqlConnection"
import { classifySqliteError, SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { codeOf, isDamage, ResultCode } from "./SqliteError.ts"

/** The longest that the thread is held by another process's write, which takes a few milliseconds. */
export const BUSY_HOLD = Duration.millis(50)

const BUSY_PAUSE = Duration.millis(25)

/** With the pauses and what SQLite itself waits, some ten seconds. */
const BUSY_TRIES = 130

/** Prepared statements that are kept: more than all that this program has. */
const STATEMENTS_MAX = 128

export type Sqlite = Pick<typeof import("node:sqlite"), "DatabaseSync">

/**
 * `node:sqlite`, loaded when first asked for. Up to Node 24.14 the first loading prints an `ExperimentalWarning`, which
 * is no news to a user; loading is synchronous, so no other warning can fall into the moment in which none is told.
 * `undefined` where this Node was built without it.
 */
export const load = (): Sqlite | undefined => {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return process.getBuiltinModule("node:sqlite")
  } finally {
    process.emitWarning = emitWarning
  }
}

/** How a database that another process has is tried again. */
const patience = { schedule: Schedule.jittered(Schedule.spaced(BUSY_PAUSE)), times: BUSY_TRIES }

const isBusy = (cause: unknown): boolean => codeOf(cause) === ResultCode.busy

const sqlError = (thrown: unknown): SqlError => {
  const errno = codeOf(thrown)
  // The classifier reads SQLite's code from `errno`.
  const cause = thrown instanceof Error && errno !== undefined ? Object.assign(thrown, { errno }) : thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new SqlError({ reason: classifySqliteError(cause, { message, operation: "execute" }) })
}

/** Calls SQLite, again while another process has the database. Fails with what {@link sqlError} makes of what it throws. */
export const attempt = <A>(call: () => A): Effect.Effect<A, SqlError> =>
  Effect.try({ try: call, catch: sqlError }).pipe(
    Effect.retry({ ...patience, while: ({ reason }: SqlError) => isBusy(reason.cause) })
  )

const bound = (value: unknown): unknown =>
  value === undefined ? null : typeof value === "boolean" ? Number(value) : value

const isBindable = (value: unknown): value is SQLInputValue =>
  value === null || ["number", "bigint", "string"].includes(typeof value) || ArrayBuffer.isView(value)

const bind = (params: ReadonlyArray<unknown>): ReadonlyArray<SQLInputValue> =>
  params.map((param) => {
    const value = bound(param)
    if (!isBindable(value)) throw new TypeError(`a ${typeof value} cannot be stored in SQLite`)
    return value
  })

/** `database` stays its opener's to close. `onDamaged` is done when a statement finds that the file is damaged. */
export const make = (database: DatabaseSync, onDamaged: Effect.Effect<void>): Connection => {
  const attempted = <A>(call: () => A) =>
    Effect.tapError(attempt(call), ({ reason }) => (isDamage(reason.cause) ? onDamaged : Effect.void))

  const statements = new Map<string, StatementSync>()

  const prepare = (sql: string): StatementSync => {
    const known = statements.get(sql)
    if (known !== undefined) return known
    const statement = database.prepare(sql)
    const [oldest] = statements.keys()
    if (statements.size >= STATEMENTS_MAX && oldest !== undefined) statements.delete(oldest)
    statements.set(sql, statement)
    return statement
  }

  const rows = (statement: () => StatementSync, params: ReadonlyArray<unknown>) =>
    attempted(() => {
      const prepared = statement()
      prepared.setReturnArrays(false)
      return prepared.all(...bind(params))
    })

  const values = (statement: () => StatementSync, params: ReadonlyArray<unknown>) =>
    attempted((): ReadonlyArray<ReadonlyArray<unknown>> => {
      const prepared = statement()
      prepared.setReturnArrays(true)
      return prepared.all(...bind(params)).map((row) => Object.values(row))
    })

  const transformed: Connection["execute"] = (sql, params, transform) =>
    Effect.map(
      rows(() => prepare(sql), params),
      (found) => (transform === undefined ? found : transform(found))
    )

  return {
    execute: transformed,
    /** The rows of a query; of anything else `{changes, lastInsertRowid}`. */
    executeRaw: (sql, params) =>
      attempted(() => {
        const statement = prepare(sql)
        statement.setReturnArrays(false)
        return statement.columns().length > 0 ? statement.all(...bind(params)) : statement.run(...bind(params))
      }),
    executeStream: (sql, params, transform) => Stream.fromIterableEffect(transformed(sql, params, transform)),
    executeValues: (sql, params) => values(() => prepare(sql), params),
    executeValuesUnprepared: (sql, params) => values(() => database.prepare(sql), params),
    executeUnprepared: (sql, params, transform) =>
      Effect.map(
        rows(() => database.prepare(sql), params),
        (found) => (transform === undefined ? found : transform(found))
      )
  }
}
