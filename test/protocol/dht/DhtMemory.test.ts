import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as DhtSuite from "./DhtSuite.ts"

const hosts = Effect.sync((): DhtSuite.Hosts => {
  const network = DhtMemory.make()
  return {
    join: Layer.build(DhtMemory.layerOn(network).pipe(Layer.provide(ed25519))).pipe(
      Effect.map((context) => Context.get(context, Dht))
    )
  }
})

DhtSuite.suite("memory", hosts, ed25519)
