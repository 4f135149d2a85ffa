/**
 * The newest word of a publisher about one package: out of what the network gives, what peers hand on
 * and what this host remembers, the record with the highest sequence number. So nobody can take a user
 * back to an older one, and what was held back is seen.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Instant from "../core/Instant.ts"
import type { PackageName } from "../core/PackageName.ts"
import type { PublicKey } from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"
import type { Asked, Inquiry } from "./Inquiry.ts"
import * as Lookup from "./Lookup.ts"
import * as Package from "./Package.ts"
import * as ReleaseLookup from "./ReleaseLookup.ts"

export interface Looked {
  readonly publisher: PublicKey
  readonly name: PackageName
  readonly pair: Lookup.Pair
  /** The newest; `undefined` where there is none, or where it speaks of another package. */
  readonly found: Lookup.Found<Package.Package> | undefined
  /** Older ones, the remembered first: they may contradict the newest. */
  readonly older: ReadonlyArray<Lookup.Found<Package.Package>>
  readonly asked: Asked
}

const sourceOf = ({ local, remote }: Lookup.Pair, used: Record.Record | undefined): Asked["source"] =>
  used === undefined ? "none" : used === remote ? "network" : used === local ? "memory" : "peers"

/** Asks the network and the own memory; `handedOn` is what peers gave. Nothing is remembered, and nothing judged. */
export const look = Effect.fnUntraced(function* (publisher: PublicKey, name: PackageName, handedOn?: Record.Record) {
  const keyString = KeyString.packageOf(name)
  const pair = yield* Lookup.both(publisher, keyString)
  const records = [pair.local, pair.remote, handedOn, ...pair.rivals].filter((record) => record !== undefined)
  const newest = records.length === 0 ? undefined : records.reduce(Record.newer)
  const open = (record: Record.Record) => Lookup.openWith(Package.decode, record, keyString)
  const isOfName = ({ value }: Lookup.Found<Package.Package>) => value.n === name
  const found = newest === undefined ? undefined : yield* Effect.fromResult(open(newest))
  const older: Array<Lookup.Found<Package.Package>> = []
  for (const record of records) {
    if (record === newest || older.some((each) => each.record === record)) continue
    older.push(...Option.toArray(Option.filter(Result.getSuccess(open(record)), isOfName)))
  }
  const asked: Asked = {
    kind: "package",
    keyString,
    publicKey: publisher,
    seq: newest?.seq,
    found: newest !== undefined,
    responders: pair.responders,
    source: sourceOf(pair, newest)
  }
  return {
    publisher,
    name,
    pair,
    found: found !== undefined && isOfName(found) ? found : undefined,
    older,
    asked
  } satisfies Looked
})

/** What the records at hand say of `version`, the remembered first. */
export const statementsOf = (
  { found, older, pair }: Looked,
  version: Version
): ReadonlyArray<ReleaseLookup.Statement> => {
  const statements = (found === undefined ? older : [...older, found])
    .filter(({ value }) => value.l.v === version)
    .map(({ record, value }) => ({ record, release: value.l }))
  const isLocal = ({ record }: ReleaseLookup.Statement) => record === pair.local
  return [...statements.filter(isLocal), ...statements.filter((each) => !isLocal(each))]
}

/**
 * The newest record, remembered from now on. What an older one says against it is kept as a proof before
 * the older one is forgotten, whichever version is wanted.
 */
export const adopt = (inquiry: Inquiry, looked: Looked) => {
  const { found, older, pair } = looked
  // Most looks bring what is known: then there is nothing to weigh, to remember or to warn of.
  return found === undefined || (older.length === 0 && found.record === pair.local && pair.local === pair.remote)
    ? Effect.succeed(found)
    : adoptNews(inquiry, looked, found)
}

const adoptNews = Effect.fnUntraced(function* (inquiry: Inquiry, looked: Looked, found: Lookup.Found<Package.Package>) {
  const { name, older, pair, publisher } = looked
  for (const { value } of older) {
    yield* ReleaseLookup.keepProof({ publisher, name, version: value.l.v }, statementsOf(looked, value.l.v))
  }
  if (found.record !== pair.local) yield* Lookup.remember(found.record)
  if (pair.isOffline) {
    const days = Math.max(
      0,
      Math.floor(Duration.toDays(Duration.millis((yield* Clock.currentTimeMillis) - found.value.t)))
    )
    const age = days === 0 ? "today" : days === 1 ? "a day ago" : `${days} days ago`
    inquiry.warn(
      "offline",
      `The network was not asked about ${name}: what is known of it here was signed ${age}, ${Instant.day(found.value.t)}.`
    )
  } else if (pair.remote === undefined) {
    inquiry.warn("withheld", `The network gave no record of ${name}; what was known of it already is used.`)
  } else if (pair.remote.seq < found.record.seq) {
    const seqs = `number ${pair.remote.seq}, though number ${found.record.seq} is known`
    inquiry.warn("rollback", `The network served an old record of ${name}, ${seqs}. The newer one is used.`)
  }
  return found
})
