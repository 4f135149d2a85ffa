import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { ASK_DEADLINE, TopicPeers } from "../../../src/protocol/dht/TopicPeers.ts"
import * as TopicPeersMemory from "../../../src/protocol/testing/TopicPeersMemory.ts"
import * as TopicPeersSuite from "./TopicPeersSuite.ts"

const world = Effect.sync((): TopicPeersSuite.World => {
  const network = TopicPeersMemory.make()
  return {
    host: Effect.map(Layer.build(Layer.fresh(TopicPeersMemory.layerOn(network))), Context.get(TopicPeers)),
    elapse: TestClock.adjust(ASK_DEADLINE)
  }
})

TopicPeersSuite.suite("memory", world, false)
