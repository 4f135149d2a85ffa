/** `ls-cli testnet`: a DHT of its own on this machine, to try everything out on. */
import * as Effect from "effect/Effect"
import * as NodeEd25519 from "../../runtime/crypto/NodeEd25519.ts"
import * as Testnet from "../../runtime/dht/Testnet.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import { InvalidArgument } from "../Settings.ts"

/** Each node takes a socket and about 60 kB. */
export const NODES_MAX = 1000

export const run = Effect.fnUntraced(
  function* (nodes: number) {
    const output = yield* Output
    const session = yield* Session
    if (nodes < 1 || nodes > NODES_MAX) {
      return yield* new InvalidArgument({
        argument: "--nodes",
        problem: `${nodes} is out of range`,
        hint: `Give a number from 1 to ${NODES_MAX}.`
      })
    }
    if (session.isListenGiven && session.host !== Testnet.HOST) {
      return yield* new InvalidArgument({
        argument: "--listen",
        problem: `${session.host} is not where a testnet runs`,
        hint: `It stays on this machine: give ${Testnet.HOST}:PORT to fix the port of its first node.`
      })
    }
    const testnet = yield* output.task(`Starting ${nodes} DHT nodes on ${Testnet.HOST}`, () =>
      session.limited(Testnet.make(nodes, { port: session.port }))
    )
    const [bootstrap] = testnet.bootstrap
    yield* output.result({ bootstrap, nodes }, [
      `${nodes} DHT nodes are up. Use them with:`,
      `  --bootstrap ${bootstrap}`
    ])
    yield* output.note("Press Ctrl-C to stop.")
    return yield* output.stay
  },
  Effect.scoped,
  Effect.provide(NodeEd25519.layer)
)
