import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as MetNodes from "../../../../src/runtime/dht/entry/MetNodes.ts"
import * as RememberedNodes from "../../../../src/runtime/dht/entry/RememberedNodes.ts"
import { Home } from "../../../../src/runtime/store/Home.ts"
import * as TemporaryHome from "../../TemporaryHome.ts"

const ANY = "0.0.0.0"
const ID = "ab".repeat(20)
const IDENTITY = { id: ID, host: "85.10.20.30", port: 6881, since: 1000 }

const addresses = (count: number) => Array.from({ length: count }, (_, i) => ({ address: `20.${i}.1.1:6881`, id: ID }))

describe("RememberedNodes", () => {
  const test = <E>(
    title: string,
    body: Effect.Effect<void, E, Layer.Success<typeof TemporaryHome.layer> | Scope.Scope>
  ) => it.live(title, () => Effect.scoped(body).pipe(Effect.provide(TemporaryHome.layer, { local: true })))

  test(
    "gives back what was saved, up to its limit, and adds to it",
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* RememberedNodes.load(ANY), RememberedNodes.EMPTY)
      yield* RememberedNodes.save(ANY, { nodes: addresses(2), since: 0 })
      yield* RememberedNodes.save(ANY, { nodes: [{ address: "30.1.1.1:6881", id: ID }], since: 0 })
      const { nodes } = yield* RememberedNodes.load(ANY)
      assert.sameMembers(
        nodes.map(({ address }) => address),
        ["20.0.1.1:6881", "20.1.1.1:6881", "30.1.1.1:6881"]
      )
      yield* RememberedNodes.save(ANY, { nodes: addresses(MetNodes.NODES_MAX + 20), since: 0 })
      assert.strictEqual((yield* RememberedNodes.load(ANY)).nodes.length, MetNodes.NODES_MAX)
    })
  )

  test(
    "keeps the node's own id until another one is given",
    Effect.gen(function* () {
      yield* RememberedNodes.save(ANY, { nodes: [], identity: IDENTITY, since: 0 })
      yield* RememberedNodes.save(ANY, { nodes: addresses(1), since: 0 })
      assert.deepStrictEqual((yield* RememberedNodes.load(ANY)).identity, IDENTITY)
      const other = { ...IDENTITY, host: "85.10.20.31" }
      yield* RememberedNodes.save(ANY, { nodes: [], identity: other, since: 0 })
      assert.deepStrictEqual((yield* RememberedNodes.load(ANY)).identity, other)
    })
  )

  test(
    "passes over a file that is damaged, too long or full of nonsense",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { directory, nodes: file } = yield* Home
      yield* fs.makeDirectory(directory, { recursive: true })
      for (const text of ["", "{", "{}", "[1]", `{"nodes":1}`, `{"nodes":["${"x".repeat(70_000)}"]}`]) {
        yield* fs.writeFileString(file, text)
        assert.deepStrictEqual(yield* RememberedNodes.load(ANY), RememberedNodes.EMPTY, text.slice(0, 20))
      }
      const good = { address: "20.1.1.1:6881", id: ID, first: 1, last: Date.now() }
      const bad = [
        "20.2.1.1:6881",
        { ...good, address: "evil.example:6881" },
        { ...good, address: "20.2.1.1:0" },
        { ...good, id: "no" },
        { ...good, last: -1 },
        null
      ]
      yield* fs.writeFileString(file, JSON.stringify({ nodes: [...bad, good], identity: { ...IDENTITY, port: 0 } }))
      assert.deepStrictEqual(yield* RememberedNodes.load(ANY), { nodes: [good], identity: undefined })
    })
  )

  test(
    "keeps nodes of other networks out, when saving and when loading",
    Effect.gen(function* () {
      const nodes = [
        { address: "127.0.0.1:7000", id: ID },
        { address: "20.1.1.1:6881", id: ID }
      ]
      yield* RememberedNodes.save(ANY, { nodes, since: 0 })
      assert.strictEqual((yield* RememberedNodes.load("127.0.0.1")).nodes.length, 1)
      yield* RememberedNodes.save("127.0.0.1", { nodes, since: 0 })
      assert.strictEqual((yield* RememberedNodes.load("127.0.0.1")).nodes.length, 2)
      assert.strictEqual((yield* RememberedNodes.load(ANY)).nodes.length, 1)
    })
  )

  test(
    "believes no time that is still to come",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { directory, nodes: file } = yield* Home
      yield* fs.makeDirectory(directory, { recursive: true })
      const future = Date.now() + 10 * MetNodes.LIFETIME_MS
      const nodes = [{ address: "20.1.1.1:6881", id: ID, first: future, last: future }]
      yield* fs.writeFileString(file, JSON.stringify({ nodes, identity: { ...IDENTITY, since: future } }))
      const { identity, nodes: loaded } = yield* RememberedNodes.load(ANY)
      const [node] = loaded
      assert.deepStrictEqual(identity, { ...IDENTITY, since: 0 }, "an id that may be changed at once")
      assert.isAtMost(node!.last, Date.now())
      assert.isAtMost(node!.first, node!.last)
    })
  )
})
