import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { sha1 } from "../../../../src/protocol/core/Digest.ts"
import { Ed25519 } from "../../../../src/protocol/core/Ed25519.ts"
import type { Infohash } from "../../../../src/protocol/core/Infohash.ts"
import * as DhtSuite from "../../dht/DhtSuite.ts"
import * as ModelNetwork from "./ModelNetwork.ts"

/** What a host has looked up before a test begins. */
const LOOKUPS_BEFORE = 24

/** Networks of one, of few and of many nodes; every test of a network runs on the same one, in its virtual time. */
for (const count of [1, 12, 50, 100]) {
  const network = ModelNetwork.make(`suite of ${count}`, { count })
  let joined = 0
  const hosts = Effect.succeed<DhtSuite.Hosts>({
    join: Effect.gen(function* () {
      const index = joined++
      const dht = yield* ModelNetwork.joined(network, `host${index}`, `172.17.0.${index}`)
      // A newcomer knows three nodes only, and others by and by: so it finds not quite the closest ones.
      for (let i = 0; i < LOOKUPS_BEFORE; i++)
        yield* dht.findPeers(sha1(Uint8Array.of(index, i)) as Uint8Array as Infohash)
      return dht
    })
  })
  DhtSuite.suite(`model network of ${count}`, hosts, Layer.succeed(Ed25519, ModelNetwork.ed25519), (test) =>
    Effect.suspend(() => network.run(test))
  )
}
