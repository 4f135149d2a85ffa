/**
 * What this host knows of publishers, asked before their packages are used: a name means the publisher
 * that it is pinned to, and who was seen to be revoked is not believed any more. Names without a pin are
 * pinned once their packages are in place, all in one change of the trust book: what comes to nothing pins nothing.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import type { LockedPackage } from "../../protocol/registry/LockFile.ts"
import { type Pin, refusalOf } from "../../protocol/registry/PublisherTrust.ts"
import { PublisherChanged, RegistryError } from "../../protocol/registry/RegistryError.ts"
import * as Book from "../../protocol/trust/Book.ts"
import * as Revocation from "../../protocol/trust/Revocation.ts"
import * as TrustBook from "../../protocol/trust/TrustBook.ts"
import { TrustBookFull, TrustError } from "../../protocol/trust/TrustError.ts"

type Locked = Pick<LockedPackage, "name" | "publisher">

interface Use {
  readonly name: PackageName
  readonly publisher: PublicKey.PublicKey
}

const usesOf = (packages: Iterable<Locked>): ReadonlyArray<Use> => {
  const uses = new Map<string, Use>()
  for (const { name, publisher } of packages) {
    const key = `${name} ${publisher}`
    if (!uses.has(key)) uses.set(key, { name, publisher: Option.getOrThrow(PublicKey.parse(publisher)) })
  }
  return [...uses.values()]
}

const changed = ({ name, publisher }: Use, pin: Pin): RegistryError => {
  const offered = PublicKey.toBase64(publisher)
  return new RegistryError({
    reason: new PublisherChanged({
      package: name,
      pinned: PublicKey.toBase64(pin.publisher),
      offered: [offered],
      problem: `it was taken from ${offered}`
    })
  })
}

interface Outcome {
  readonly conflict: RegistryError | undefined
  /** The book with every name pinned; the very book where all are. */
  readonly book: Book.Book
  readonly pinned: ReadonlyArray<Use>
}

/** Pins all names that have no pin, or tells the first that has another one. */
const pinAll = (book: Book.Book, uses: ReadonlyArray<Use>, since: number): Result.Result<Outcome, TrustError> => {
  const pins = new Map(book.pins)
  const pinned: Array<Use> = []
  for (const use of uses) {
    const pin = pins.get(use.name)
    if (pin === undefined) {
      pins.set(use.name, { publisher: use.publisher, since })
      pinned.push(use)
    } else if (!PublicKey.equals(pin.publisher, use.publisher)) {
      return Result.succeed({ conflict: changed(use, pin), book, pinned: [] })
    }
  }
  if (pins.size > Book.PINS_MAX) {
    return Result.fail(new TrustError({ reason: new TrustBookFull({ kind: "pins", max: Book.PINS_MAX }) }))
  }
  return Result.succeed({ conflict: undefined, book: pinned.length === 0 ? book : { ...book, pins }, pinned })
}

/** Fails with `PublisherChanged` or `PublisherRevoked`, or where the names would not fit in the trust book. Pins nothing. */
export const requireTrusted = Effect.fn("TrustCheck.requireTrusted")(function* (packages: Iterable<Locked>) {
  const uses = usesOf(packages)
  const seen = new Set<string>()
  for (const { name, publisher } of uses) {
    const key = PublicKey.toBase64(publisher)
    if (seen.has(key)) continue
    seen.add(key)
    const revoked = Option.getOrUndefined(yield* Revocation.recall(publisher))
    if (revoked !== undefined) return yield* refusalOf(name, revoked)
  }
  if (uses.length === 0) return
  const { conflict } = yield* Effect.fromResult(pinAll(yield* TrustBook.read, uses, yield* Clock.currentTimeMillis))
  if (conflict !== undefined) return yield* conflict
})

/** Pins what is in use now, and tells what had no pin before. Fails as {@link requireTrusted} does. */
export const pin = Effect.fn("TrustCheck.pin")(function* (packages: Iterable<Locked>) {
  const uses = usesOf(packages)
  if (uses.length === 0) return []
  const since = yield* Clock.currentTimeMillis
  const { conflict, pinned } = yield* TrustBook.change<Outcome>((book) => {
    const outcome = pinAll(book, uses, since)
    return [outcome, Result.isSuccess(outcome) ? outcome.success.book : book]
  })
  return conflict === undefined ? pinned.map(({ name }) => name) : yield* conflict
})
