/** Claims and networks for the tests of the name index. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { createPrivateKey, sign } from "node:crypto"
import { sha256 } from "../../../src/protocol/core/Digest.ts"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndexRecord from "../../../src/protocol/registry/NameIndexRecord.ts"
import type * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"

export const NAME = Fixtures.name("a")
export const TOPIC = KeyString.topicOf(KeyString.nameIndex(NAME))
export const SIGNED_AT_MS = 1_750_000_000_000

/** DER in front of a seed: PKCS #8 (RFC 8410 §7). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex")

/** As `Fixtures.keyPair`, for thousands of them: the key is read once, where it is no secret, in place of twice. */
const keyPair = (label: string): KeyPair.KeyPair => {
  const der = Buffer.concat([PKCS8_PREFIX, sha256(Fixtures.text(label))])
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" })
  const { x = "" } = key.export({ format: "jwk" })
  return new KeyPair.KeyPair(
    Option.getOrThrow(PublicKey.fromBytes(new Uint8Array(Buffer.from(x, "base64url")))),
    (message) => new Uint8Array(sign(null, message, key))
  )
}

/** The claim of the publisher that `label` stands for. */
export const claimOf = (
  label: string,
  options: { readonly version?: string; readonly t?: number; readonly name?: string } = {}
): NameClaim.NameClaim => {
  return NameClaim.sign(keyPair(label), Fixtures.name(options.name ?? "a"), {
    latestVersion: Fixtures.version(options.version ?? "1.0.0"),
    firstSeen: SIGNED_AT_MS,
    timestamp: options.t ?? SIGNED_AT_MS
  })
}

const signed = new Map<string, NameClaim.NameClaim>()

/** Claims of `count` publishers, each signed once in this process. */
export const claims = (count: number, prefix = "publisher"): ReadonlyArray<NameClaim.NameClaim> =>
  Array.from({ length: count }, (_, i) => {
    const label = `${prefix} ${i}`
    const claim = signed.get(label) ?? claimOf(label)
    signed.set(label, claim)
    return claim
  })

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
