import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { sha1 } from "../../../src/protocol/core/Digest.ts"
import type { Infohash } from "../../../src/protocol/core/Infohash.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as RememberedNodes from "../../../src/runtime/dht/RememberedNodes.ts"
import * as Testnet from "../../../src/runtime/dht/Testnet.ts"
import * as LiveNode from "../../../src/runtime/LiveNode.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as TemporaryHome from "../TemporaryHome.ts"

describe("RememberedNodes", () => {
  const test = <E>(
    title: string,
    body: Effect.Effect<void, E, Layer.Success<typeof TemporaryHome.layer> | Scope.Scope>
  ) => it.live(title, () => Effect.scoped(body).pipe(Effect.provide(TemporaryHome.layer, { local: true })))

  const addresses = (count: number) => Array.from({ length: count }, (_, i) => `10.0.0.${i + 1}:6881`)

  test(
    "gives back what was saved, up to its limit",
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* RememberedNodes.load, [])
      yield* RememberedNodes.save(addresses(RememberedNodes.NODES_MAX + 1))
      assert.deepStrictEqual(yield* RememberedNodes.load, addresses(RememberedNodes.NODES_MAX))
      yield* RememberedNodes.save([])
      assert.strictEqual((yield* RememberedNodes.load).length, RememberedNodes.NODES_MAX, "no nodes leave it as it is")
    })
  )

  test(
    "passes over a file that is damaged, too long or full of nonsense",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { directory, nodes } = yield* Home
      yield* fs.makeDirectory(directory, { recursive: true })
      for (const text of ["", "{", "{}", "[1]", JSON.stringify(["x".repeat(5000)])]) {
        yield* fs.writeFileString(nodes, text)
        assert.deepStrictEqual(yield* RememberedNodes.load, [], text.slice(0, 20))
      }
      yield* fs.writeFileString(nodes, JSON.stringify(["evil.example:6881", "10.0.0.1:0", "10.0.0.1:6881"]))
      assert.deepStrictEqual(yield* RememberedNodes.load, ["10.0.0.1:6881"])
    })
  )

  test(
    "lets a node find its way back when none of its bootstrap nodes answers any more",
    Effect.gen(function* () {
      const { directory } = yield* Home
      const testnet = yield* Testnet.make(4)
      const infohash = sha1(new Uint8Array([7])) as Uint8Array as Infohash
      const visit = (bootstrap: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          const dht = yield* Dht
          yield* dht.findPeers(infohash)
          return yield* dht.nodeCount
        }).pipe(
          Effect.provide(
            LiveNode.layer({ home: directory, host: Testnet.HOST, port: 0, bootstrap, remembersNodes: true }),
            { local: true }
          )
        )
      yield* visit(testnet.bootstrap)
      assert.isAbove(yield* visit([`${Testnet.HOST}:9`]), 0)
    })
  )
})
