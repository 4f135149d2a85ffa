/**
 * An index of the package store, in `<home>/store.db`: a row a release. Whoever adds or removes releases knows
 * nothing of it; it is brought into agreement with the directories whenever it is opened, which takes a look at
 * each release and reads those that are new. So it can be thrown away at any time, and is never wrong for long.
 *
 * Loads SQLite: import it lazily.
 */
import * as Fs from "node:fs"
import * as NodePath from "node:path"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as Infohash from "../../protocol/core/Infohash.ts"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import type { PublicKey } from "../../protocol/core/PublicKey.ts"
import type { Version } from "../../protocol/core/Version.ts"
import * as Manifest from "../../protocol/registry/Manifest.ts"
import { PackageStore } from "../../protocol/swarm/PackageStore.ts"
import { Home } from "./Home.ts"
import * as Sqlite from "./Sqlite.ts"
import * as StoredFile from "./StoredFile.ts"

/** Whose tables these are, in words of a user. */
export const OWNER = "store index"

/** Only ever added to. */
export const migrations: ReadonlyArray<Sqlite.Migration> = [
  {
    name: "releases by key",
    up: (sql) =>
      Effect.all([
        sql`CREATE TABLE releases (
          key TEXT PRIMARY KEY, stamp TEXT NOT NULL, publisher BLOB NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
          infohash TEXT NOT NULL, tarball_sha256 TEXT NOT NULL, content_hash TEXT, bytes INTEGER NOT NULL,
          added_at INTEGER NOT NULL, used_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID`,
        sql`CREATE INDEX releases_by_name ON releases (name, version)`,
        sql`CREATE INDEX releases_by_content ON releases (content_hash)`
      ])
  }
]

/** A release that is stored. Times are Unix milliseconds. */
export interface Indexed {
  /** Name of its directory. */
  readonly key: string
  readonly publisher: PublicKey
  readonly name: PackageName
  readonly version: Version
  /** Hex. */
  readonly infohash: string
  /** Hex; `undefined` where its manifest was not as it was signed when it was read. */
  readonly contentHash: string | undefined
  /** Of manifest and tarball. */
  readonly bytes: number
  readonly addedAt: number
  readonly usedAt: number
}

/** What bringing the index up to date came to. */
export interface Refreshed {
  readonly releases: number
  /** Read, because they were new or others than the index said. */
  readonly read: number
  readonly forgotten: number
  /** Directories in which no release is to be read. */
  readonly illegible: ReadonlyArray<string>
}

interface Row {
  readonly key: string
  readonly stamp: string
  readonly publisher: Uint8Array
  readonly name: string
  readonly version: string
  readonly infohash: string
  readonly tarball_sha256: string
  readonly content_hash: string | null
  readonly bytes: number
  readonly added_at: number
  readonly used_at: number
}

/** Looked at before others get their turn: some 5 ms. */
const LOOK_SLICE = 500
/** Rows written at once. */
const WRITE_SLICE = 200
const READ_CONCURRENCY = 16

/** How a stored release looks from outside: `stamp` is another one when another release was put in its place. */
const look = (directory: string) => {
  const info = Fs.statSync(NodePath.join(directory, StoredFile.FILE_NAME), { throwIfNoEntry: false })
  if (info === undefined) return undefined
  return { stamp: `${info.ino} ${info.birthtimeMs} ${info.size}`, usedAt: Math.floor(info.mtimeMs) }
}

const timeOf = (location: string): number | undefined => {
  const info = Fs.statSync(location, { throwIfNoEntry: false })
  return info === undefined ? undefined : Math.floor(info.mtimeMs)
}

const indexedOf = (row: Row): Indexed => ({
  key: row.key,
  publisher: row.publisher as PublicKey,
  name: row.name as PackageName,
  version: row.version as Version,
  infohash: row.infohash,
  contentHash: row.content_hash ?? undefined,
  bytes: row.bytes,
  addedAt: row.added_at,
  usedAt: row.used_at
})

const make = Effect.gen(function* () {
  yield* Sqlite.migrate(OWNER, migrations)
  const { packages, store: location } = yield* Home
  const sql = yield* SqlClient.SqlClient
  const store = yield* PackageStore
  const failed = Sqlite.ofStatement(location)

  /** `None` where it is not legible. What its manifest says is taken only from the manifest that was signed. */
  const readRow = Effect.fnUntraced(function* (key: string) {
    const stored = Option.getOrUndefined(yield* store.get(key))
    const directory = NodePath.join(packages, key)
    const seen = look(directory)
    if (stored === undefined || seen === undefined) return Option.none<Row>()
    const { publisher, release, torrent } = stored
    const manifest = yield* Effect.scoped(
      Effect.flatMap(store.open(stored), (content) => content.read(0, torrent.manifest.length))
    ).pipe(
      Effect.flatMap((bytes) => Manifest.verify(bytes, release, publisher)),
      Effect.option
    )
    return Option.some<Row>({
      key,
      stamp: seen.stamp,
      publisher,
      name: release.n,
      version: release.v,
      infohash: Infohash.toHex(torrent.infohash),
      tarball_sha256: Hex.encode(release.h),
      content_hash: Option.isSome(manifest) ? manifest.value.contentHash : null,
      bytes: torrent.totalLength,
      added_at: timeOf(NodePath.join(directory, torrent.tarball.path)) ?? seen.usedAt,
      used_at: seen.usedAt
    })
  })

  const write = Effect.fnUntraced(function* (rows: ReadonlyArray<Row>) {
    for (const slice of Arr.chunksOf(rows, WRITE_SLICE)) {
      yield* sql`INSERT OR REPLACE INTO releases ${sql.insert(Arr.map(slice, (row) => ({ ...row })))}`
      yield* Effect.yieldNow
    }
  })

  const forget = Effect.fnUntraced(function* (keys: ReadonlyArray<string>) {
    for (const slice of Arr.chunksOf(keys, WRITE_SLICE)) yield* sql`DELETE FROM releases WHERE ${sql.in("key", slice)}`
  })

  const compare = Effect.fnUntraced(function* (keys: ReadonlyArray<string>, known: ReadonlyMap<string, Row>) {
    const toRead: Array<string> = []
    const used: Array<Row> = []
    for (const [at, key] of keys.entries()) {
      if (at % LOOK_SLICE === LOOK_SLICE - 1) yield* Effect.yieldNow
      const row = known.get(key)
      const seen = row === undefined ? undefined : look(NodePath.join(packages, key))
      if (row === undefined || seen?.stamp !== row.stamp) toRead.push(key)
      else if (seen.usedAt !== row.used_at) used.push({ ...row, used_at: seen.usedAt })
    }
    return { toRead, used }
  })

  const refresh = Effect.gen(function* () {
    const keys = yield* store.keys
    const rows = yield* sql<Row>`SELECT * FROM releases`
    const known = new Map(rows.map((row) => [row.key, row]))
    const { toRead, used } = yield* compare(keys, known)
    const read = yield* Effect.forEach(toRead, (key) => Effect.option(readRow(key)), { concurrency: READ_CONCURRENCY })
    const fresh = read.flatMap((row) => Option.toArray(Option.flatten(row)))
    const legible = new Set(fresh.map(({ key }) => key))
    const illegible = toRead.filter((key) => !legible.has(key))
    const there = new Set(keys)
    const gone = [...known.keys()].filter((key) => !there.has(key) || illegible.includes(key))
    yield* sql.withTransaction(Effect.andThen(write([...used, ...fresh]), forget(gone)))
    return {
      releases: keys.length - illegible.length,
      read: fresh.length,
      forgotten: gone.length,
      illegible
    } satisfies Refreshed as Refreshed
  }).pipe(Effect.catchTag("SqlError", (error) => Effect.fail(failed(error))))

  return {
    /** Agrees with the directories afterwards. */
    refresh,
    /** All releases, by name. As of the last {@link refresh}. */
    all: sql<Row>`SELECT * FROM releases ORDER BY name, version, key`.pipe(
      Effect.map((rows): ReadonlyArray<Indexed> => rows.map(indexedOf)),
      Effect.mapError(failed)
    ),
    /** All releases of one name. As of the last {@link refresh}. */
    of: (name: PackageName) =>
      sql<Row>`SELECT * FROM releases WHERE name = ${name} ORDER BY version, key`.pipe(
        Effect.map((rows): ReadonlyArray<Indexed> => rows.map(indexedOf)),
        Effect.mapError(failed)
      )
  }
})

export type StoreIndex = Effect.Success<typeof make>

const openIn = Effect.fnUntraced(function* <R>(database: Layer.Layer<SqlClient.SqlClient, Sqlite.SqliteError, R>) {
  const context = yield* Layer.build(database)
  const index = yield* Effect.provideContext(make, context)
  const refreshed = yield* index.refresh
  return { index, refreshed }
})

/**
 * The index of this home, up to date when it is given; its database is closed with the scope. Where the disk takes no
 * more it is made anew in memory: whoever wants to make room must be able to see what there is.
 */
export const open = Effect.gen(function* () {
  const { store: location } = yield* Home
  return yield* openIn(Sqlite.layer({ location, onDamage: "begin-anew" })).pipe(
    Effect.catchIf(
      (error) => error._tag === "SqliteError" && error.reason._tag === "DatabaseUnusable",
      (error) => Effect.andThen(Effect.logDebug(error.message), openIn(Sqlite.layerMemory))
    )
  )
})
