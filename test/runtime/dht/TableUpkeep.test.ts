import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as DhtNode from "../../../src/runtime/dht/DhtNode.ts"
import * as TableUpkeep from "../../../src/runtime/dht/TableUpkeep.ts"
import { LOOPBACK } from "./LiveNode.ts"

/** Long enough for an answer over loopback on a busy machine. */
const PATIENCE_MS = 300

const live = (title: string, body: () => Effect.Effect<void, unknown, Scope.Scope | Ed25519>) =>
  it.live(title, () => body().pipe(Effect.scoped, Effect.provide(ed25519)))

const open = DhtNode.make({ host: LOOPBACK, port: 0, bootstrap: [] })

/** A node that can be shut down before the test ends. */
const openMortal = Effect.gen(function* () {
  const scope = yield* Scope.make()
  const node = yield* Scope.provide(open, scope)
  yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
  return { node, kill: Scope.close(scope, Exit.void) }
})

const list = (node: DhtNode.DhtNode, other: DhtNode.DhtNode) => {
  DhtNode.hear(node, other.rpc.id, { host: LOOPBACK, port: other.port }, node.now())
}

const ports = (node: DhtNode.DhtNode) =>
  node.client.nodes
    .toArray()
    .map(({ port }) => port)
    .toSorted()

/** As if nothing had been heard of anybody for a long time. */
const forget = (node: DhtNode.DhtNode) => {
  for (const entry of node.client.nodes.toArray()) entry.seen = 0
}

describe("TableUpkeep", () => {
  live("drops nodes that are silent twice, and keeps those that answer", () =>
    Effect.gen(function* () {
      const node = yield* open
      const there = yield* open
      const gone = yield* openMortal
      list(node, there)
      list(node, gone.node)
      const look = TableUpkeep.make(node, PATIENCE_MS)
      forget(node)
      yield* look
      assert.deepStrictEqual(ports(node), [there.port, gone.node.port].toSorted())
      yield* gone.kill
      forget(node)
      yield* look
      assert.lengthOf(ports(node), 2)
      forget(node)
      yield* look
      assert.deepStrictEqual(ports(node), [there.port])
    })
  )

  live("asks nobody who was heard of just now", () =>
    Effect.gen(function* () {
      const node = yield* open
      const other = yield* open
      const asked = () => other.socket.counters().get("accepted-query") ?? 0
      list(node, other)
      const look = TableUpkeep.make(node, PATIENCE_MS)
      const before = asked()
      yield* Effect.repeat(look, { times: 3 })
      assert.strictEqual(asked(), before)
      forget(node)
      yield* look
      assert.strictEqual(asked(), before + 1)
    })
  )

  live("drops nobody while nobody at all is heard: then it is this machine that is cut off", () =>
    Effect.gen(function* () {
      const node = yield* open
      const others = [yield* openMortal, yield* openMortal]
      for (const other of others) list(node, other.node)
      for (const other of others) yield* other.kill
      const look = TableUpkeep.make(node, PATIENCE_MS)
      for (let i = 0; i < 3; i++) {
        forget(node)
        yield* look
      }
      assert.lengthOf(ports(node), 2)
    })
  )

  live("takes somebody else at the address for silence", () =>
    Effect.gen(function* () {
      const node = yield* open
      const other = yield* open
      const there = yield* open
      list(node, there)
      const id = new Uint8Array(20).fill(7)
      DhtNode.hear(node, id, { host: LOOPBACK, port: other.port }, node.now())
      const look = TableUpkeep.make(node, PATIENCE_MS)
      for (let i = 0; i < 2; i++) {
        forget(node)
        yield* look
      }
      assert.isNull(node.rpc.nodes.get(Buffer.from(id)))
      assert.isNotNull(node.rpc.nodes.get(there.rpc.id))
    })
  )

  live("gets past those that are gone, however many, and asks those that are there whether it hears at all", () =>
    Effect.gen(function* () {
      const node = yield* open
      const there = yield* open
      const gone = yield* Effect.replicateEffect(openMortal, TableUpkeep.ASKED_AT_ONCE_MAX + 1)
      for (const other of gone) list(node, other.node)
      for (const other of gone) yield* other.kill
      const look = TableUpkeep.make(node, PATIENCE_MS)
      for (let i = 0; i < 4; i++) {
        forget(node)
        // Heard of just now, and so not asked for its own sake.
        list(node, there)
        yield* look
      }
      assert.deepStrictEqual(ports(node), [there.port])
    })
  )
})
