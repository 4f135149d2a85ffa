/**
 * The items that a node holds for others in a table of a SQLite database (`Sqlite`). A file is as hostile as
 * the network: rows of other types or sizes than an item has are never read but counted and deleted, and
 * what is read is checked again by the store.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { SIGNATURE_BYTES } from "../../../protocol/core/Ed25519.ts"
import { PUBLIC_KEY_BYTES } from "../../../protocol/core/PublicKey.ts"
import * as Sqlite from "../../store/Sqlite.ts"
import { SALT_MAX_BYTES, VALUE_MAX_BYTES } from "../KrpcItem.ts"
import { NODE_ID_BYTES } from "../KrpcMessage.ts"
import { type Archived, ArchiveUnavailable, type Changes, type ItemArchive } from "./ItemArchive.ts"
import { ITEMS_MAX } from "./ItemStore.ts"

/** Rows read or written before other work gets its turn: some 5 ms. */
const SLICE = 200

/** Longer than any `host:port`. */
const SENDER_MAX_CHARS = 64

const migrations: ReadonlyArray<Sqlite.Migration> = [
  {
    name: "items held for others",
    up: (sql) =>
      Effect.andThen(
        sql`CREATE TABLE held_items (
          target BLOB PRIMARY KEY, value BLOB NOT NULL, public_key BLOB, signature BLOB, salt BLOB, seq INTEGER,
          put_at INTEGER NOT NULL, sender TEXT NOT NULL
        ) STRICT, WITHOUT ROWID`,
        sql`CREATE INDEX held_items_by_age ON held_items (put_at, target)`
      )
  }
]

interface Row {
  readonly target: Uint8Array
  readonly value: Uint8Array
  readonly public_key: Uint8Array | null
  readonly signature: Uint8Array | null
  readonly salt: Uint8Array | null
  readonly seq: number | null
  readonly put_at: number
  readonly sender: string
}

/**
 * What a row must be to be read: a number past 2^53 alone would make the whole page throw, a blob can fill the memory.
 * The `+` keeps SQLite from looking up pages by the age alone, through all that come before.
 */
const isRow = (sql: SqlClient.SqlClient) => sql`
  typeof(target) = 'blob' AND length(target) = ${NODE_ID_BYTES}
  AND typeof(value) = 'blob' AND length(value) <= ${VALUE_MAX_BYTES}
  AND typeof(put_at) = 'integer' AND +put_at BETWEEN 0 AND ${Number.MAX_SAFE_INTEGER}
  AND typeof(sender) = 'text' AND length(sender) <= ${SENDER_MAX_CHARS}
  AND ((public_key IS NULL AND signature IS NULL AND salt IS NULL AND seq IS NULL) OR (
    typeof(public_key) = 'blob' AND length(public_key) = ${PUBLIC_KEY_BYTES}
    AND typeof(signature) = 'blob' AND length(signature) = ${SIGNATURE_BYTES}
    AND typeof(salt) = 'blob' AND length(salt) <= ${SALT_MAX_BYTES}
    AND typeof(seq) = 'integer' AND seq BETWEEN 0 AND ${Number.MAX_SAFE_INTEGER}))`

/** Whoever comes with an older version than is there has not seen it; values that are their own hash have none. */
const unlessNewer = (sql: SqlClient.SqlClient) => sql`
  ON CONFLICT (target) DO UPDATE SET value = excluded.value, public_key = excluded.public_key,
    signature = excluded.signature, salt = excluded.salt, seq = excluded.seq, put_at = excluded.put_at,
    sender = excluded.sender
  WHERE seq IS NULL OR excluded.seq >= seq`

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))

const archivedOf = ({ public_key, put_at, salt, sender, seq, signature, target, value }: Row): Archived => ({
  target: hexOf(target),
  item: {
    value,
    mutable:
      public_key === null || signature === null || salt === null || seq === null
        ? undefined
        : { publicKey: public_key, signature, salt, seq }
  },
  putAt: put_at,
  sender
})

const rowOf = ({ item: { mutable, value }, putAt, sender, target }: Archived): Row & Record<string, unknown> => ({
  target: bytesOf(target),
  value,
  public_key: mutable?.publicKey ?? null,
  signature: mutable?.signature ?? null,
  salt: mutable?.salt ?? null,
  seq: mutable?.seq ?? null,
  put_at: putAt,
  sender
})

/** The archive in the database around, whose tables it makes where they are not there. Of those not pinned, at most `itemsMax` rows are read. */
export const make = Effect.fnUntraced(function* (itemsMax: number = ITEMS_MAX) {
  yield* Sqlite.migrate("items", migrations)
  const sql = yield* SqlClient.SqlClient
  const failed =
    (action: "read" | "written") =>
    ({ message, reason }: SqlError): ArchiveUnavailable => {
      const problem = reason.cause instanceof Error ? reason.cause.message : message
      return new ArchiveUnavailable({ action, problem })
    }

  /** From where on there are no more rows than a store has room for; a file may hold any number. */
  const startOf = (since: number) =>
    Effect.map(
      sql<{ readonly put_at: number }>`SELECT put_at FROM held_items WHERE put_at > ${since}
        ORDER BY put_at DESC LIMIT 1 OFFSET ${itemsMax}`,
      ([row]) => row?.put_at ?? since
    )

  const pageAfter = (putAt: number, target: Uint8Array) =>
    sql<Row>`SELECT target, value, public_key, signature, salt, seq, put_at, sender FROM held_items
      WHERE (put_at, target) > (${putAt}, ${target}) AND ${isRow(sql)} ORDER BY put_at, target LIMIT ${SLICE}`

  const load = Effect.fnUntraced(function* (
    since: number,
    take: (archived: Archived) => void,
    pinned: Iterable<string> = []
  ) {
    // Others of this process use the connection, too: what it has changed last is theirs but for a transaction.
    const [bad] = yield* sql.withTransaction(
      Effect.andThen(
        sql`DELETE FROM held_items WHERE NOT (${isRow(sql)})`,
        sql<{ readonly rows: number }>`SELECT changes() AS rows`
      )
    )
    const start = yield* startOf(since)
    // What is no hex is NULL, and nothing at all is not in a list with one.
    const pins = sql`SELECT unhex(value) FROM json_each(${JSON.stringify([...pinned])}) WHERE unhex(value) IS NOT NULL`
    yield* sql`DELETE FROM held_items WHERE put_at <= ${start} AND target NOT IN (${pins})`
    // Of the older ones there are no more now than are pinned.
    let last: Pick<Row, "put_at" | "target"> = { put_at: -1, target: new Uint8Array(0) }
    for (;;) {
      const rows = yield* pageAfter(last.put_at, last.target)
      for (const row of rows) take(archivedOf(row))
      const end = rows.at(-1)
      if (end === undefined) return bad?.rows ?? 0
      last = end
      yield* Effect.yieldNow
    }
  })

  const write = ({ gone, kept }: Changes) =>
    sql.withTransaction(
      Effect.gen(function* () {
        for (const slice of Arr.chunksOf(kept, SLICE)) {
          yield* sql`INSERT INTO held_items ${sql.insert(Arr.map(slice, rowOf))} ${unlessNewer(sql)}`
        }
        for (const slice of Arr.chunksOf(gone, SLICE)) {
          yield* sql`DELETE FROM held_items WHERE target IN ${sql.in(slice.map(bytesOf))}`
        }
      })
    )

  const archive: ItemArchive = {
    load: (since, take, pinned) =>
      Effect.catchTag(load(since, take, pinned), "SqlError", (error) => Effect.fail(failed("read")(error))),
    write: (changes) => Effect.catchTag(write(changes), "SqlError", (error) => Effect.fail(failed("written")(error)))
  }
  return archive
})

/**
 * The archive in a database file, open until the scope closes. A damaged file is moved aside and begun anew: what it
 * held comes again with the next puts. Fails with `SqliteError`.
 */
export const open = (location: string, itemsMax?: number) =>
  Effect.flatMap(Layer.build(Sqlite.layer({ location, onDamage: "begin-anew" })), (context) =>
    Effect.provideContext(make(itemsMax), context)
  )
