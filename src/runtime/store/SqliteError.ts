/** Ways in which a SQLite database of this host can fail, each with which file it is and what to do about it. */
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as Predicate from "effect/Predicate"
import * as StorageHint from "../../protocol/core/StorageHint.ts"
import { ExitCode } from "../../protocol/core/Errors.ts"

/** The file cannot be opened, read or written. */
export class DatabaseUnusable extends Schema.TaggedError<DatabaseUnusable>()("DatabaseUnusable", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  get hint() {
    return StorageHint.of(this.problem, "Check that its directory exists, belongs to you and has free space.")
  }
  override get message() {
    return `The database ${this.location} cannot be used: ${this.problem}`
  }
}

/** What is in the file is no database, or a torn one. */
export class DatabaseDamaged extends Schema.TaggedError<DatabaseDamaged>()("DatabaseDamaged", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  readonly hint = "Bring it back from a copy, or move it away to begin anew."
  override get message() {
    return `The database ${this.location} is damaged: ${this.problem}`
  }
}

/** A later version of this program has changed the tables: this one could misread them, and what it writes be lost. */
export class DatabaseNewer extends Schema.TaggedError<DatabaseNewer>()("DatabaseNewer", {
  location: Schema.String,
  /** Whose tables. */
  owner: Schema.String,
  found: Schema.Int,
  known: Schema.Int
}) {
  readonly exitCode = ExitCode.storage
  readonly hint = "Use the version that you used before, or a later one; or choose another home directory with --home."
  override get message() {
    return `The database ${this.location} was made by a newer version: its ${this.owner} tables are of version ${this.found}, and this one knows them up to ${this.known}`
  }
}

export class SqliteError extends Schema.TaggedError<SqliteError>()("SqliteError", {
  reason: Schema.Union([DatabaseUnusable, DatabaseDamaged, DatabaseNewer])
}) {
  override get message() {
    return this.reason.message
  }
}

/** Result codes of SQLite (https://sqlite.org/rescode.html); the low byte of an extended code. */
export const ResultCode = { busy: 5, corrupt: 11, notADatabase: 26 } as const

/** The primary result code that `node:sqlite` gave with a failure; `undefined` where it is none of SQLite. */
export const codeOf = (cause: unknown): number | undefined =>
  Predicate.hasProperty(cause, "errcode") && typeof cause.errcode === "number" ? cause.errcode & 0xff : undefined

export const isDamage = (cause: unknown): boolean => {
  const code = codeOf(cause)
  return code === ResultCode.corrupt || code === ResultCode.notADatabase
}

const wordsOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** A failure of the file at `location`, whatever it was thrown by. */
export const failed = (location: string, cause: unknown): SqliteError =>
  new SqliteError({
    reason: isDamage(cause)
      ? new DatabaseDamaged({ location, problem: wordsOf(cause) })
      : new DatabaseUnusable({ location, problem: wordsOf(cause) })
  })

/** A failed statement on the database at `location`. */
export const ofStatement =
  (location: string) =>
  (error: SqlError): SqliteError =>
    failed(location, error.reason.cause)
