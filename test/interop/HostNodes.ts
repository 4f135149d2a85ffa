/**
 * DHT nodes of one host of a test network: `node HostNodes.ts '{"host": …, "count": …, "bootstrap": […]}'`.
 * `ls-cli testnet` stays on loopback. Prints their addresses when they are up, and stays.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as NodeEd25519 from "../../src/runtime/crypto/NodeEd25519.ts"
import * as DhtNode from "../../src/runtime/dht/DhtNode.ts"
import * as StorageNode from "../../src/runtime/dht/items/StorageNode.ts"

const Options = Schema.fromJsonString(
  Schema.Struct({ host: Schema.String, count: Schema.Int, bootstrap: Schema.Array(Schema.String) })
)

const program = Effect.gen(function* () {
  const { bootstrap, count, host } = yield* Schema.decodeUnknownEffect(Options)(process.argv[2])
  const addresses: Array<string> = []
  for (let i = 0; i < count; i++) {
    const node = yield* StorageNode.make({ host, port: 0, bootstrap: [...bootstrap, ...addresses] })
    yield* DhtNode.ready(node)
    addresses.push(`${node.host}:${node.port}`)
  }
  process.stdout.write(`${JSON.stringify(addresses)}\n`)
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(NodeEd25519.layer))

Effect.runPromise(program).catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`)
  process.exitCode = 1
})
