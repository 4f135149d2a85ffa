/**
 * The asking side of `TopicPeers` over BitTorrent: whoever announced a topic in the DHT, as they would a
 * torrent (BEP 5), is dialled with the topic for an infohash and asked by the extension `ls_topic` (BEP 10).
 * Hosts that are asked may be anybody: what they give is bounded, and counts by its own signatures where
 * it is read. What dials is loaded when there is somebody to dial.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type { PeerAddress } from "../../../protocol/core/PeerAddress.ts"
import { Dht } from "../../../protocol/dht/Dht.ts"
import {
  ASK_DEADLINE,
  limited,
  PEERS_ASKED_MAX,
  type TopicAnswer,
  TopicPeers
} from "../../../protocol/dht/TopicPeers.ts"
import * as DialRule from "../DialRule.ts"
import { HostShares } from "../HostShares.ts"
import { type Options, resolve, type Settings } from "../SwarmOptions.ts"
import type { TopicPool } from "./TopicPool.ts"

/** Addresses of one public host that are asked: several users may share one, and one may announce any number. */
export const PORTS_PER_HOST_MAX = 2

/** A dial has to leave time for the question. */
const DIAL_TIMEOUT = Duration.times(ASK_DEADLINE, 2 / 3)

export interface Own extends Pick<Settings, "allowPrivatePeers" | "host"> {
  readonly port: number
}

/** Those that may be dialled, in any order: of too many the first ones may well be those of somebody who floods the topic. */
const eligible = Effect.fnUntraced(function* (found: ReadonlyArray<PeerAddress>, own: Own) {
  const shares = new HostShares(PORTS_PER_HOST_MAX)
  return (yield* Random.shuffle(found)).filter(
    (address) => DialRule.mayDial(address, own) && shares.enter(address.host)
  )
})

/** Asks everybody who is there, until {@link ASK_DEADLINE}. `pool` is run where there is somebody to ask. */
export const asking =
  (dht: Dht["Service"], pool: Effect.Effect<TopicPool>, own: Own): TopicPeers["Service"]["ask"] =>
  (topic) =>
    Effect.suspend(() => {
      const answers: Array<TopicAnswer> = []
      const asked = Effect.gen(function* () {
        const addresses = yield* eligible(yield* dht.findPeers(topic), own)
        if (addresses.length === 0) return
        const { ask, isResting } = yield* pool
        const chosen = addresses.filter((address) => !isResting(address)).slice(0, PEERS_ASKED_MAX)
        yield* Effect.forEach(
          chosen,
          (address) =>
            Effect.map(ask(address, topic), (answer) => {
              if (answer !== undefined) answers.push(limited(answer))
            }),
          { concurrency: "unbounded", discard: true }
        )
      })
      return Effect.map(Effect.timeoutOption(asked, ASK_DEADLINE), () => [...answers])
    })

const makePool = (settings: Settings) =>
  Effect.gen(function* () {
    const [TopicDialer, { TopicExchange }, TopicPool] = yield* Effect.promise(() =>
      Promise.all([import("./TopicDialer.ts"), import("./TopicExchange.ts"), import("./TopicPool.ts")])
    )
    const dialer = yield* TopicDialer.make(settings)
    return yield* TopicPool.make(dialer, (connection) => new TopicExchange(connection, undefined))
  })

/** Asks, listens nowhere, and serves nothing: for those who are there for a moment. */
export const layer = (options: Omit<Options, "port">): Layer.Layer<TopicPeers, never, Dht> =>
  Layer.effect(
    TopicPeers,
    Effect.gen(function* () {
      const dht = yield* Dht
      const scope = yield* Effect.scope
      const settings = resolve({ ...options, port: 0, handshakeTimeout: options.handshakeTimeout ?? DIAL_TIMEOUT })
      const pool: Effect.Effect<TopicPool> = yield* Effect.cached(
        Effect.provideService(makePool(settings), Scope.Scope, scope)
      )
      return TopicPeers.of({ serve: () => Effect.void, ask: asking(dht, pool, settings) })
    })
  )
