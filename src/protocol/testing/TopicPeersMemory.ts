/**
 * A `TopicPeers` in memory: several layers over one network are several hosts on it, each asked by
 * the others and never by itself. The limits of an answer hold on the side that asks, so that a test
 * may place a peer that gives too much, gives garbage, fails or never answers. Time is that of `Clock`.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Infohash from "../core/Infohash.ts"
import { ASK_DEADLINE, limited, PEERS_ASKED_MAX, type TopicAnswer, TopicPeers } from "../dht/TopicPeers.ts"

/** One host's answer under one topic. `host` tells hosts apart; the latest of several answers of a host is the one it gives. */
export interface Peer {
  readonly host: symbol
  readonly answer: Effect.Effect<TopicAnswer, unknown>
}

/** Who serves what, by topic (hex). Tests may add peers of any kind. */
export interface Network {
  readonly topics: Map<string, Set<Peer>>
}

export const make = (): Network => ({ topics: new Map() })

const add = (network: Network, topic: Infohash.Infohash, peer: Peer): void => {
  const key = Infohash.toHex(topic)
  const peers = network.topics.get(key) ?? new Set()
  network.topics.set(key, peers.add(peer))
}

const remove = (network: Network, topic: Infohash.Infohash, peer: Peer): void => {
  const key = Infohash.toHex(topic)
  const peers = network.topics.get(key)
  peers?.delete(peer)
  if (peers?.size === 0) network.topics.delete(key)
}

/** Places a peer that is no host of a layer: whatever `answer` does is what it does when it is asked. */
export const place = (
  network: Network,
  topic: Infohash.Infohash,
  answer: Effect.Effect<TopicAnswer, unknown>
): Effect.Effect<void> => Effect.sync(() => add(network, topic, { host: Symbol("placed"), answer }))

/** Whatever keeps a peer from answering is that peer's own affair; only the asker's interruption is not. */
const askOne = ({ answer }: Peer) =>
  Effect.suspend(() => answer).pipe(
    Effect.map(limited),
    Effect.timeoutOption(ASK_DEADLINE),
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause) ? Effect.interrupt : Effect.succeed(Option.none<TopicAnswer>())
    )
  )

/** A host on the network. */
export const layerOn = (network: Network): Layer.Layer<TopicPeers> =>
  Layer.sync(TopicPeers, () => {
    const self = Symbol("host")
    /** The other hosts, each with its latest answer, as far as they are asked. */
    const others = (topic: Infohash.Infohash): ReadonlyArray<Peer> => {
      const byHost = new Map([...(network.topics.get(Infohash.toHex(topic)) ?? [])].map((peer) => [peer.host, peer]))
      byHost.delete(self)
      return [...byHost.values()].slice(0, PEERS_ASKED_MAX)
    }
    return TopicPeers.of({
      serve: (topic, answer) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const peer: Peer = { host: self, answer }
            add(network, topic, peer)
            return peer
          }),
          (peer) => Effect.sync(() => remove(network, topic, peer))
        ).pipe(Effect.asVoid),
      ask: (topic) => {
        const asked = others(topic)
        if (asked.length === 0) return Effect.succeed([])
        return Effect.map(Effect.forEach(asked, askOne, { concurrency: "unbounded" }), (answers) =>
          answers.flatMap(Option.toArray)
        )
      }
    })
  })

/** A host on a network of its own, for whoever builds the layer. */
export const layer: Layer.Layer<TopicPeers> = Layer.suspend(() => layerOn(make()))
