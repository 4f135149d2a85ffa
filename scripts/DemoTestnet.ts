/** A DHT in a process of its own, for the demo: says where it is entered, and goes when whoever started it goes. */
import * as Effect from "effect/Effect"
import { layer as nodeEd25519 } from "../src/runtime/crypto/NodeEd25519.ts"
import * as Testnet from "../src/runtime/dht/Testnet.ts"

process.on("disconnect", () => process.exit())

const main = Effect.gen(function* () {
  const { bootstrap } = yield* Testnet.make(Number(process.argv[2]))
  process.send?.({ bootstrap })
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(nodeEd25519))

void Effect.runPromise(main)
