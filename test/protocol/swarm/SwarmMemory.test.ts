import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import { Swarm } from "../../../src/protocol/swarm/Swarm.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as SwarmMemory from "../../../src/protocol/testing/SwarmMemory.ts"
import * as SwarmSuite from "./SwarmSuite.ts"

const world = Effect.sync((): SwarmSuite.World => {
  const dhtNetwork = DhtMemory.make()
  const network = SwarmMemory.make()
  let hosts = 0
  return {
    node: (dht) =>
      Effect.suspend(() => {
        const host = `10.0.0.${++hosts}`
        const shared = DhtMemory.layerOn(dhtNetwork, { host }).pipe(Layer.provide(Ed25519.layerNoble))
        const swarm = SwarmMemory.layerOn(network, { host, port: 6881, lookupInterval: "50 millis" })
        return Effect.map(Layer.build(Layer.provide(swarm, dht ?? shared)), Context.get(Swarm))
      })
  }
})

SwarmSuite.suite("memory", world)
