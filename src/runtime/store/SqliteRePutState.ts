/**
 * What is known of the items that are kept alive, in `<home>/state.db`: a row an item, and what the clock said when
 * last something was saved. A row that cannot be read, such as one that somebody wrote by hand, counts as none.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Health } from "../../protocol/registry/RePutHealth.ts"
import {
  currentFrom,
  currentTo,
  ITEMS_MAX,
  RePutState,
  RePutStateError,
  Stored
} from "../../protocol/registry/RePutState.ts"
import * as Sqlite from "./Sqlite.ts"
import { locationOf } from "./SqliteMigrations.ts"

/** Whose tables these are, in words of a user. */
export const OWNER = "keep-alive"

/** Only ever added to. */
export const migrations: ReadonlyArray<Sqlite.Migration> = [
  {
    name: "health of items, as JSON",
    up: (sql) =>
      Effect.all([
        sql`CREATE TABLE keep_alive (
          kind TEXT NOT NULL, target TEXT NOT NULL, saved_at INTEGER NOT NULL, health TEXT NOT NULL,
          PRIMARY KEY (kind, target)
        ) STRICT`,
        sql`CREATE INDEX keep_alive_by_age ON keep_alive (saved_at)`,
        sql`CREATE TABLE keep_alive_clock (id INTEGER PRIMARY KEY CHECK (id = 1), saved_at INTEGER NOT NULL) STRICT`
      ])
  }
]

/** Rows written at once: some 5 ms in which this program does nothing else, and another one that writes waits for less. */
const SLICE = 100

const Json = Schema.fromJsonString(Stored)
const decode = Schema.decodeUnknownOption(Json)
const encode = Schema.encodeSync(Json)

const make = Effect.gen(function* () {
  yield* Sqlite.migrate(OWNER, migrations)
  const sql = yield* SqlClient.SqlClient
  const location = yield* Effect.mapError(locationOf(sql), Sqlite.ofStatement(""))
  const failed = ({ message }: SqlError) => new RePutStateError({ location, problem: message })

  const rowOf = (health: Health, now: number): Record<string, unknown> => ({
    kind: health.kind,
    target: health.target,
    saved_at: now,
    health: encode(health)
  })

  /** One statement, and so all of them or none. */
  const keep = (healths: Arr.NonEmptyReadonlyArray<Health>, now: number) =>
    Effect.suspend(
      () => sql`INSERT INTO keep_alive ${sql.insert(Arr.map(healths, (health) => rowOf(health, now)))}
        ON CONFLICT (kind, target) DO UPDATE SET saved_at = excluded.saved_at, health = excluded.health`
    )

  const isOld = (now: number) => sql`saved_at < ${currentFrom(now)} OR saved_at > ${currentTo(now)}`

  /** Rows that are no longer current, and those past what is kept, up to a slice of each; gives how many those were. */
  const forgetSome = (now: number) =>
    Effect.zipWith(
      sql`DELETE FROM keep_alive WHERE rowid IN
        (SELECT rowid FROM keep_alive WHERE ${isOld(now)} LIMIT ${SLICE}) RETURNING 1`,
      sql`DELETE FROM keep_alive WHERE rowid IN
        (SELECT rowid FROM keep_alive ORDER BY saved_at DESC LIMIT ${SLICE} OFFSET ${ITEMS_MAX}) RETURNING 1`,
      (old, tooMany) => old.length + tooMany.length
    )

  const forget = Effect.fnUntraced(function* (now: number) {
    while ((yield* forgetSome(now)) > 0) yield* Effect.yieldNow
  })

  const noteClock = (now: number) =>
    sql`INSERT INTO keep_alive_clock (id, saved_at) VALUES (1, ${now})
      ON CONFLICT (id) DO UPDATE SET saved_at = excluded.saved_at`

  return RePutState.of({
    load: Effect.gen(function* () {
      const rows = yield* sql<{ readonly health: string }>`SELECT health FROM keep_alive`
      const [clock] = yield* sql<{ readonly savedAt: number }>`SELECT saved_at AS "savedAt" FROM keep_alive_clock`
      const decoded = yield* Effect.forEach(rows, ({ health }) => Effect.sync(() => decode(health)))
      return { healths: decoded.flatMap(Option.toArray), savedAt: clock?.savedAt }
    }).pipe(Effect.mapError(failed)),
    save: (healths, now) =>
      Effect.gen(function* () {
        for (const slice of Arr.chunksOf(healths, SLICE)) {
          yield* keep(slice, now)
          yield* Effect.yieldNow
        }
        yield* forget(now)
        yield* noteClock(now)
      }).pipe(Effect.mapError(failed))
  })
})

/** Fails where the tables are those of a newer version, or cannot be made. */
export const layer: Layer.Layer<RePutState, Sqlite.SqliteError, SqlClient.SqlClient> = Layer.effect(RePutState, make)

/** In `<home>/state.db`. */
export const layerHome = Layer.provide(layer, Sqlite.layerHome)
