/**
 * The tables of a database, each module's own, as a numbered list of steps that is only ever added to. Which
 * steps were taken stands in the database, in a table `migrations`; each is taken in one transaction, by
 * whichever process comes first. Steps that this version does not know are a newer version's: it is refused.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { DatabaseNewer, ofStatement, SqliteError } from "./SqliteError.ts"

export interface Migration {
  /** What it does, for people who look into the database. */
  readonly name: string
  /** Its statements, with or without a result. */
  readonly up: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, SqlError>
}

/** Where the file of a database lies; empty for one in memory. */
export const locationOf = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  const databases = yield* sql<{ readonly name: string; readonly file: string }>`PRAGMA database_list`
  return databases.find(({ name }) => name === "main")?.file ?? ""
})

/**
 * Brings the tables of `owner` (a word for people, such as `keep-alive`) up to date: takes the steps that lack,
 * numbered from 1 in the order of the list. Fails with `DatabaseNewer` where more were taken than are known.
 */
export const migrate = Effect.fnUntraced(function* (owner: string, migrations: ReadonlyArray<Migration>) {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Clock.currentTimeMillis
  const location = yield* Effect.orElseSucceed(locationOf(sql), () => "")

  const taken = Effect.map(
    sql<{ readonly id: number }>`SELECT coalesce(max(id), 0) AS id FROM migrations WHERE owner = ${owner}`,
    ([row]) => row?.id ?? 0
  )

  const take = (id: number, { name, up }: Migration) =>
    sql.withTransaction(
      Effect.gen(function* () {
        // Another process may have been first while this one waited for its turn.
        if ((yield* taken) >= id) return
        yield* up(sql)
        yield* sql`INSERT INTO migrations (owner, id, name, at) VALUES (${owner}, ${id}, ${name}, ${now})`
      })
    )

  const all = Effect.gen(function* () {
    yield* sql`CREATE TABLE IF NOT EXISTS migrations (
      owner TEXT NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (owner, id)
    ) STRICT, WITHOUT ROWID`
    const found = yield* taken
    if (found > migrations.length) {
      const reason = new DatabaseNewer({ location, owner, found, known: migrations.length })
      return yield* new SqliteError({ reason })
    }
    for (const [at, migration] of migrations.entries()) if (at >= found) yield* take(at + 1, migration)
  })
  return yield* Effect.catchTag(all, "SqlError", (error) => Effect.fail(ofStatement(location)(error)))
})
