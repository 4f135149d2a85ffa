/** Users of a registry in memory: with pins and trusted keys, on a network that takes its time. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import type { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import { PublisherTrust } from "../../../src/protocol/registry/PublisherTrust.ts"
import type * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Revocation from "../../../src/protocol/trust/Revocation.ts"
import * as Fixtures from "./Fixtures.ts"

export interface Options {
  /** Publisher by name. */
  readonly pins?: { readonly [name: string]: PublicKey.PublicKey }
  /** When the pins were made, Unix ms. */
  readonly since?: number
  readonly trusted?: ReadonlyArray<PublicKey.PublicKey>
  /** Changes what the network does for this user. */
  readonly dht?: (dht: Dht["Service"]) => Dht["Service"]
}

const trust = ({ pins = {}, since = 0, trusted = [] }: Options) =>
  Layer.effect(
    PublisherTrust,
    Effect.gen(function* () {
      const context = yield* Effect.context<Dht | RecordStore>()
      return PublisherTrust.of({
        pinOf: (name) => {
          const publisher = pins[name]
          return Effect.succeed(publisher === undefined ? Option.none() : Option.some({ publisher, since }))
        },
        trusted: Effect.succeed(new Set(trusted.map(PublicKey.toHex))),
        revocationOf: (publisher) => Effect.provideContext(Revocation.find(publisher), context)
      })
    })
  )

/** A host on `network` that looks for revocations, and keeps its stores between calls. */
export const join = (network: DhtMemory.Network, options: Options = {}) =>
  Effect.gen(function* () {
    const host = yield* Layer.build(Fixtures.host(network))
    const dht = (options.dht ?? ((same) => same))(Context.get(host, Dht))
    const context = Context.add(host, Dht, dht)
    const withTrust = Context.merge(context, yield* Effect.provideContext(Layer.build(trust(options)), context))
    return <A, E>(work: Effect.Effect<A, E, Fixtures.Host>) => Effect.provideContext(work, withTrust)
  })

/** Every look-up takes one second, whoever makes it. */
export const slow = (dht: Dht["Service"]): Dht["Service"] => {
  const late = <A, E>(answer: Effect.Effect<A, E>) => Effect.andThen(Effect.sleep("1 second"), answer)
  return {
    ...dht,
    lookup: (publicKey, salt) => late(dht.lookup(publicKey, salt)),
    get: (publicKey, salt) => late(dht.get(publicKey, salt)),
    lookupImmutable: (target) => late(dht.lookupImmutable(target)),
    getImmutable: (target) => late(dht.getImmutable(target)),
    findPeers: (infohash) => late(dht.findPeers(infohash))
  }
}

/** Runs work on virtual time: its result, and the seconds it took. */
export const timed = Effect.fnUntraced(function* <A, E>(
  work: Effect.Effect<A, E>,
  limit: Duration.Input = "60 seconds"
) {
  const start = yield* Clock.currentTimeMillis
  const fiber = yield* Effect.forkChild(Effect.zip(work, Clock.currentTimeMillis))
  const end = start + Duration.toMillis(Duration.fromInputUnsafe(limit))
  while (fiber.pollUnsafe() === undefined && (yield* Clock.currentTimeMillis) < end) yield* TestClock.adjust("1 second")
  const [value, at] = yield* Fiber.join(fiber)
  return { value, seconds: (at - start) / 1000 }
})
