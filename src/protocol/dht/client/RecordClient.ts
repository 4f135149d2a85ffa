/**
 * Records on the DHT (BEP 44 mutable items). Reads ask the network and never an own copy, which may be stale.
 * Writes go to the nodes that a look-up of the target ended with, so that it is known whether the network holds
 * something newer, and who holds what: nodes refuse a record that they have already.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type { PublicKey } from "../../core/PublicKey.ts"
import { type Answer, type Dht, type Holder, type LookupOptions, type PutOptions, RIVALS_MAX } from "../Dht.ts"
import { CasConflict, PutRefused, StaleSeq } from "../DhtError.ts"
import * as DhtMetrics from "../DhtMetrics.ts"
import type { Salt } from "../KeyString.ts"
import * as Record from "../Record.ts"
import { type Heard, HeardRecords } from "./HeardRecords.ts"
import type { StoreNode, Write } from "./Krpc.ts"
import * as Networks from "./Networks.ts"
import { type Place, Places } from "./Places.ts"
import * as Session from "./Session.ts"
import * as WriteRound from "./WriteRound.ts"

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

const answerOf = (place: RecordPlace): Answer<Record.Record> => ({
  value: Option.fromUndefinedOr(place.heard[0]?.record),
  responders: [...place.holders],
  rivals: rivalsOf(place),
  older: olderOf(place),
  isForeign: place.isForeign,
  asked: place.asked,
  answered: place.answered
})

const holdersOf = ({ heard }: RecordPlace): ReadonlyArray<Holder> =>
  heard.flatMap(({ holders, record }) => [...holders].map((node) => ({ node, seq: record.seq })))

export const make = (session: Session.Session): Pick<Dht["Service"], "lookup" | "get" | "holders" | "put"> => {
  const { ed25519, shared } = session
  const { now } = shared.transport
  const places = new Places<RecordPlace>()

  const search = Effect.fnUntraced(function* (publicKey: PublicKey, salt: Salt, options: LookupOptions | undefined) {
    const target = Session.idOf(Record.targetOf(publicKey, salt))
    const replies = new HeardRecords(ed25519, publicKey, salt, target.hex)
    const { enough } = options ?? {}
    const { answered, asked, closest, isComplete } = yield* Session.search(session, {
      question: { _tag: "Get", target },
      timeoutMs: Session.timeoutMsOf(options),
      isFrugal: enough === 1,
      onFound: (from, found) => {
        replies.hear(from, found)
        if (enough !== undefined && replies.isAgreedBy(enough)) return "enough"
        return replies.isAgreedBy(1) ? "found" : "nothing"
      }
    })
    const heard = replies.valid
    const holders = heard[0]?.holders ?? NOBODY
    const place = { closest, asked, answered, isComplete, holders, heard, isForeign: replies.isForeign }
    // Where not all of the closest were asked, a write would go to the wrong ones.
    if (isComplete) places.set(target.hex, now(), place)
    return place
  })

  const lookup = Effect.fnUntraced(function* (publicKey: PublicKey, salt: Salt, options?: LookupOptions) {
    const target = Session.idOf(Record.targetOf(publicKey, salt))
    const known = places.find(target.hex, now(), Session.freshMsOf(options))
    if (known !== undefined && known.heard.length > 0) return known
    const place = yield* search(publicKey, salt, options)
    if (place.heard.length > 0) yield* Metric.update(DhtMetrics.getAgreement, place.holders.size)
    else yield* Session.denied(target, place)
    return place
  })

  /** What the network holds of the record, when it refuses it: a rival, or the record itself. */
  const settle = Effect.fnUntraced(function* (record: Record.Record, round: WriteRound.Round, cas: number | undefined) {
    const key = Session.idOf(Record.targetOf(record.publicKey, record.salt)).hex
    const { heard } = yield* search(record.publicKey, record.salt, undefined)
    // Above `cas` somebody wrote of whom the writer does not know, and nodes that hold nothing would bury it.
    const seqMin = cas === undefined ? record.seq : Math.min(record.seq, cas + 1)
    const rival = heard.some((other) => other.record.seq >= seqMin && !Record.isSame(other.record, record))
    const holders = heard.find((other) => Record.isSame(other.record, record))?.holders ?? NOBODY
    // Nodes that refuse it for a rival that nobody shows may be lying: what others stored still stands.
    if (!rival && holders.size + round.stored.size > 0) return holders
    places.forget(key)
    return cas !== undefined && round.refused.some(({ reason }) => reason === "cas-mismatch")
      ? yield* Session.fail(new CasConflict({ target: key, expectedSeq: cas }))
      : yield* Session.fail(new StaleSeq({ target: key, seq: record.seq }))
  })

  /** Why a record cannot be written to a place, by what is known to be there. */
  const refusal = ({ heard: [newest] }: RecordPlace, record: Record.Record, cas: number | undefined) => {
    if (newest === undefined || Record.isSame(newest.record, record)) return undefined
    const target = Session.idOf(Record.targetOf(record.publicKey, record.salt)).hex
    if (cas !== undefined && newest.record.seq !== cas) return new CasConflict({ target, expectedSeq: cas })
    return newest.record.seq >= record.seq ? new StaleSeq({ target, seq: record.seq }) : undefined
  }

  /** Where to write, from memory where that allows it: what is remembered may be older than what the writer has read. */
  const placeFor = Effect.fnUntraced(function* (record: Record.Record, cas: number | undefined) {
    const { hex } = Session.idOf(Record.targetOf(record.publicKey, record.salt))
    const known = places.find(hex, now())
    if (known !== undefined && refusal(known, record, cas) === undefined) return known
    return yield* search(record.publicKey, record.salt, undefined)
  })

  const put = Effect.fnUntraced(function* (record: Record.Record, options: PutOptions | undefined) {
    const { publicKey, salt, seq, signature, value } = record
    const { cas, minAcks = 1 } = options ?? {}
    const target = Record.targetOf(publicKey, salt)
    const id = Session.idOf(target)
    const key = id.hex
    const place = yield* placeFor(record, cas)
    const newest = place.heard[0]
    const isThere = newest !== undefined && Record.isSame(newest.record, record)
    const why = refusal(place, record, cas)
    if (why !== undefined) {
      places.forget(key)
      return yield* Session.fail(why)
    }
    // Where it is there already it only spreads further: its holders would take `cas` for a conflict.
    const sentCas = isThere ? undefined : cas
    const before = isThere ? place.holders : NOBODY
    let settled: ReadonlySet<string> | undefined
    /** Those that stored it, and of those that refused the ones that hold it, as far as anybody has seen. */
    const holdersOf = Effect.fnUntraced(function* (round: WriteRound.Round) {
      const refusers = round.refused.filter(WriteRound.holdsOther).map(({ node }) => node)
      if (settled === undefined && refusers.some((node) => !before.has(node))) {
        settled = yield* settle(record, round, cas)
      }
      return new Set([...round.stored, ...refusers.filter((node) => before.has(node)), ...(settled ?? NOBODY)])
    })
    const writeFor = ({ token }: StoreNode): Write => ({
      _tag: "PutMutable",
      target: id,
      token,
      publicKey,
      salt,
      seq,
      signature,
      value,
      cas: sentCas
    })
    const { holders, round } = yield* Session.write(session, id, place.closest, minAcks, writeFor, holdersOf)
    yield* Metric.update(DhtMetrics.putAcks, Networks.countHosts(holders))
    if (holders.size === 0) {
      places.forget(key)
      return yield* Session.fail(new PutRefused({ target: key, problem: WriteRound.whyNone(round) }))
    }
    if (WriteRound.isWornOut(round)) places.forget(key)
    else places.amend(key, (known) => ({ ...known, holders, heard: [{ record, holders }] }))
    return Session.receipt(target, round, holders)
  })

  return {
    lookup: Effect.fn("Dht.lookup")(function* (publicKey, salt, options) {
      return answerOf(yield* lookup(publicKey, salt, options))
    }),

    get: Effect.fn("Dht.get")(function* (publicKey, salt, options) {
      return answerOf(yield* lookup(publicKey, salt, options)).value
    }),

    holders: Effect.fn("Dht.holders")(function* (publicKey, salt) {
      const place = yield* search(publicKey, salt, undefined)
      return { holders: holdersOf(place), asked: place.asked, answered: place.answered }
    }),

    put: Effect.fn("Dht.put")(put)
  }
}
