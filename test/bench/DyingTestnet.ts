/**
 * The program of `TestnetProcess`: a testnet of as many nodes as the first argument says. It tells `{ bootstrap }` to
 * its parent; at `"die"` every second node closes, and `"died"` comes back.
 */
import * as Effect from "effect/Effect"
import { layer as nodeEd25519 } from "../../src/runtime/crypto/NodeEd25519.ts"
import * as Testnet from "../../src/runtime/dht/Testnet.ts"

const messages = (wanted: (message: unknown) => boolean): Effect.Effect<unknown> =>
  Effect.callback((resume) => {
    const listen = (message: unknown) => {
      if (!wanted(message)) return
      process.off("message", listen)
      resume(Effect.succeed(message))
    }
    process.on("message", listen)
  })

const main = Effect.gen(function* () {
  const { bootstrap, nodes } = yield* Testnet.make(Number(process.argv[2]))
  process.send?.({ bootstrap })
  yield* messages((message) => message === "die")
  for (const { client } of nodes.filter((_, i) => i % 2 === 1)) {
    yield* Effect.callback<void>((resume) => client.destroy(() => resume(Effect.void)))
  }
  process.send?.("died")
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(nodeEd25519))

process.on("disconnect", () => process.exit(0))
void Effect.runPromise(main)
