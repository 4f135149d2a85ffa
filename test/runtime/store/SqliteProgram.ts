/**
 * A process that adds to a counter in a database again and again. Arguments: the database, how often, and the round
 * in which it kills itself in the middle of a transaction (0: never).
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as Sqlite from "../../../src/runtime/store/Sqlite.ts"
import { platform } from "../TemporaryHome.ts"

const [location, rounds, fatal] = process.argv.slice(2) as [string, string, string]

const migrations: ReadonlyArray<Sqlite.Migration> = [
  { name: "counter", up: (sql) => sql`CREATE TABLE counter (value INTEGER NOT NULL) STRICT` },
  { name: "zero", up: (sql) => sql`INSERT INTO counter VALUES (0)` }
]

const add = (round: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql.withTransaction(
      Effect.gen(function* () {
        const [row] = yield* sql<{ readonly value: number }>`SELECT value FROM counter`
        // Gives the others a turn while this one is inside.
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        yield* sql`UPDATE counter SET value = ${row!.value + 1}`
        if (round === Number(fatal)) process.kill(process.pid, "SIGKILL")
      })
    )
  })

await Effect.runPromise(
  Sqlite.migrate("counter", migrations).pipe(
    Effect.andThen(Effect.forEach(Array.from({ length: Number(rounds) }).keys(), (round) => add(round + 1))),
    Effect.provide(Layer.provide(Sqlite.layer({ location, onDamage: "refuse" }), platform))
  )
)
