/**
 * The model network as a member uses it: `Dht` over look-ups and rounds of writes. Records and immutable
 * items are read, written and judged step by step as `MainlineDht` does it, so that both find the same;
 * peers are in `ModelPeers`.
 */
import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Ed25519 } from "../../../core/Ed25519.ts"
import type { PublicKey } from "../../../core/PublicKey.ts"
import { type Answer, Dht, type PutReceipt, RIVALS_MAX } from "../../../dht/Dht.ts"
import { CasConflict, DhtError, NoNodes, PutRefused, StaleSeq } from "../../../dht/DhtError.ts"
import type { Salt } from "../../../dht/KeyString.ts"
import * as Record from "../../../dht/Record.ts"
import { type Heard, HeardRecords } from "./HeardRecords.ts"
import * as LookUp from "./LookUp.ts"
import * as ModelPeers from "./ModelPeers.ts"
import { type Place, Places } from "./Places.ts"
import * as StoredItem from "./StoredItem.ts"
import * as WriteRound from "./WriteRound.ts"
import * as Xor from "./Xor.ts"

const fail = (reason: DhtError["reason"]) => Effect.fail(new DhtError({ reason }))

/** A place of a mutable item, with the valid records that are there, newest first. */
interface RecordPlace extends Place {
  readonly heard: ReadonlyArray<Heard>
  readonly isForeign: boolean
}

const NOBODY: ReadonlySet<string> = new Set()

/** What is there beside the newest record under the same sequence number. */
const rivalsOf = ({ heard: [newest, ...others] }: RecordPlace): ReadonlyArray<Record.Record> =>
  others
    .filter(({ record }) => record.seq === newest?.record.seq)
    .slice(0, RIVALS_MAX)
    .map(({ record }) => record)

/** What else is there, under lower numbers. */
const olderOf = ({ heard: [newest, ...others] }: RecordPlace): ReadonlyArray<Record.Record> =>
  others
    .filter(({ record }) => newest !== undefined && record.seq < newest.record.seq)
    .slice(0, RIVALS_MAX)
    .map(({ record }) => record)

const newestOf = ({ heard }: RecordPlace): Option.Option<Record.Record> => Option.fromUndefinedOr(heard[0]?.record)

const answer = <A>(value: Option.Option<A>, holders: ReadonlySet<string>): Answer<A> => ({
  value,
  responders: Option.isSome(value) ? [...holders] : []
})

const whyNone = (round: WriteRound.Round): string =>
  round.problems[0] ?? (round.silent.size > 0 ? "none of them answered" : "none of them takes items")

/** Nodes are gone, or honour their tokens no longer: the next write has to look again. */
const isWornOut = ({ problems, silent }: WriteRound.Round): boolean => silent.size > 0 || problems.length > 0

/** The network as `asker` sees it. Everything that a node gives is checked with `ed25519`. */
export const make = (asker: LookUp.Asker, ed25519: Ed25519["Service"]): Dht["Service"] => {
  const records = new Places<RecordPlace>()
  const items = new Places<Place>()

  const search = (target: Xor.Id, onFound: LookUp.OnFound) =>
    LookUp.run(asker, { _tag: "Get", target }, onFound).pipe(
      Effect.tap(({ answers }) =>
        answers === 0 ? fail(new NoNodes({ bootstrap: [...asker.bootstrap()] })) : Effect.void
      )
    )

  const lookup = Effect.fnUntraced(function* (publicKey: PublicKey, salt: Salt) {
    const target = Xor.fromBytes(Record.targetOf(publicKey, salt))
    const replies = new HeardRecords(publicKey, salt)
    const { closest } = yield* search(target, (from, found) => {
      replies.hear(from, found)
      return true
    })
    const heard = replies.judge(ed25519, target.hex)
    const isForeign = replies.isForeign(ed25519)
    const place: RecordPlace = { closest, heard, isForeign, holders: heard[0]?.holders ?? NOBODY }
    records.set(target.hex, yield* Clock.currentTimeMillis, place)
    return place
  })

  /** What the network holds of the record, when it refuses it: a rival, or the record itself. */
  const settle = Effect.fnUntraced(function* (record: Record.Record, round: WriteRound.Round, cas: number | undefined) {
    const key = Xor.fromBytes(Record.targetOf(record.publicKey, record.salt)).hex
    const { heard } = yield* lookup(record.publicKey, record.salt)
    const seqMin = cas === undefined ? record.seq : Math.min(record.seq, cas + 1)
    const rival = heard.some((other) => other.record.seq >= seqMin && !Record.isSame(other.record, record))
    const holders = heard.find((other) => Record.isSame(other.record, record))?.holders ?? NOBODY
    // Nodes that refuse it for a rival that nobody shows may be lying: what others stored still stands.
    if (!rival && holders.size + round.stored.size > 0) return holders
    records.forget(key)
    return round.casMismatch.size > 0 && cas !== undefined
      ? yield* fail(new CasConflict({ target: key, expectedSeq: cas }))
      : yield* fail(new StaleSeq({ target: key, seq: record.seq }))
  })

  const put = Effect.fnUntraced(function* (record: Record.Record, cas: number | undefined) {
    const item = StoredItem.mutable(record)
    const key = item.target.hex
    const known = records.find(key, yield* Clock.currentTimeMillis)
    const place = known ?? (yield* lookup(record.publicKey, record.salt))
    const newest = place.heard[0]
    const isThere = newest !== undefined && Record.isSame(newest.record, record)
    if (newest !== undefined && !isThere) {
      if (cas !== undefined && newest.record.seq !== cas) {
        records.forget(key)
        return yield* fail(new CasConflict({ target: key, expectedSeq: cas }))
      }
      if (newest.record.seq >= record.seq) return yield* fail(new StaleSeq({ target: key, seq: record.seq }))
    }
    // Where it is there already it only spreads further: its holders would take `cas` for a conflict.
    const sentCas = isThere ? undefined : cas
    const round = yield* WriteRound.run(asker, place.closest, ({ token }) => ({
      _tag: "Put",
      token,
      item,
      cas: sentCas
    }))
    const acknowledged = new Set(round.stored)
    const refused = [...round.casMismatch, ...round.seqTooLow]
    const before = isThere ? place.holders : NOBODY
    const unexplained = refused.filter((name) => !before.has(name))
    for (const name of refused) if (before.has(name)) acknowledged.add(name)
    if (unexplained.length > 0) for (const name of yield* settle(record, round, cas)) acknowledged.add(name)
    if (acknowledged.size === 0) {
      records.forget(key)
      return yield* fail(new PutRefused({ target: key, problem: whyNone(round) }))
    }
    const heard = [{ record, holders: acknowledged }]
    if (isWornOut(round)) records.forget(key)
    else records.amend(key, ({ closest, isForeign }) => ({ closest, isForeign, holders: acknowledged, heard }))
    return { target: Record.targetOf(record.publicKey, record.salt), acks: acknowledged.size } satisfies PutReceipt
  })

  /** Asks until one node gives the item, or asks all of the closest ones who holds it. */
  const lookupImmutable = Effect.fnUntraced(function* (target: Record.Target, until: "found" | "all") {
    const holders = new Set<string>()
    const id = Xor.fromBytes(target)
    // Honest nodes give one and the same object: its hash is taken once.
    let genuine: StoredItem.StoredItem | undefined
    const { closest, isComplete } = yield* search(id, (from, { item }) => {
      if (item === undefined) return true
      if (item !== genuine && !isItem(item.value, target)) return true
      genuine ??= item
      holders.add(from)
      return until === "all"
    })
    const place: Place = { closest, holders }
    if (isComplete) items.set(id.hex, yield* Clock.currentTimeMillis, place)
    return { place, value: Option.map(Option.fromUndefinedOr(genuine), ({ value }) => Uint8Array.from(value)) }
  })

  const putImmutable = Effect.fnUntraced(function* (value: Uint8Array) {
    const target = Record.immutableTargetOf(value)
    const item = StoredItem.immutable(value)
    const key = item.target.hex
    if (value.length > Record.VALUE_MAX_BYTES) {
      const problem = `${value.length} bytes, over ${Record.VALUE_MAX_BYTES}`
      return yield* fail(new PutRefused({ target: key, problem }))
    }
    const known = items.find(key, yield* Clock.currentTimeMillis)
    const { closest } = known ?? (yield* lookupImmutable(target, "all")).place
    const round = yield* WriteRound.run(asker, closest, ({ token }) => ({ _tag: "Put", token, item, cas: undefined }))
    const acks = round.stored.size
    if (acks === 0 || isWornOut(round)) items.forget(key)
    else items.amend(key, (place) => ({ ...place, holders: round.stored }))
    if (acks === 0) return yield* fail(new PutRefused({ target: key, problem: whyNone(round) }))
    return { target, acks } satisfies PutReceipt
  })

  return Dht.of({
    lookup: Effect.fn("Dht.lookup")(function* (publicKey, salt) {
      const place = yield* lookup(publicKey, salt)
      return {
        ...answer(newestOf(place), place.holders),
        rivals: rivalsOf(place),
        older: olderOf(place),
        isForeign: place.isForeign
      }
    }),

    get: Effect.fn("Dht.get")(function* (publicKey, salt) {
      return newestOf(yield* lookup(publicKey, salt))
    }),

    put: Effect.fn("Dht.put")((record, options) => put(record, options?.cas)),

    lookupImmutable: Effect.fn("Dht.lookupImmutable")(function* (target) {
      const { place, value } = yield* lookupImmutable(target, "all")
      return answer(value, place.holders)
    }),

    getImmutable: Effect.fn("Dht.getImmutable")((target) =>
      Effect.map(lookupImmutable(target, "found"), ({ value }) => value)
    ),

    putImmutable: Effect.fn("Dht.putImmutable")(putImmutable),

    announcePeer: Effect.fn("Dht.announcePeer")((infohash, port) => ModelPeers.announce(asker, infohash, port)),

    findPeers: Effect.fn("Dht.findPeers")((infohash) => ModelPeers.find(asker, infohash)),

    nodeCount: Effect.sync(() => asker.acquaintances.size)
  })
}

const isItem = (value: Uint8Array, target: Record.Target): boolean =>
  value.length <= Record.VALUE_MAX_BYTES && Bytes.Equivalence(Record.immutableTargetOf(value), target)
