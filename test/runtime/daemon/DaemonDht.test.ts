/** A `Dht` through a daemon does what every `Dht` does: the same tests, over memory and over real sockets. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as MainlineDht from "../../../src/runtime/dht/MainlineDht.ts"
import * as Testnet from "../../../src/runtime/dht/Testnet.ts"
import * as DhtSuite from "../../protocol/dht/DhtSuite.ts"
import * as Daemons from "./Daemons.ts"

/** A home, a daemon in it over this node, and a command that uses it. */
const through = Effect.fnUntraced(function* (dht: Dht["Service"]) {
  const home = yield* Daemons.home
  yield* Daemons.serve(home, dht)
  return yield* Daemons.command(home, Daemons.unneeded)
})

DhtSuite.suite(
  "through a daemon, in memory",
  Effect.sync(() => {
    const network = DhtMemory.make()
    return { join: Effect.flatMap(Daemons.inMemory(network), through) }
  }),
  ed25519
)

const onUdp = (bootstrap: ReadonlyArray<string>) =>
  Layer.build(MainlineDht.layer({ host: Testnet.HOST, port: 0, bootstrap }).pipe(Layer.provide(ed25519))).pipe(
    Effect.map((context) => Context.get(context, Dht))
  )

DhtSuite.suite(
  "through a daemon, over UDP",
  Effect.map(Testnet.make(8).pipe(Effect.provide(ed25519)), ({ bootstrap }) => ({
    join: Effect.flatMap(onUdp(bootstrap), through)
  })),
  ed25519
)
