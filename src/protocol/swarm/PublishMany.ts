/**
 * Publishes many packages of one key side by side. Each goes all of its steps as if it were alone, with
 * two exceptions: versions of one package take turns, since they share its record, and the catalogue is
 * written by one for all who wait for it, again and again, since that is one record for all packages.
 *
 * Every release is stored, seeded and in the network before the catalogue lists it, and its name is
 * claimed after that, as it is for a package alone; a run that was cut off is finished in the same way.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Semaphore from "effect/Semaphore"
import type { KeyPair } from "../core/KeyPair.ts"
import * as Latin1 from "../core/Latin1.ts"
import { Dht } from "../dht/Dht.ts"
import type { PageStore } from "../dht/PageStore.ts"
import * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import type * as Package from "../registry/Package.ts"
import * as PublicationLog from "../registry/PublicationLog.ts"
import type * as Publish from "../registry/Publish.ts"
import * as PublisherRecords from "../registry/PublisherRecords.ts"
import type { RegistryError } from "../registry/RegistryError.ts"
import * as OwnLookups from "./OwnLookups.ts"
import { type PackedPackage, publishPackage } from "./PublishPackage.ts"

interface Waiting {
  readonly pkg: Package.Package
  readonly now: number
  readonly written: Deferred.Deferred<PublisherRecords.WrittenAnnounce, RegistryError>
}

/**
 * Writes the catalogue for whoever waits, all of them at once, until the scope closes: while it is
 * written, others come to wait for the next time.
 */
const catalogueOf = Effect.fnUntraced(function* (keyPair: KeyPair) {
  const context = yield* Effect.context<Dht | PageStore | RecordStore>()
  const queue = yield* Queue.unbounded<Waiting>()

  const writeFor = (waiting: ReadonlyArray<Waiting>) =>
    PublisherRecords.writeAnnounceOf(
      keyPair,
      waiting.map(({ pkg }) => pkg),
      { now: Math.max(...waiting.map(({ now }) => now)), refresh: true, yields: true }
    ).pipe(
      Effect.onExit((exit) =>
        Effect.forEach(
          waiting,
          ({ pkg, written }) =>
            Deferred.complete(
              written,
              Effect.map(exit, ({ newest, ...rest }) => ({ ...rest, newest: newest.get(pkg.n) ?? pkg.l.v }))
            ),
          { discard: true }
        )
      ),
      Effect.exit
    )

  yield* Queue.takeAll(queue).pipe(
    Effect.flatMap(writeFor),
    Effect.forever,
    Effect.provideContext(context),
    Effect.forkScoped
  )
  const announce: Publish.Announcing = Effect.fnUntraced(function* (pkg, now) {
    const written = Deferred.makeUnsafe<PublisherRecords.WrittenAnnounce, RegistryError>()
    yield* Queue.offer(queue, { pkg, now, written })
    return yield* Deferred.await(written)
  })
  return announce
})

/** Reads all records once, and follows what this process adds: each publication looks through all of them. */
const rememberingAll = Effect.fnUntraced(function* (base: RecordStore["Service"]) {
  const keyOf = ({ publicKey, salt }: Record.Record) => Latin1.fromBytes(publicKey) + Latin1.fromBytes(salt)
  const first = yield* Effect.cached(
    Effect.map(base.all, (records) => new Map(records.map((record) => [keyOf(record), record])))
  )
  return RecordStore.of({
    ...base,
    remember: Effect.fnUntraced(function* (record) {
      yield* base.remember(record)
      const all = yield* first
      const known = all.get(keyOf(record))
      all.set(keyOf(record), known === undefined ? record : Record.newer(known, record))
    }),
    all: Effect.map(first, (all) => [...all.values()])
  })
})

/** Notes each publication when it begins; what it has done since, nobody waits to read. */
const notingFirst = (base: PublicationLog.PublicationLog["Service"]) =>
  PublicationLog.PublicationLog.of({
    ...base,
    note: (draft) => (draft.done.length <= 1 ? base.note(draft) : Effect.void)
  })

/**
 * A publisher of many packages, until the scope closes; what it published is seeded as long. Nobody else may
 * publish with the key in the meantime, in this home.
 */
export const make = Effect.fn("PublishMany.make")(function* (keyPair: KeyPair) {
  const dht = OwnLookups.make(yield* Dht, keyPair.publicKey)
  const records = yield* rememberingAll(yield* RecordStore)
  const log = notingFirst(yield* PublicationLog.current)
  const services = Context.make(Dht, dht).pipe(
    Context.add(RecordStore, records),
    Context.add(PublicationLog.PublicationLog, log)
  )
  const announce = yield* Effect.provideContext(catalogueOf(keyPair), services)
  /** One turn at a time for each name. */
  const turns = new Map<string, Semaphore.Semaphore>()
  const turnOf = (name: string): Semaphore.Semaphore => {
    const turn = turns.get(name) ?? Semaphore.makeUnsafe(1)
    turns.set(name, turn)
    return turn
  }
  return {
    /** The network, with a memory of some seconds for what it says of the key's own records. */
    dht,
    /** As `publishPackage`; any number at a time. */
    publish: (packed: PackedPackage, options?: Pick<Publish.Options, "onStep">) =>
      publishPackage(keyPair, packed, { ...options, announce }).pipe(
        Effect.provideContext(services),
        turnOf(packed.name).withPermits(1)
      )
  }
})
