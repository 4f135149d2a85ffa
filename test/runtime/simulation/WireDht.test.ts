import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as DhtSuite from "../../protocol/dht/DhtSuite.ts"
import { type Arena, ed25519, onWire } from "./Arena.ts"

const HOUR_MS = 3_600_000

const crypto = Layer.succeed(Ed25519, ed25519)

/** The arena of the test that runs just now: they run one after the other, each to its end. */
let arena: Arena | undefined

const hosts = Effect.sync((): DhtSuite.Hosts => {
  const { kernel, nodes } = arena!
  let count = 0
  const join = Effect.suspend(() => {
    const name = `host${++count}`
    const member = { name, host: `10.1.0.${count}`, process: kernel.process(name) }
    return Layer.build(Layer.fresh(Layer.provide(nodes.dht(member), crypto)))
  })
  return { join: Effect.map(join, (context) => Context.get(context, Dht)) }
})

const run = (test: Effect.Effect<void, unknown>): Effect.Effect<void, unknown> =>
  Effect.suspend(() =>
    onWire(1, { count: 20 }, (made) => {
      arena = made
      const { kernel } = made
      let exit: Exit.Exit<void, unknown> | undefined
      kernel.process("test").fork(test, (ended) => {
        exit = ended
      })
      const stop = kernel.run(() => exit !== undefined, kernel.now + HOUR_MS)
      return exit ?? Effect.die(new Error(`The test is ${stop}`))
    })
  )

DhtSuite.suite("bittorrent-dht on a simulated wire", hosts, crypto, run)
