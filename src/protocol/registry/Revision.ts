/**
 * Writes a record that its publisher revises: read what the network and the own memory have, join what
 * two machines with one key wrote, change it, sign it and put it with compare-and-swap, again where
 * somebody was faster.
 *
 * What is signed is remembered before it is put, and the pages that it refers to are put before it.
 * So a run that was cut off leaves no record without its tree behind, the next one puts the very same
 * bytes, and no two values are ever signed under one sequence number by one machine.
 */
import * as Bytes from "effect/Bytes"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type { KeyPair } from "../core/KeyPair.ts"
import type { DhtError } from "../dht/DhtError.ts"
import * as KeyString from "../dht/KeyString.ts"
import { PageStore } from "../dht/PageStore.ts"
import * as Quorum from "../dht/Quorum.ts"
import * as Record from "../dht/Record.ts"
import * as Tree from "../dht/Tree.ts"
import * as Lookup from "./Lookup.ts"
import { type RegistryError, SequenceExhausted, toRegistryError } from "./RegistryError.ts"

/** Pause after the first lost race; each one after it is twice as long. */
const RACE_PAUSE = Duration.millis(50)

/** Tries of a write that another machine races. */
export const WRITE_TRIES = 6

/** Records beside the newest that are joined with it: one key seldom works at more machines at once. */
const CONTESTED_MAX = 8

/** Pages read from the own store at a time. */
const READS_AT_ONCE = 16

/** A value as it would be signed, and those pages of its tree that the one before did not have. */
export interface Draft<A> {
  readonly content: A
  readonly value: Uint8Array
  readonly pages: ReadonlyArray<Uint8Array>
}

/** What stands, or stood, in a record, and under which number. */
export interface Said<A> {
  readonly record: Pick<Record.Record, "seq" | "value">
  readonly value: A
}

/** One kind of record, and what is to become of it. */
export interface Subject<A, R> {
  readonly keyString: string
  readonly codec: Schema.Codec<A, Uint8Array>
  readonly rootOf: (content: A) => Record.Target | undefined
  /** What the network has and what this host has, where they differ. */
  readonly merge: (there: Said<A>, here: Said<A>) => Effect.Effect<Draft<A>, RegistryError, R>
  /** What this host itself wrote last, where that is kept beside the newest record: that may have buried it. */
  readonly recall?: Effect.Effect<Option.Option<Said<A>>, RegistryError, R>
  /** Told of the record that was brought about, once enough nodes have it. */
  readonly keep?: (record: Record.Record) => Effect.Effect<void, RegistryError, R>
  /** The first value, where there is no record yet. */
  readonly create: Effect.Effect<Draft<A>, RegistryError, R>
  /** The next value; `None` where the record is as it should be. */
  readonly change: (current: A) => Effect.Effect<Option.Option<Draft<A>>, RegistryError, R>
  /** Whether a record that is as it should be is put again all the same, lest the network forget it. */
  readonly refresh: boolean
}

export interface Written<A> extends Lookup.Found<A> {
  /** Nodes that hold the record now, as far as they said so; `undefined` where nothing had to be put. */
  readonly acks: number | undefined
}

/** Lost to somebody who wrote in between: to be read and tried again. */
export const isLostRace = ({ reason }: RegistryError): boolean =>
  reason._tag === "DhtError" && (reason.reason._tag === "CasConflict" || reason.reason._tag === "StaleSeq")

const casOf = (remote: Record.Record | undefined) => (remote === undefined ? undefined : { cas: remote.seq })

const putRecord = (record: Record.Record, remote: Record.Record | undefined) =>
  Quorum.put(record, casOf(remote)).pipe(
    Effect.map(({ acks }) => acks),
    Effect.mapError((reason: DhtError) => toRegistryError(reason))
  )

const putPages = (pages: ReadonlyArray<Uint8Array>) =>
  pages.length === 0 ? Effect.void : Tree.publish(pages).pipe(Effect.mapError(toRegistryError))

const keepPages = (pages: ReadonlyArray<Uint8Array>) =>
  pages.length === 0
    ? Effect.void
    : Effect.flatMap(PageStore, (store) => Effect.mapError(store.keep(pages), toRegistryError))

/** Pages of one tree that this host holds and another tree, which the network has, does not refer to. */
const unpublishedPages = Effect.fnUntraced(function* (
  root: Record.Target | undefined,
  published: Record.Target | undefined
) {
  if (root === undefined || (published !== undefined && Bytes.Equivalence(root, published))) return []
  const store = yield* PageStore
  const targetsOf = (of: Record.Target) => Effect.map(Tree.reachable(of), ({ targets }) => targets)
  const there = new Set(
    (published === undefined ? [] : yield* targetsOf(published)).map((target) => Hex.encode(target))
  )
  const lacking = (yield* targetsOf(root)).filter((target) => !there.has(Hex.encode(target)))
  const pages = yield* Effect.forEach(lacking, store.find, { concurrency: READS_AT_ONCE })
  return pages.flatMap(Option.toArray)
}, Effect.mapError(toRegistryError))

interface Current<A> {
  readonly draft: Draft<A>
  /** The record that says just this and is the newest there is. */
  readonly record: Record.Record | undefined
}

/** A signed record that is to be stored, or left as it is. */
interface Signed<A> extends Lookup.Found<A> {
  /** Pages that neither this host nor the network may have yet. */
  readonly pages: ReadonlyArray<Uint8Array>
  /** Whether they are all that the network's record has not: the new one was made from that. */
  readonly isFromRemote: boolean
}

/** Brings a publisher's record to where `subject.change` has nothing left to change, and the network with it. */
export const write = Effect.fn("Revision.write")(function* <A, R>(keyPair: KeyPair, subject: Subject<A, R>) {
  const { change, codec, create, keep = () => Effect.void, keyString, merge, recall, refresh, rootOf } = subject
  const open = Lookup.open(codec, keyString)

  const asItIs = ({ record, value }: Lookup.Found<A>): Current<A> => ({
    draft: { content: value, value: record.value, pages: [] },
    record
  })

  const join = Effect.fnUntraced(function* ({ local, remote }: Lookup.Pair) {
    if (local === undefined || remote === undefined || local === remote) {
      const record = remote ?? local
      return record === undefined ? undefined : asItIs(yield* open(record))
    }
    const [there, here] = [yield* open(remote), yield* open(local)]
    const draft = yield* merge(there, here)
    yield* keepPages(draft.pages)
    const says = (record: Record.Record) => Bytes.Equivalence(record.value, draft.value)
    const record =
      says(remote) && remote.seq >= local.seq ? remote : says(local) && local.seq > remote.seq ? local : undefined
    return { draft, record } satisfies Current<A>
  })

  const sign = Effect.fnUntraced(function* ({ local, remote }: Lookup.Pair, draft: Draft<A>, isFromRemote: boolean) {
    const seq = Math.max(local?.seq ?? 0, remote?.seq ?? 0) + 1
    if (seq > Record.SEQ_MAX) return yield* toRegistryError(new SequenceExhausted({ subject: keyString }))
    const record = Record.sign(keyPair, { salt: KeyString.saltOf(keyString), seq, value: draft.value })
    return { record, value: draft.content, pages: draft.pages, isFromRemote } satisfies Signed<A>
  })

  /** As `current`, with what `other` says besides. */
  const joinedBy = Effect.fnUntraced(function* (current: Current<A>, seq: number, other: Said<A>) {
    const { content, pages, value } = current.draft
    const draft = yield* merge(other, { record: { seq, value }, value: content })
    if (Bytes.Equivalence(draft.value, value)) return current
    yield* keepPages(draft.pages)
    return { draft: { ...draft, pages: [...pages, ...draft.pages] }, record: undefined } satisfies Current<A>
  })

  /**
   * With what this host wrote last and, after a lost race, all that stands beside the newest record: under the same
   * number on other nodes, which will not take ours, or under a lower one that ours has buried. A record above
   * all of them has to say what they all say.
   */
  const joinAll = Effect.fnUntraced(function* (pair: Lookup.Pair, isRaced: boolean) {
    const { local, older, remote, rivals } = pair
    let current: Current<A> | undefined = yield* join(pair)
    if (current === undefined) return undefined
    const seq = Math.max(local?.seq ?? 0, remote?.seq ?? 0)
    for (const other of isRaced ? [...rivals, ...older].slice(0, CONTESTED_MAX) : []) {
      current = yield* joinedBy(current, seq, yield* open(other))
    }
    const own = recall === undefined ? Option.none<Said<A>>() : yield* recall
    if (Option.isSome(own)) current = yield* joinedBy(current, seq, own.value)
    const isContested = isRaced && (rivals.length > 0 || (remote === local && older.length > 0))
    return isContested ? ({ ...current, record: undefined } satisfies Current<A>) : current
  })

  const next = Effect.fnUntraced(function* (pair: Lookup.Pair, isRaced: boolean) {
    const current = yield* joinAll(pair, isRaced)
    if (current === undefined) return yield* sign(pair, yield* create, true)
    const { draft, record } = current
    const isFromRemote = record !== undefined && record === pair.remote
    const changed = yield* change(draft.content)
    if (Option.isSome(changed)) return yield* sign(pair, changed.value, isFromRemote)
    if (record === undefined) return yield* sign(pair, draft, false)
    return { record, value: draft.content, pages: [], isFromRemote } satisfies Signed<A>
  })

  /** What was kept here but may never have been put, such as by a run that was cut off, goes with the rest. */
  const lacking = Effect.fnUntraced(function* ({ remote }: Lookup.Pair, { isFromRemote, pages, value }: Signed<A>) {
    if (isFromRemote) return pages
    return yield* unpublishedPages(
      rootOf(value),
      remote === undefined ? undefined : rootOf((yield* open(remote)).value)
    )
  })

  const attempt = Effect.fnUntraced(function* (isRaced: boolean) {
    const pair = yield* Lookup.both(keyPair.publicKey, keyString)
    const signed = yield* next(pair, isRaced)
    const { record, value } = signed
    yield* keepPages(signed.pages)
    if (record !== pair.local) yield* Lookup.remember(record)
    if (!refresh && record === pair.remote) {
      yield* keep(record)
      return { record, value, acks: undefined } satisfies Written<A>
    }
    yield* putPages(yield* lacking(pair, signed))
    const acks = yield* putRecord(record, pair.remote)
    yield* keep(record)
    return { record, value, acks } satisfies Written<A>
  })

  const again = attempt(true).pipe(
    Effect.retry({
      while: isLostRace,
      schedule: Schedule.exponential(RACE_PAUSE).pipe(Schedule.jittered, Schedule.upTo({ times: WRITE_TRIES - 2 }))
    })
  )
  return yield* attempt(false).pipe(Effect.catchIf(isLostRace, () => Effect.andThen(Effect.sleep(RACE_PAUSE), again)))
})
