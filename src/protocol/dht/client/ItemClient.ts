/** Immutable items on the DHT (BEP 44): whoever gives one proves it by its hash, so one node is enough to read it. */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type { Dht, LookupOptions, PutOptions } from "../Dht.ts"
import { PutRefused } from "../DhtError.ts"
import * as DhtMetrics from "../DhtMetrics.ts"
import * as Record from "../Record.ts"
import * as Networks from "./Networks.ts"
import { type Place, Places } from "./Places.ts"
import * as Session from "./Session.ts"
import * as WriteRound from "./WriteRound.ts"

/** `value` where it was found there. */
interface ItemPlace extends Place {
  readonly value: Uint8Array | undefined
}

type Methods = "lookupImmutable" | "getImmutable" | "holdersImmutable" | "putImmutable"

const isItem = (value: Uint8Array, target: Record.Target): boolean =>
  Bytes.Equivalence(Record.immutableTargetOf(value), target)

export const make = (session: Session.Session): Pick<Dht["Service"], Methods> => {
  const { now } = session.shared.transport
  const places = new Places<ItemPlace>()

  /** Asks until one node gives the item, or asks all of the closest ones who holds it. */
  const search = Effect.fnUntraced(function* (
    target: Record.Target,
    until: "found" | "all",
    options: LookupOptions | undefined
  ) {
    const id = Session.idOf(target)
    const holders = new Set<string>()
    let value: Uint8Array | undefined
    const { answered, asked, closest, isComplete } = yield* Session.search(session, {
      question: { _tag: "Get", target: id },
      timeoutMs: Session.timeoutMsOf(options),
      onFound: (from, { item }) => {
        const isHere =
          item?._tag === "Immutable" &&
          (value === undefined ? isItem(item.value, target) : Bytes.Equivalence(item.value, value))
        if (!isHere) return value === undefined ? "nothing" : "found"
        value ??= Uint8Array.from(item.value)
        holders.add(from)
        return until === "found" || Networks.countHosts(holders) >= (options?.enough ?? Infinity) ? "enough" : "found"
      }
    })
    const place: ItemPlace = { closest, asked, answered, isComplete, holders, value }
    if (isComplete) places.set(id.hex, now(), place)
    return place
  })

  const lookup = Effect.fnUntraced(function* (
    target: Record.Target,
    until: "found" | "all",
    options: LookupOptions | undefined
  ) {
    const id = Session.idOf(target)
    const known = places.find(id.hex, now(), Session.freshMsOf(options))
    if (known?.value !== undefined) return known
    const place = yield* search(target, until, options)
    if (place.value === undefined) yield* Session.denied(id, place)
    return place
  })

  const put = Effect.fnUntraced(function* (value: Uint8Array, options: Pick<PutOptions, "minAcks"> | undefined) {
    const target = Record.immutableTargetOf(value)
    const id = Session.idOf(target)
    if (value.length > Record.VALUE_MAX_BYTES) {
      const problem = `${value.length} bytes, over ${Record.VALUE_MAX_BYTES}`
      return yield* Session.fail(new PutRefused({ target: id.hex, problem }))
    }
    const place = places.find(id.hex, now()) ?? (yield* search(target, "all", undefined))
    const { round } = yield* Session.write(session, id, place.closest, options?.minAcks ?? 1, ({ token }) => ({
      _tag: "PutImmutable",
      target: id,
      token,
      value
    }))
    const { stored } = round
    if (stored.size === 0 || WriteRound.isWornOut(round)) places.forget(id.hex)
    else places.amend(id.hex, (known) => ({ ...known, holders: stored, value: Uint8Array.from(value) }))
    yield* Metric.update(DhtMetrics.putAcks, Networks.countHosts(stored))
    if (stored.size > 0) return Session.receipt(target, round, stored)
    return yield* Session.fail(new PutRefused({ target: id.hex, problem: WriteRound.whyNone(round) }))
  })

  return {
    lookupImmutable: Effect.fn("Dht.lookupImmutable")(function* (target, options) {
      const { answered, asked, holders, value } = yield* lookup(target, "all", options)
      return { value: Option.fromUndefinedOr(value), responders: [...holders], asked, answered }
    }),

    getImmutable: Effect.fn("Dht.getImmutable")(function* (target, options) {
      return Option.fromUndefinedOr((yield* lookup(target, "found", options)).value)
    }),

    holdersImmutable: Effect.fn("Dht.holdersImmutable")(function* (target) {
      const { answered, asked, holders } = yield* search(target, "all", undefined)
      return { holders: [...holders].map((node) => ({ node, seq: 0 })), asked, answered }
    }),

    putImmutable: Effect.fn("Dht.putImmutable")(put)
  }
}
