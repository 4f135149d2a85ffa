/**
 * How many serve an infohash: peers announced under it in the DHT (BEP 5). Announcing costs nothing,
 * so one public address counts once, whatever ports it claims; hosts of one private network have
 * only their ports to be told apart by.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Infohash } from "../core/Infohash.ts"
import { type PeerAddress, reachOf } from "../core/PeerAddress.ts"
import { Dht } from "../dht/Dht.ts"

/** Candidates of one name whose seeders are counted, at one look-up each. */
export const SEEDER_CANDIDATES_MAX = 32

/** Time for counting all of them together, in ms: a look-up in the Mainline DHT takes one to three seconds. */
export const SEEDER_DEADLINE_MS = 5_000

const identityOf = (peer: PeerAddress): string | undefined => {
  const reach = reachOf(peer.host)
  if (reach === "reserved") return undefined
  return reach === "public" ? peer.host : String(peer)
}

/** Distinct peers. Addresses that can belong to none do not count. */
export const distinct = (peers: Iterable<PeerAddress>): number => {
  const seen = new Set<string>()
  for (const peer of peers) {
    const identity = identityOf(peer)
    if (identity !== undefined) seen.add(identity)
  }
  return seen.size
}

const overDht = (dht: Dht["Service"]): Seeders["Service"] =>
  Seeders.of({
    count: (infohash) =>
      dht.findPeers(infohash).pipe(
        Effect.map(distinct),
        Effect.catch(() => Effect.succeed(0))
      )
  })

export class Seeders extends Context.Service<
  Seeders,
  {
    /** Distinct seeders, as far as they can be found; 0 where nobody could be asked. */
    readonly count: (infohash: Infohash) => Effect.Effect<number>
  }
>()("@libreseed/protocol/registry/Seeders") {
  static readonly layerDht: Layer.Layer<Seeders, never, Dht> = Layer.effect(Seeders, Effect.map(Dht, overDht))
}

/** The service, where one is provided; else one over the DHT. */
export const current = Effect.gen(function* () {
  const provided = yield* Effect.serviceOption(Seeders)
  return provided._tag === "Some" ? provided.value : overDht(yield* Dht)
})
