/** A name that somebody overwrites, resolved through peers that are found under its topic and asked over TCP. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { explain } from "../../../../src/protocol/core/Errors.ts"
import { TopicPeers } from "../../../../src/protocol/dht/TopicPeers.ts"
import * as NameIndex from "../../../../src/protocol/registry/NameIndex.ts"
import * as Resolve from "../../../../src/protocol/registry/Resolve.ts"
import * as Testing from "../../../../src/protocol/testing/index.ts"
import * as Fixtures from "../../../protocol/registry/Fixtures.ts"
import * as Bundles from "../../../protocol/swarm/Bundles.ts"
import * as TopicWorld from "./TopicWorld.ts"

const { name, range } = Fixtures
const wish = { name: name("a"), range: range("*") }

/** A host of a network in memory whose topics go over real connections. */
const join = Effect.fnUntraced(function* (network: Testing.Network, role: "serves" | "asks") {
  const host = yield* Bundles.online(network, "127.0.0.1")
  const peers = yield* role === "serves" ? TopicWorld.host(network.dht) : TopicWorld.asker(network.dht)
  const services = Context.add(host.services, TopicPeers, peers)
  return <A, E, R extends Bundles.Services | Scope.Scope>(work: Effect.Effect<A, E, R>) =>
    Effect.provideContext(work, services)
})

describe("a name that is overwritten", () => {
  it.live("is resolved by what peers hand on under its topic: its claims, and the package that the network lost", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const network = Testing.network()
        const publisher = yield* Bundles.online(network, "127.0.0.1")
        const key = yield* publisher.does(Bundles.keyPair("publisher"))
        yield* Bundles.publish(publisher, key, { name: "a", version: "1.0.0" })
        const seeder = yield* join(network, "serves")
        yield* seeder(Resolve.resolveByName(wish))
        yield* seeder(NameIndex.serveAll())

        yield* Fixtures.overwriteName(network.dht, "a", 1_000)
        const alone = yield* Bundles.online(network, "127.0.0.1")
        assert.strictEqual(explain(yield* Effect.flip(alone.does(Resolve.resolveByName(wish))))?._tag, "NameNotFound")

        const user = yield* join(network, "asks")
        const { evidence, publisher: found } = yield* user(Resolve.resolveByName(wish))
        assert.deepStrictEqual(found, key.publicKey)
        assert.isTrue(evidence.looks.some(({ kind, source }) => kind === "package" && source === "network"))

        // Then all else of it is lost too.
        network.dht.items.clear()
        const late = yield* join(network, "asks")
        const handedOn = yield* late(Resolve.resolveByName(wish))
        assert.strictEqual(handedOn.release.v, "1.0.0")
        assert.isTrue(handedOn.evidence.looks.some(({ kind, source }) => kind === "package" && source === "peers"))
      })
    )
  )
})
