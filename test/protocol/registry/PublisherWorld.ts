/**
 * A publisher's machine on a network in memory, which can be copied, looked into, and killed at any
 * of its writes: to the network, to a store or to the log.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { TestClock } from "effect/testing"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { PageStore } from "../../../src/protocol/dht/PageStore.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as Tree from "../../../src/protocol/dht/Tree.ts"
import { Observations } from "../../../src/protocol/registry/Observations.ts"
import { Proofs } from "../../../src/protocol/registry/Proofs.ts"
import { type Draft, PublicationLog } from "../../../src/protocol/registry/PublicationLog.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"

export type Services = Fixtures.Host | PublicationLog

export interface Machine {
  readonly network: DhtMemory.Network
  readonly services: Context.Context<Services>
}

/** A machine with empty stores. */
export const machine = (network: DhtMemory.Network): Effect.Effect<Machine> =>
  Layer.build(Layer.merge(Fixtures.host(network), Layer.fresh(PublicationLog.layerMemory))).pipe(
    Effect.map((services) => ({ network, services })),
    Effect.scoped
  )

/** Runs work on the machine at a time, Unix ms. */
export const at = <A, E>({ services }: Machine, now: number, work: Effect.Effect<A, E, Services>) =>
  Effect.andThen(TestClock.setTime(now), Effect.provideContext(work, services)).pipe(
    Effect.provide(Layer.fresh(TestClock.layer()))
  )

const copyOf = (network: DhtMemory.Network): DhtMemory.Network => ({
  items: new Map(network.items),
  immutable: new Map(network.immutable),
  peers: new Map(network.peers)
})

/** Another machine with the same in its stores, on another network with the same in it. */
export const copy = (from: Machine): Effect.Effect<Machine> =>
  Effect.gen(function* () {
    const to = yield* machine(copyOf(from.network))
    const get = <I, S>(key: Context.Key<I, S>, each: Machine) => Context.getUnsafe(each.services, key)
    const store = get(PageStore, from)
    for (const target of yield* store.targets) {
      yield* get(PageStore, to).keep(Option.toArray(yield* store.find(target)))
    }
    for (const record of yield* get(RecordStore, from).all) yield* get(RecordStore, to).remember(record)
    for (const draft of yield* get(PublicationLog, from).all) yield* get(PublicationLog, to).note(draft)
    return to
  }).pipe(Effect.orDie)

/** Counts the machine's writes, and kills it instead of making the one numbered `dies` (from 0). */
const counting = <A, E>(work: Effect.Effect<A, E, Services>, dies: number) =>
  Effect.gen(function* () {
    let writes = 0
    const step = <B, F>(write: Effect.Effect<B, F>): Effect.Effect<B, F> =>
      Effect.suspend(() => (writes++ === dies ? Effect.die("killed") : write))
    const dht = yield* Dht
    const records = yield* RecordStore
    const pages = yield* PageStore
    const log = yield* PublicationLog
    const proofs = yield* Proofs
    const observations = yield* Observations
    const exit = yield* work.pipe(
      Effect.provideService(Dht, {
        ...dht,
        put: (record, options) => step(dht.put(record, options)),
        putImmutable: (page) => step(dht.putImmutable(page)),
        announcePeer: (infohash, port) => step(dht.announcePeer(infohash, port))
      }),
      Effect.provideService(RecordStore, { ...records, remember: (record) => step(records.remember(record)) }),
      Effect.provideService(PageStore, {
        ...pages,
        keep: (kept) => step(pages.keep(kept)),
        drop: (targets) => step(pages.drop(targets))
      }),
      Effect.provideService(PublicationLog, {
        ...log,
        note: (draft) => step(log.note(draft)),
        finish: (publisher, name, version) => step(log.finish(publisher, name, version))
      }),
      Effect.provideService(Proofs, { ...proofs, keep: (proof) => step(proofs.keep(proof)) }),
      Effect.provideService(Observations, {
        ...observations,
        note: (name, publishers, now) => step(observations.note(name, publishers, now))
      }),
      Effect.exit
    )
    return { exit, writes }
  })

/** How many writes the work makes. Fails as the work does. */
export const writesOf = <A, E>(on: Machine, now: number, work: Effect.Effect<A, E, Services>) =>
  Effect.gen(function* () {
    const { exit, writes } = yield* at(on, now, counting(work, -1))
    yield* exit
    return writes
  })

/** Runs the work until its write number `dies`, which is not made any more. */
export const killedAt = <A, E>(on: Machine, now: number, work: Effect.Effect<A, E, Services>, dies: number) =>
  Effect.gen(function* () {
    const { exit } = yield* at(on, now, counting(work, dies))
    if (Exit.isSuccess(exit)) return yield* Effect.die(`it came to its end before write ${dies}`)
  })

const rootOf = (value: Uint8Array): Record.Target | undefined => {
  const decoded = Result.getOrUndefined(Bencode.decode(value))
  if (typeof decoded !== "object" || Array.isArray(decoded) || decoded instanceof Uint8Array) return undefined
  const { r } = decoded as Bencode.Dictionary
  return r instanceof Uint8Array && r.length === 20 ? (r as Uint8Array as Record.Target) : undefined
}

/** Every page of the records' trees; fails where one is not to be had. */
const pagesOf = Effect.fnUntraced(function* (values: ReadonlyArray<Uint8Array>) {
  const targets = new Set<string>()
  for (const value of values) {
    const root = rootOf(value)
    if (root === undefined) continue
    yield* Tree.collect(root, { limit: 100_000 }).pipe(
      Effect.filterOrFail(
        ({ missing }) => missing.length === 0,
        ({ missing }) => `${missing.length} pages are missing`
      )
    )
    for (const target of (yield* Tree.reachable(root)).targets) targets.add(Hex.encode(target))
  }
  return [...targets].toSorted()
})

/** What an observer can tell apart: records and the pages that they refer to, in the network and on the machine, and the log. */
export interface State {
  readonly network: ReadonlyArray<string>
  readonly networkPages: ReadonlyArray<string>
  readonly remembered: ReadonlyArray<string>
  readonly rememberedPages: ReadonlyArray<string>
  readonly unfinished: ReadonlyArray<Draft>
}

const line = ({ publicKey, salt, seq, value }: Record.Item): string =>
  `${Hex.encode(Record.targetOf(publicKey, salt))} seq ${seq} ${Hex.encode(value)}`

/** Fails where a record refers to a page that is not there too. */
export const stateOf = (on: Machine): Effect.Effect<State, unknown> =>
  Effect.gen(function* () {
    const noPages = Layer.fresh(PageStore.layerMemory)
    const noDht = Layer.succeed(Dht, {
      ...Context.getUnsafe(on.services, Dht),
      getImmutable: () => Effect.succeedNone
    })
    const items = [...on.network.items.values()]
    const records = yield* Effect.flatMap(RecordStore, (store) => store.all)
    return {
      network: items.map(line).toSorted(),
      networkPages: yield* pagesOf(items.map(({ value }) => value)).pipe(Effect.provide(noPages)),
      remembered: records.map(line).toSorted(),
      rememberedPages: yield* pagesOf(records.map(({ value }) => value)).pipe(Effect.provide(noDht)),
      unfinished: yield* Effect.flatMap(PublicationLog, (log) => log.all)
    }
  }).pipe(Effect.provideContext(on.services))

/** Key pairs without a host. */
export const keyPair = (label: string) => Fixtures.keyPair(label).pipe(Effect.provide(Fixtures.host(DhtMemory.make())))
