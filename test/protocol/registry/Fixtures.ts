/** Keys, releases and hosts for the registry's tests: everything in memory, time under control. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { sha1, sha256 } from "../../../src/protocol/core/Digest.ts"
import type { Infohash } from "../../../src/protocol/core/Infohash.ts"
import * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import * as PackageName from "../../../src/protocol/core/PackageName.ts"
import * as Version from "../../../src/protocol/core/Version.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { PageStore } from "../../../src/protocol/dht/PageStore.ts"
import { Proofs } from "../../../src/protocol/registry/Proofs.ts"
import { PublisherTrust } from "../../../src/protocol/registry/PublisherTrust.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import { Observations } from "../../../src/protocol/registry/Observations.ts"
import type * as Release from "../../../src/protocol/registry/Release.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as TopicPeersMemory from "../../../src/protocol/testing/TopicPeersMemory.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

export const name = (value: string) => PackageName.PackageName.make(value)
export const version = (value: string) => Version.Version.make(value)
export const range = (value: string) => Version.Range.make(value)

export const keyPair = (label: string) => KeyPair.fromSeed(sha256(text(label)))

/** A release of which only the identity matters; `content` stands for its bytes. */
export const release = (
  packageName: string,
  packageVersion: string,
  options?: { readonly content?: string; readonly t?: number }
): Release.Release => {
  const seed = `${packageName} ${packageVersion} ${options?.content ?? ""}`
  return {
    n: name(packageName),
    v: version(packageVersion),
    m: sha256(text(`manifest ${seed}`)),
    h: sha256(text(`tarball ${seed}`)),
    ih: sha1(text(seed)) as Uint8Array as Infohash,
    s: [100, 2000],
    p: sha1(text(`piece ${seed}`)),
    t: options?.t ?? 1_700_000_000_000
  }
}

const topics = new WeakMap<DhtMemory.Network, TopicPeersMemory.Network>()

/** Who serves which topic among the hosts of `network`. */
export const topicsOf = (network: DhtMemory.Network): TopicPeersMemory.Network => {
  const known = topics.get(network)
  if (known !== undefined) return known
  const made = TopicPeersMemory.make()
  topics.set(network, made)
  return made
}

/** One host on `network`, with stores of its own. */
export const host = (network: DhtMemory.Network) =>
  Layer.mergeAll(
    DhtMemory.layerOn(network),
    Layer.fresh(RecordStore.layerMemory),
    Layer.fresh(PageStore.layerMemory),
    Layer.fresh(Observations.layerMemory),
    Layer.fresh(Proofs.layerMemory),
    PublisherTrust.layerBlank,
    Layer.fresh(TopicPeersMemory.layerOn(topicsOf(network)))
  ).pipe(Layer.provideMerge(ed25519))

export type Host = Layer.Success<ReturnType<typeof host>>

/** Runs `work` as one host that keeps its stores between calls. */
export const join = (network: DhtMemory.Network) =>
  Effect.map(
    Layer.build(host(network)),
    (context) =>
      <A, E, R extends Host | Scope.Scope>(work: Effect.Effect<A, E, R>) =>
        Effect.provideContext(work, context)
  )

/** What anybody can do: sign the shared record of a name with its name key. Without a value it has no claims. */
export const overwriteName = (
  network: DhtMemory.Network,
  packageName: string,
  seq: number,
  value: Uint8Array = text("d1:cle1:ki0ee")
) =>
  Effect.gen(function* () {
    const keyString = KeyString.nameIndex(name(packageName))
    const nameKey = yield* KeyString.nameKeyOf(keyString)
    const record = Record.sign(nameKey, { salt: KeyString.saltOf(keyString), seq, value })
    yield* Effect.flatMap(Dht, (dht) => dht.put(record))
  }).pipe(Effect.provide(host(network)))
