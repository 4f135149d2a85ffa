/**
 * Pins: which publisher a name means to this user. The first use of a name pins it, and from then on
 * only the user's own word changes that: a later squatter, or a thief of the name's other keys, is
 * met by an error instead of an install (trust on first use).
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Pin } from "../registry/PublisherTrust.ts"
import { type Book, PINS_MAX } from "./Book.ts"
import { PublisherChanged, RegistryError } from "../registry/RegistryError.ts"
import * as TrustBook from "./TrustBook.ts"
import { TrustBookFull, TrustError } from "./TrustError.ts"

/** The pin that stands after a first use, and whether that use made it. */
export interface FirstUse {
  readonly pin: Pin
  readonly isNew: boolean
}

/** The pin that the user asked for, and the one to another publisher that it replaced. */
export interface Accepted {
  readonly pin: Pin
  readonly replaced: Option.Option<Pin>
}

export interface NamedPin extends Pin {
  readonly name: PackageName
}

const full = () => new TrustError({ reason: new TrustBookFull({ kind: "pins", max: PINS_MAX }) })

const withPin = (book: Book, name: PackageName, pin: Pin): Book => ({
  ...book,
  pins: new Map(book.pins).set(name, pin)
})

/**
 * Pins the name where it has no pin. A name that has one keeps it, whoever the publisher is: the pin that
 * stands is given back. To be called when a release of the publisher was verified and is about to be used.
 */
export const firstUse = Effect.fn("Pins.firstUse")(function* (name: PackageName, publisher: PublicKey.PublicKey) {
  const since = yield* Clock.currentTimeMillis
  return yield* TrustBook.change<FirstUse>((book) => {
    const known = book.pins.get(name)
    if (known !== undefined) return [Result.succeed({ pin: known, isNew: false }), book]
    if (book.pins.size >= PINS_MAX) return [Result.fail(full()), book]
    const pin = { publisher, since }
    return [Result.succeed({ pin, isNew: true }), withPin(book, name, pin)]
  })
})

/**
 * As {@link firstUse}, for whoever is about to use a release: fails with `PublisherChanged` where the name is
 * pinned to another publisher, who may have been pinned by another process a moment ago.
 */
export const use = Effect.fn("Pins.use")(function* (name: PackageName, publisher: PublicKey.PublicKey) {
  const { pin } = yield* firstUse(name, publisher)
  if (PublicKey.equals(pin.publisher, publisher)) return
  const offered = PublicKey.toBase64(publisher)
  const problem = `it was taken from ${offered}`
  return yield* new RegistryError({
    reason: new PublisherChanged({
      package: name,
      pinned: PublicKey.toBase64(pin.publisher),
      offered: [offered],
      problem
    })
  })
})

/** The user's explicit word: pins the name to the publisher whatever pin it has. */
export const pin = Effect.fn("Pins.pin")(function* (name: PackageName, publisher: PublicKey.PublicKey) {
  const since = yield* Clock.currentTimeMillis
  return yield* TrustBook.change<Accepted>((book) => {
    const known = book.pins.get(name)
    if (known !== undefined && PublicKey.equals(known.publisher, publisher)) {
      return [Result.succeed({ pin: known, replaced: Option.none() }), book]
    }
    if (known === undefined && book.pins.size >= PINS_MAX) return [Result.fail(full()), book]
    const accepted = { pin: { publisher, since }, replaced: Option.fromUndefinedOr(known) }
    return [Result.succeed(accepted), withPin(book, name, accepted.pin)]
  })
})

/** Forgets the pin, so that the next use pins the name anew. Gives the pin that was there. */
export const unpin = Effect.fn("Pins.unpin")((name: PackageName) =>
  TrustBook.change<Option.Option<Pin>>((book) => {
    const known = book.pins.get(name)
    if (known === undefined) return [Result.succeed(Option.none()), book]
    const pins = new Map(book.pins)
    pins.delete(name)
    return [Result.succeed(Option.some(known)), { ...book, pins }]
  })
)

const compareNames = (self: NamedPin, that: NamedPin): number =>
  self.name < that.name ? -1 : self.name > that.name ? 1 : 0

/** All pins, by name. */
export const list: Effect.Effect<ReadonlyArray<NamedPin>, TrustError, TrustBook.TrustBook> = Effect.map(
  TrustBook.read,
  ({ pins }) => [...pins].map(([name, { publisher, since }]) => ({ name, publisher, since })).toSorted(compareNames)
)
