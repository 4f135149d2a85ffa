import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { sha256 } from "../../../src/protocol/core/Digest.ts"
import * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as MainlineDht from "../../../src/runtime/dht/MainlineDht.ts"
import * as Testnet from "../../../src/runtime/dht/Testnet.ts"
import * as DhtSuite from "../../protocol/dht/DhtSuite.ts"

const host = Testnet.HOST

const join = (bootstrap: ReadonlyArray<string>) =>
  Layer.build(MainlineDht.layer({ host, port: 0, bootstrap }).pipe(Layer.provide(ed25519))).pipe(
    Effect.map((context) => Context.get(context, Dht))
  )

const hosts = Effect.map(Testnet.make(8).pipe(Effect.provide(ed25519)), ({ bootstrap }): DhtSuite.Hosts => ({
  join: join(bootstrap)
}))

DhtSuite.suite("Mainline over UDP", hosts, ed25519)

describe("MainlineDht", () => {
  it.live("says that no node answers, and whom it asked", () =>
    Effect.gen(function* () {
      const bootstrap = [`${host}:9`]
      const dht = yield* join(bootstrap)
      const { publicKey } = yield* KeyPair.fromSeed(sha256(new Uint8Array([1])))
      const error = yield* Effect.flip(dht.get(publicKey, KeyString.saltOf("x")))
      assert.strictEqual(error.reason._tag, "NoNodes")
      assert.include(error.message, `${host}:9`)
    }).pipe(Effect.scoped, Effect.provide(ed25519))
  )

  it.live("says which address is taken", () =>
    Effect.gen(function* () {
      const { nodes } = yield* Testnet.make(1)
      const taken = MainlineDht.layer({ host, port: nodes[0]!.port, bootstrap: [] })
      const error = yield* Effect.flip(Layer.build(taken))
      assert.strictEqual(error.reason._tag, "SocketFailed")
      assert.include(error.message, `${host}:${nodes[0]!.port}`)
    }).pipe(Effect.scoped, Effect.provide(ed25519))
  )

  it.live("says at once that an address is not this machine's", () =>
    Effect.gen(function* () {
      // 192.0.2.0/24 is for documentation (RFC 5737): no machine has it, and nothing is sent there.
      const error = yield* Effect.flip(Layer.build(MainlineDht.layer({ host: "192.0.2.1", port: 0, bootstrap: [] })))
      assert.strictEqual(error.reason._tag, "SocketFailed")
      assert.include(error.message, "EADDRNOTAVAIL")
    }).pipe(Effect.scoped, Effect.provide(ed25519))
  )

  it.live("takes no place in the tables of others when it is read-only", () =>
    Effect.gen(function* () {
      const { bootstrap, nodes } = yield* Testnet.make(4)
      const { publicKey } = yield* KeyPair.fromSeed(sha256(new Uint8Array([1])))
      const listedBy = Effect.sync(() => nodes.filter(({ client }) => client.nodes.count() > nodes.length - 1).length)
      const visit = (readOnly: boolean) =>
        Effect.scoped(
          Effect.gen(function* () {
            const context = yield* Layer.build(MainlineDht.layer({ host, port: 0, bootstrap, readOnly }))
            const dht = Context.get(context, Dht)
            yield* dht.get(publicKey, KeyString.saltOf("anything"))
            return yield* listedBy
          })
        )
      assert.strictEqual(yield* visit(true), 0)
      assert.isAbove(yield* visit(false), 0)
    }).pipe(Effect.scoped, Effect.provide(ed25519))
  )
})
