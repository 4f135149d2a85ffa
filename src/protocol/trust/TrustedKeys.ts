/**
 * Keys that the user trusts under whatever name they publish: what the policy `userTrust` goes by.
 * Trust in a key is not a pin, and a pin is not trust in a key.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as PublicKey from "../core/PublicKey.ts"
import { type Note, TRUSTED_MAX, type TrustedKey } from "./Book.ts"
import * as TrustBook from "./TrustBook.ts"
import { TrustBookFull, TrustError } from "./TrustError.ts"

const full = () => new TrustError({ reason: new TrustBookFull({ kind: "trusted keys", max: TRUSTED_MAX }) })

/**
 * Trusts the key. One that is trusted already keeps its date, and its note unless another is given. Gives the
 * entry as it stands.
 */
export const add = Effect.fn("TrustedKeys.add")(function* (publisher: PublicKey.PublicKey, note?: Note) {
  const now = yield* Clock.currentTimeMillis
  const key = PublicKey.toHex(publisher)
  return yield* TrustBook.change<TrustedKey>((book) => {
    const known = book.trusted.get(key)
    if (known !== undefined && (note === undefined || note === known.note)) return [Result.succeed(known), book]
    if (known === undefined && book.trusted.size >= TRUSTED_MAX) return [Result.fail(full()), book]
    const entry = { publisher, since: known?.since ?? now, ...(note === undefined ? {} : { note }) }
    return [Result.succeed(entry), { ...book, trusted: new Map(book.trusted).set(key, entry) }]
  })
})

/** Trusts the key no longer. Gives the entry that was there. */
export const remove = Effect.fn("TrustedKeys.remove")((publisher: PublicKey.PublicKey) =>
  TrustBook.change<Option.Option<TrustedKey>>((book) => {
    const key = PublicKey.toHex(publisher)
    const known = book.trusted.get(key)
    if (known === undefined) return [Result.succeed(Option.none()), book]
    const trusted = new Map(book.trusted)
    trusted.delete(key)
    return [Result.succeed(Option.some(known)), { ...book, trusted }]
  })
)

const oldestFirst = (self: TrustedKey, that: TrustedKey): number =>
  self.since - that.since || PublicKey.compare(self.publisher, that.publisher)

/** All trusted keys, oldest first. */
export const list: Effect.Effect<ReadonlyArray<TrustedKey>, TrustError, TrustBook.TrustBook> = Effect.map(
  TrustBook.read,
  ({ trusted }) => [...trusted.values()].toSorted(oldestFirst)
)
