/** Claims and networks for the tests of the name index. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndexRecord from "../../../src/protocol/registry/NameIndexRecord.ts"
import type * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import { layer as nodeEd25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as Fixtures from "./Fixtures.ts"

export const NAME = Fixtures.name("a")
export const TOPIC = KeyString.topicOf(KeyString.nameIndex(NAME))
export const SIGNED_AT_MS = 1_750_000_000_000

const ed25519 = Effect.runSync(Effect.scoped(Layer.build(nodeEd25519)))

/** The claim of the publisher that `label` stands for. */
export const claimOf = (
  label: string,
  options: { readonly version?: string; readonly t?: number; readonly name?: string } = {}
): NameClaim.NameClaim => {
  const pair = Effect.runSync(Effect.provideContext(Fixtures.keyPair(label), ed25519))
  return NameClaim.sign(pair, Fixtures.name(options.name ?? "a"), {
    latestVersion: Fixtures.version(options.version ?? "1.0.0"),
    firstSeen: SIGNED_AT_MS,
    timestamp: options.t ?? SIGNED_AT_MS
  })
}

/** Claims of `count` publishers. */
export const claims = (count: number, prefix = "publisher"): ReadonlyArray<NameClaim.NameClaim> =>
  Array.from({ length: count }, (_, i) => claimOf(`${prefix} ${i}`))

export const verifiedSet = (all: Iterable<NameClaim.NameClaim>) => NameClaim.fromClaims(all) as NameClaim.VerifiedClaims

export const publishersOf = (set: NameClaim.ClaimSet) => [...set.keys()].toSorted()

/** Puts pages as anybody may, without the record that refers to them. */
export const putPages = (network: DhtMemory.Network, pages: ReadonlyArray<Uint8Array>): void => {
  for (const page of pages) network.immutable.set(Hex.encode(Record.immutableTargetOf(page)), page)
}

/** Writes the claims into the network with the pages that they need, as some other writer would. */
export const publish = (network: DhtMemory.Network, all: ReadonlyArray<NameClaim.NameClaim>, seq: number) => {
  const made = NameIndexRecord.make(NameClaim.fromClaims(all))
  putPages(network, made.pages)
  return Effect.as(Fixtures.overwriteName(network, "a", seq, made.value), made)
}

/** What a host does with the network and its keys. */
export interface Counts {
  lookups: number
  pageReads: number
  pagePuts: number
  puts: number
  verified: number
}

/** A host as `Fixtures.join` makes it, and a count of what it does. */
export const countingHost = (network: DhtMemory.Network) =>
  Effect.map(Layer.build(Fixtures.host(network)), (context) => {
    const counts: Counts = { lookups: 0, pageReads: 0, pagePuts: 0, puts: 0, verified: 0 }
    const dht = Context.get(context, Dht)
    const ed25519 = Context.get(context, Ed25519)
    const counted = Context.merge(
      context,
      Context.make(
        Dht,
        Dht.of({
          ...dht,
          lookup: (...args) => Effect.suspend(() => ((counts.lookups += 1), dht.lookup(...args))),
          getImmutable: (...args) => Effect.suspend(() => ((counts.pageReads += 1), dht.getImmutable(...args))),
          put: (...args) => Effect.suspend(() => ((counts.puts += 1), dht.put(...args))),
          putImmutable: (...args) => Effect.suspend(() => ((counts.pagePuts += 1), dht.putImmutable(...args)))
        })
      ).pipe(
        Context.add(Ed25519, {
          ...ed25519,
          verify: (...args) => {
            counts.verified += 1
            return ed25519.verify(...args)
          }
        })
      )
    )
    const reset = (): Counts => {
      const before = { ...counts }
      Object.assign(counts, { lookups: 0, pageReads: 0, pagePuts: 0, puts: 0, verified: 0 })
      return before
    }
    const run = <A, E, R extends Fixtures.Host | Scope.Scope>(work: Effect.Effect<A, E, R>) =>
      Effect.provideContext(work, counted)
    return { run, reset }
  })
