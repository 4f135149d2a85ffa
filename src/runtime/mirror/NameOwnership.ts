/**
 * Whether names may be mirrored under a key. A name that the key publishes already, without having
 * taken it from this registry, may be somebody else's package there: it is refused, unless the newest
 * release under the key is, byte for byte, the registry's own.
 */
import * as Bytes from "effect/Bytes"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Deadline from "../../protocol/core/Deadline.ts"
import * as Digest from "../../protocol/core/Digest.ts"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import type { PublicKey } from "../../protocol/core/PublicKey.ts"
import * as KeyString from "../../protocol/dht/KeyString.ts"
import * as Lookup from "../../protocol/registry/Lookup.ts"
import * as Package from "../../protocol/registry/Package.ts"
import { fail, NameConflict } from "./MirrorError.ts"
import * as MirrorOrigins from "./MirrorOrigins.ts"
import * as MirrorTarball from "./MirrorTarball.ts"

/** Names looked up at a time. */
const CONCURRENCY = 16

/** Whether the newest release under the key has the registry's bytes; else why not. */
const problemOf = Effect.fnUntraced(function* (registry: MirrorTarball.Registry, { l, n }: Package.Package) {
  const { candidates, describe } = yield* registry.source.packument(n)
  if (!candidates.has(l.v)) return `its version ${l.v} is not there`
  const described = yield* describe(l.v)
  const bytes = yield* Effect.scoped(MirrorTarball.fetch(registry, { ...described, id: `${n}@${l.v}` }))
  return Bytes.Equivalence(Digest.sha256(bytes), l.h) ? undefined : `its version ${l.v} has other bytes there`
})

const refuseName = Effect.fnUntraced(function* (
  registry: MirrorTarball.Registry,
  publisher: PublicKey,
  name: PackageName,
  origin: string | undefined
) {
  const address = registry.client.registry
  if (origin === address) return
  const refuse = (problem: string) => fail(new NameConflict({ package: name, registry: address, problem }))
  if (origin !== undefined) return yield* refuse(`it was mirrored from ${origin}`)
  const published = yield* Lookup.find(publisher, KeyString.packageOf(name), Package.codec)
  if (Option.isNone(published)) return
  const problem = yield* problemOf(registry, published.value.value)
  if (problem !== undefined) return yield* refuse(problem)
})

/**
 * Fails with `NameConflict`, and with `DeadlineExceeded` where one name takes longer than `limit`. What it lets pass
 * may be written down as taken from the registry.
 */
export const check = Effect.fn("NameOwnership.check")(function* (
  registry: MirrorTarball.Registry,
  publisher: PublicKey,
  names: Iterable<PackageName>,
  limit: Duration.Input
) {
  const origins = yield* Effect.flatMap(MirrorOrigins.make(publisher), ({ all }) => all)
  yield* Effect.forEach(
    new Set(names),
    (name) => Deadline.within(limit)(refuseName(registry, publisher, name, origins.get(name))),
    { concurrency: CONCURRENCY, discard: true }
  )
})
