/**
 * A DHT for whoever publishes much with one key: what the network said of that key's own records a moment
 * ago is not asked again, since one publication asks for its package's record several times, and each for
 * the key's revocation. What is put is asked anew from then on, so that a race is still seen for what it is.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latin1 from "../core/Latin1.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Answer, Dht } from "../dht/Dht.ts"
import type { Salt } from "../dht/KeyString.ts"
import type * as Record from "../dht/Record.ts"

/** How long an answer is as good as asked for: about what the steps of one publication take together. */
const GOOD_FOR_MS = Duration.toMillis("30 seconds")

/** Answers kept at a time; the oldest go first. */
const ANSWERS_MAX = 4096

interface Kept {
  readonly answer: Answer<Record.Record>
  readonly at: number
}

/** `base`, with a memory for the records of `publisher`. */
export const make = (base: Dht["Service"], publisher: PublicKey.PublicKey): Dht["Service"] => {
  const kept = new Map<string, Kept>()
  /** Look-ups under way whose answers may be older than a put that came between. */
  const pending = new Map<string, Set<object>>()
  const keyOf = (salt: Salt): string => Latin1.fromBytes(salt)

  const keep = (key: string, answer: Kept): void => {
    kept.delete(key)
    kept.set(key, answer)
    if (kept.size > ANSWERS_MAX) kept.delete(kept.keys().next().value ?? key)
  }

  const lookup: Dht["Service"]["lookup"] = Effect.fnUntraced(function* (publicKey, salt, options) {
    if (!PublicKey.equals(publicKey, publisher)) return yield* base.lookup(publicKey, salt, options)
    const key = keyOf(salt)
    const now = yield* Clock.currentTimeMillis
    const known = kept.get(key)
    if (known !== undefined && now - known.at < GOOD_FOR_MS && now >= known.at) return known.answer
    const mark = {}
    const marks = pending.get(key) ?? new Set()
    pending.set(key, marks.add(mark))
    const leave = Effect.sync(() => {
      marks.delete(mark)
      if (marks.size === 0) pending.delete(key)
    })
    return yield* base.lookup(publicKey, salt, options).pipe(
      Effect.tap((answer) => Effect.sync(() => (marks.has(mark) ? keep(key, { answer, at: now }) : undefined))),
      Effect.ensuring(leave)
    )
  })

  const forget = (record: Record.Record) =>
    Effect.sync(() => {
      const key = keyOf(record.salt)
      kept.delete(key)
      pending.get(key)?.clear()
    })

  return {
    ...base,
    lookup,
    get: (publicKey, salt, options) => Effect.map(lookup(publicKey, salt, options), ({ value }) => value),
    put: (record, options) => Effect.andThen(forget(record), Effect.ensuring(base.put(record, options), forget(record)))
  }
}
