/**
 * The machine under a simulated node (`DhtNode.Machine`): chance from the seed and timers of its process in
 * place of everything that the library would take from Node.
 */
import type { Chance } from "../../protocol/testing/simulation/Chance.ts"
import type { Ground } from "../../protocol/testing/simulation/Nodes.ts"
import type { Machine } from "../dht/DhtNode.ts"
import { WireSocket, type Options as SocketOptions } from "./WireSocket.ts"

export interface Options extends SocketOptions {
  readonly nodeId: Uint8Array
  readonly chance: Chance
  readonly ground: Ground
}

export const make = (options: Options): Machine => {
  const { chance, ground, internet, name, nodeId, process } = options
  const within = <A>(work: () => A): A => internet.globals.within(process, work)
  return {
    nodeId,
    onDefect: (defect) => {
      const text = `the DHT library threw: ${String(defect)}`
      ground.trace.add({ atMs: ground.kernel.elapsedMs, kind: "note", from: name, text })
    },
    after: (ms, run) => {
      const timer = internet.globals.plan(process, ms, run)
      return () => timer.cancel()
    },
    randomBytes: (length) => chance.bytes(length),
    datagrams: () => new WireSocket(options),
    build: (construct) => {
      const library = within(construct)
      const { client } = library
      const { addNode, destroy } = client
      // Those that plan ticks and are called from fibers, which no machine surrounds.
      client.addNode = (...args) => within(() => Reflect.apply(addNode, client, args))
      client.destroy = (...args) => within(() => Reflect.apply(destroy, client, args))
      return library
    }
  }
}
