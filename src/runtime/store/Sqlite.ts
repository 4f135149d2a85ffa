/**
 * SQLite databases of this host, for state that changes often: an `effect/sql` client over `node:sqlite`.
 * Several processes may have one open at once; it is in WAL mode, so readers and the writer do not wait for
 * each other, and a killed process loses at most what it had not committed.
 *
 * A module brings its own tables and keeps to them; all modules share `<home>/state.db`, and a process one connection,
 * which is that of {@link layerHome} (built once where its users are built with one memo map, as by `Effect.provide`):
 *
 *     const migrations: ReadonlyArray<Sqlite.Migration> = [
 *       { name: "items", up: (sql) => sql`CREATE TABLE items (target BLOB PRIMARY KEY, …) STRICT, WITHOUT ROWID` }
 *     ]
 *     export const layer = Layer.effect(Items, Effect.gen(function* () {
 *       yield* Sqlite.migrate("items", migrations)          // fails with SqliteError: newer, damaged, unusable
 *       const sql = yield* SqlClient.SqlClient
 *       const failed = Sqlite.ofStatement(location)         // SqlError → SqliteError, with message, hint, exit code
 *       sql`SELECT … WHERE target = ${bytes}`               // BLOBs are Uint8Array, both ways
 *       sql.withTransaction(…)                              // one transaction (BEGIN IMMEDIATE); keep it short
 *     })).pipe(Layer.provide(Sqlite.layerHome))
 *
 * Nothing of SQLite is loaded before the layer is built; import the module lazily all the same where a command may
 * do without it, since `effect/sql` costs start time.
 */
import type { DatabaseSync } from "node:sqlite"
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Reactivity from "effect/reactivity/Reactivity"
import type { Scope } from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import * as Statement from "effect/sql/Statement"
import * as AtomicFile from "./AtomicFile.ts"
import * as FileLock from "./FileLock.ts"
import { Home } from "./Home.ts"
import { problemOf } from "./PlatformProblem.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import * as SqliteConnection from "./SqliteConnection.ts"
import { DatabaseDamaged, DatabaseUnusable, ofStatement, SqliteError } from "./SqliteError.ts"

export { ofStatement, SqliteError } from "./SqliteError.ts"
export { type Migration, migrate } from "./SqliteMigrations.ts"

export interface Options {
  readonly location: string
  /**
   * What to do with a file that is damaged: `begin-anew` moves it to `<file>.damaged` (in the place of an earlier one),
   * says so in the log, and makes a new one. Only for what can be found out anew.
   */
  readonly onDamage: "refuse" | "begin-anew"
}

/** The write-ahead log is cut back to this once all of it is in the database: a busy moment does not hold disk for ever. */
const LOG_KEPT_BYTES = 4 * 1024 * 1024

const IN_MEMORY = ":memory:"

/** The write-ahead log: there before the database is opened only where another process has it open, or was killed. */
const LOG = "-wal"

/** What SQLite keeps beside a database. */
const COMPANIONS = [LOG, "-shm"] as const

/** Beside a database in which something was found damaged while it was in use. */
const SUSPECT = ".suspect"

const SETTINGS = [
  "PRAGMA journal_mode = WAL",
  // A power cut may take the last commits; what is there is whole. Nothing here needs to be more durable.
  "PRAGMA synchronous = NORMAL",
  "PRAGMA foreign_keys = ON",
  `PRAGMA journal_size_limit = ${LOG_KEPT_BYTES}`
]

const unusable = (location: string, problem: string) =>
  new SqliteError({ reason: new DatabaseUnusable({ location, problem }) })

/** Fails where anything of it is torn. Reads all of it, which holds the thread for a second per some 100 MB. */
const check = Effect.fnUntraced(function* (database: DatabaseSync, location: string) {
  const [found] = yield* SqliteConnection.attempt(() => database.prepare("PRAGMA quick_check(1)").all())
  const problem = String(found?.["quick_check"])
  if (problem !== "ok") return yield* new SqliteError({ reason: new DatabaseDamaged({ location, problem }) })
})

/**
 * Opens the file as it is. Its header and what tables it has are read at once; the rest is trusted, unless it is asked
 * for: what is torn there shows in the middle of the work, and is found with the next opening.
 */
const openAt = (location: string, isChecked: boolean): Effect.Effect<DatabaseSync, SqliteError, Scope> =>
  Effect.gen(function* () {
    const sqlite = SqliteConnection.load()
    if (sqlite === undefined) return yield* unusable(location, "this Node.js was built without SQLite")
    const timeout = Duration.toMillis(SqliteConnection.BUSY_HOLD)
    const database = yield* Effect.acquireRelease(
      SqliteConnection.attempt(() => new sqlite.DatabaseSync(location, { timeout })),
      (opened) => Effect.sync(() => opened.close())
    )
    for (const setting of SETTINGS) yield* SqliteConnection.attempt(() => database.exec(setting))
    yield* SqliteConnection.attempt(() => database.prepare("SELECT count(*) FROM sqlite_schema").all())
    if (isChecked) yield* check(database, location)
    return database
  }).pipe(Effect.catchTag("SqlError", (error) => Effect.fail(ofStatement(location)(error))))

const isDamaged = ({ reason }: SqliteError): boolean => reason._tag === "DatabaseDamaged"

/** Makes the file, so that it is its owner's alone from the first moment; SQLite gives its companions the same mode. */
const prepare = Effect.fnUntraced(function* (location: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* PrivateDirectory.make(fs, path.dirname(location))
  yield* Effect.scoped(fs.open(location, { flag: "a", mode: AtomicFile.PRIVATE_MODE }))
  yield* fs.chmod(location, AtomicFile.PRIVATE_MODE)
})

/** Under a lock, and after another look: of two processes that find the damage, the slower is not to move the new file. */
const beginAnew = Effect.fnUntraced(function* (location: string, cause: SqliteError) {
  const fs = yield* FileSystem.FileSystem
  const aside = `${location}.damaged`
  const moveAside = Effect.gen(function* () {
    const isStill = yield* Effect.scoped(openAt(location, true)).pipe(
      Effect.as(false),
      Effect.catchIf(isDamaged, () => Effect.succeed(true))
    )
    if (!isStill) return
    for (const companion of ["", ...COMPANIONS]) {
      yield* fs.remove(aside + companion, { force: true })
      if (yield* fs.exists(location + companion)) yield* fs.rename(location + companion, aside + companion)
    }
    yield* fs.remove(location + SUSPECT, { force: true })
    yield* prepare(location)
    yield* Effect.logWarning(`${cause.message}. It was moved to ${aside}, and begun anew.`)
  })
  yield* FileLock.withLock(`${location}.lock`, moveAside)
})

const open = Effect.fnUntraced(function* ({ location, onDamage }: Options) {
  const refused = (error: PlatformError | SqliteError) =>
    error._tag === "SqliteError" ? error : unusable(location, problemOf(error))
  const fs = yield* FileSystem.FileSystem
  const suspect = location + SUSPECT
  const [isSuspect, wasLeftOpen] = yield* Effect.mapError(
    Effect.all([fs.exists(suspect), fs.exists(location + LOG), prepare(location)]),
    refused
  )
  const database = yield* openAt(location, isSuspect || wasLeftOpen).pipe(
    Effect.catchIf(
      (error) => onDamage === "begin-anew" && isDamaged(error),
      (error) => Effect.andThen(Effect.mapError(beginAnew(location, error), refused), openAt(location, false))
    )
  )
  if (isSuspect) yield* Effect.ignore(fs.remove(suspect, { force: true }))
  const onDamaged = Effect.ignore(fs.writeFileString(suspect, "", { mode: AtomicFile.PRIVATE_MODE }))
  return { database, onDamaged }
})

interface Opened {
  readonly database: DatabaseSync
  /** To be done when a statement finds it damaged. */
  readonly onDamaged: Effect.Effect<void>
}

const client = Effect.fnUntraced(function* ({ database, onDamaged }: Opened) {
  const connection = SqliteConnection.make(database, onDamaged)
  const semaphore = yield* Semaphore.make(1)
  return yield* SqlClient.make({
    driver: "node:sqlite",
    compiler: Statement.makeCompilerSqlite(),
    beginTransaction: "BEGIN IMMEDIATE",
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    prepareTransactionControls: true,
    spanAttributes: [["db.system.name", "sqlite"]],
    ...SqlClient.makeSqliteAcquirers({
      connection: Effect.succeed(connection),
      semaphore,
      isTransaction: () => database.isTransaction
    })
  })
})

/** A client for the database at a place, which is made where it is not there; closed with the scope. */
export const layer = (
  options: Options
): Layer.Layer<SqlClient.SqlClient, SqliteError, FileSystem.FileSystem | Path.Path | SecureRandom> =>
  Layer.effect(SqlClient.SqlClient, Effect.flatMap(open(options), client)).pipe(Layer.provide(Reactivity.layer))

/** `<home>/state.db`, all of which can be found out anew. */
export const layerHome = Layer.unwrap(
  Effect.map(Home, ({ state }) => layer({ location: state, onDamage: "begin-anew" }))
)

/** One that is gone with the scope. */
export const layerMemory: Layer.Layer<SqlClient.SqlClient, SqliteError> = Layer.effect(
  SqlClient.SqlClient,
  Effect.flatMap(openAt(IN_MEMORY, false), (database) => client({ database, onDamaged: Effect.void }))
).pipe(Layer.provide(Reactivity.layer))
