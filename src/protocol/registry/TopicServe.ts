/**
 * The answering side of a name's topic, for publishers and seeders: the claims that this host
 * remembers of a name, and the records that it holds of packages under that name. It reads nothing
 * from the network for whoever asks, and no more from its own stores than once in a while.
 */
import * as Bytes from "effect/Bytes"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type { Ed25519 } from "../core/Ed25519.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import { Dht } from "../dht/Dht.ts"
import * as KeyString from "../dht/KeyString.ts"
import type { PageStore } from "../dht/PageStore.ts"
import * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import { ANSWER_ITEMS_MAX, noAnswer, type TopicAnswer, TopicPeers } from "../dht/TopicPeers.ts"
import * as NameClaim from "./NameClaim.ts"
import * as NameIndexMemory from "./NameIndexMemory.ts"
import * as PackageRecord from "./PackageRecord.ts"
import { type RegistryError, toRegistryError } from "./RegistryError.ts"

/** Package records in one answer: those of more publishers than anybody will try. */
export const ANSWER_RECORDS_MAX = 100

/** How long an answer is given again before it is made anew, so that questions cost less than asking them. */
export const ANSWER_LIFETIME: Duration.Duration = Duration.seconds(10)

/** How long the list of all that is held is used: making it reads the whole store. */
export const HELD_LIFETIME: Duration.Duration = Duration.minutes(1)

/** Between two looks for names that came to be held. */
export const NAMES_INTERVAL: Duration.Duration = Duration.minutes(10)

/** Topics announced at a time. */
const CONCURRENCY = 8

/** The name that a record is the package record of. */
const nameOf = (record: Record.Record): Option.Option<PackageName> =>
  Option.getSuccess(PackageRecord.decode(record.value)).pipe(
    Option.map(({ n }) => n),
    Option.filter((name) => Bytes.Equivalence(record.salt, KeyString.saltOf(KeyString.packageOf(name))))
  )

/** Package records by the name of their package. */
type Held = ReadonlyMap<PackageName, ReadonlyArray<Record.Record>>

const readHeld = Effect.gen(function* () {
  const store = yield* RecordStore
  const records = yield* store.all.pipe(Effect.mapError(toRegistryError))
  const held = new Map<PackageName, Array<Record.Record>>()
  for (const record of records) {
    const name = Option.getOrUndefined(nameOf(record))
    if (name === undefined) continue
    const ofName = held.get(name)
    if (ofName === undefined) held.set(name, [record])
    else ofName.push(record)
  }
  return held satisfies Held
})

/** Claims of publishers whose packages are held here first, then a part of the others, each time another one. */
const select = Effect.fnUntraced(function* (
  claims: NameClaim.ClaimSet,
  records: ReadonlyArray<Record.Record>,
  most: number
) {
  const publishers = new Set(records.map(({ publicKey }) => PublicKey.toHex(publicKey)))
  const first = [...claims].flatMap(([key, claim]) => (publishers.has(key) ? [claim] : []))
  const others = [...claims].flatMap(([key, claim]) => (publishers.has(key) ? [] : [claim]))
  const room = Math.max(0, most - first.length)
  if (others.length <= room) return [...first, ...others]
  const from = yield* Random.nextIntBetween(0, others.length)
  return [...first, ...others.slice(from), ...others.slice(0, from)].slice(0, most)
})

const answerOf = Effect.fnUntraced(function* <R>(
  name: PackageName,
  readOrKnown: Effect.Effect<Held, RegistryError, R>
) {
  const dht = yield* Dht
  // A stranger's question makes no look-ups: pages that are lacking here are lacking in the answer.
  const withoutNetwork = Dht.of({ ...dht, getImmutable: () => Effect.succeedNone })
  const place = yield* NameIndexMemory.placeOf(name)
  const { claims } = yield* NameIndexMemory.recall(place).pipe(Effect.provideService(Dht, withoutNetwork))
  const records = ((yield* readOrKnown).get(name) ?? []).slice(0, ANSWER_RECORDS_MAX)
  const selected = yield* select(claims, records, ANSWER_ITEMS_MAX - records.length)
  return {
    claims: selected.map(NameClaim.encode),
    records: records.map(Record.toBytes)
  } satisfies TopicAnswer
})

const serveWith = Effect.fnUntraced(function* <R>(name: PackageName, held: Effect.Effect<Held, RegistryError, R>) {
  const peers = yield* TopicPeers
  const context = yield* Effect.context<Dht | Ed25519 | PageStore | RecordStore | R>()
  const answer = answerOf(name, held).pipe(
    Effect.catch((error) =>
      Effect.as(Effect.logWarning(`A question about "${name}" was not answered: ${error.message}`), noAnswer)
    ),
    Effect.provideContext(context)
  )
  const topic = KeyString.topicOf(KeyString.nameIndex(name))
  yield* peers.serve(topic, yield* Effect.cachedWithTTL(answer, ANSWER_LIFETIME)).pipe(Effect.mapError(toRegistryError))
})

/** Serves one name until the scope closes. */
export const serve = Effect.fn("NameIndex.serve")(function* (name: PackageName) {
  yield* serveWith(name, yield* Effect.cachedWithTTL(readHeld, HELD_LIFETIME))
})

/**
 * Serves every name that this host holds a package record of, until the scope closes; those that come
 * later within {@link NAMES_INTERVAL}. A name that cannot be announced is tried again then.
 */
export const serveAll = Effect.fn("NameIndex.serveAll")(function* () {
  const held = yield* Effect.cachedWithTTL(readHeld, HELD_LIFETIME)
  const served = new Set<PackageName>()
  const serveNew = Effect.gen(function* () {
    const names = [...(yield* held).keys()].filter((name) => !served.has(name))
    const serveOne = (name: PackageName) =>
      serveWith(name, held).pipe(
        Effect.map(() => served.add(name)),
        Effect.catch((error) => Effect.logWarning(`Claims on "${name}" are not served yet: ${error.message}`))
      )
    yield* Effect.forEach(names, serveOne, { concurrency: CONCURRENCY, discard: true })
  })
  yield* serveNew
  yield* Effect.sleep(NAMES_INTERVAL).pipe(
    Effect.andThen(serveNew),
    Effect.catch((error) => Effect.logWarning(`Names to serve could not be looked for: ${error.message}`)),
    Effect.forever,
    Effect.forkScoped
  )
})
