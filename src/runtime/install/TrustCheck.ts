/**
 * What this host knows of publishers, asked before their packages are used: a name means the publisher
 * that it is pinned to, and who was seen to be revoked is not believed any more. Names without a pin are
 * pinned, all in one change of the trust book.
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
import { PINS_MAX } from "../../protocol/trust/Book.ts"
import * as Revocation from "../../protocol/trust/Revocation.ts"
import * as TrustBook from "../../protocol/trust/TrustBook.ts"
import { TrustBookFull, TrustError } from "../../protocol/trust/TrustError.ts"

interface Use {
  readonly name: PackageName
  readonly publisher: PublicKey.PublicKey
}

const usesOf = (packages: Iterable<Pick<LockedPackage, "name" | "publisher">>): ReadonlyArray<Use> => {
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

/** Pins all names that have no pin, or tells the first that has another one. */
const pinAll = Effect.fnUntraced(function* (uses: ReadonlyArray<Use>) {
  const since = yield* Clock.currentTimeMillis
  return yield* TrustBook.change<RegistryError | undefined>((book) => {
    const pins = new Map(book.pins)
    for (const use of uses) {
      const pin = pins.get(use.name)
      if (pin === undefined) pins.set(use.name, { publisher: use.publisher, since })
      else if (!PublicKey.equals(pin.publisher, use.publisher)) return [Result.succeed(changed(use, pin)), book]
    }
    if (pins.size > PINS_MAX) {
      return [Result.fail(new TrustError({ reason: new TrustBookFull({ kind: "pins", max: PINS_MAX }) })), book]
    }
    return [Result.succeed(undefined), pins.size === book.pins.size ? book : { ...book, pins }]
  })
})

/** Fails with `PublisherChanged` or `PublisherRevoked`. */
export const requireTrusted = Effect.fn("TrustCheck.requireTrusted")(function* (
  packages: Iterable<Pick<LockedPackage, "name" | "publisher">>
) {
  const uses = usesOf(packages)
  const seen = new Set<string>()
  for (const { name, publisher } of uses) {
    const key = PublicKey.toBase64(publisher)
    if (seen.has(key)) continue
    seen.add(key)
    const revoked = Option.getOrUndefined(yield* Revocation.recall(publisher))
    if (revoked !== undefined) return yield* refusalOf(name, revoked)
  }
  const conflict = uses.length === 0 ? undefined : yield* pinAll(uses)
  if (conflict !== undefined) return yield* conflict
})
