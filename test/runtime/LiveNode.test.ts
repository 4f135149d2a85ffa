import { assert, describe, it } from "@effect/vitest"
import * as NodeFs from "node:fs"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as SqlClient from "effect/sql/SqlClient"
import { Dht } from "../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../src/protocol/dht/KeyString.ts"
import { PageStore } from "../../src/protocol/dht/PageStore.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../src/protocol/dht/RecordStore.ts"
import { RePutState } from "../../src/protocol/registry/RePutState.ts"
import { Swarm } from "../../src/protocol/swarm/Swarm.ts"
import { Entry } from "../../src/runtime/dht/entry/Entry.ts"
import type { Mode } from "../../src/runtime/dht/entry/Reach.ts"
import { LIFETIME_MS } from "../../src/runtime/dht/items/ItemStore.ts"
import * as Testnet from "../../src/runtime/dht/Testnet.ts"
import * as LiveNode from "../../src/runtime/LiveNode.ts"
import { Home } from "../../src/runtime/store/Home.ts"
import * as Sqlite from "../../src/runtime/store/Sqlite.ts"
import * as SqliteRePutState from "../../src/runtime/store/SqliteRePutState.ts"
import * as Stores from "../../src/runtime/Stores.ts"
import { keyPair } from "../protocol/registry/Fixtures.ts"
import { asDictionary, type Loose, Stranger, text } from "./dht/LiveNode.ts"
import * as TemporaryHome from "./TemporaryHome.ts"

/** Puts an item with a node of this mode, and tells what is left of its home. */
const visit = Effect.fnUntraced(function* (mode: Mode, bootstrap: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { directory: home } = yield* Home
  const report = yield* Effect.gen(function* () {
    const dht = yield* Dht
    assert.isAbove((yield* dht.putImmutable(new Uint8Array([1, 2, 3]))).acks, 0)
    assert.isAbove((yield* Swarm).address.port, 0)
    return yield* (yield* Entry).report
  }).pipe(Effect.provide(LiveNode.layer({ home, host: Testnet.HOST, port: 0, bootstrap, mode }), { local: true }))
  return { report, hasDatabase: yield* fs.exists(path.join(home, "state.db")) }
})

const server = (home: string) => LiveNode.layer({ home, host: Testnet.HOST, port: 0, bootstrap: [], mode: "server" })

/** What a server with this home answers who asks it for the targets, in the order of these; `put` is put to it before. */
const serve = Effect.fnUntraced(function* (
  targets: ReadonlyArray<Record.Target>,
  put: ReadonlyArray<{ readonly [name: string]: Loose }> = []
) {
  const { directory: home } = yield* Home
  return yield* Effect.gen(function* () {
    const { bound } = yield* (yield* Entry).report
    const stranger = yield* Effect.acquireRelease(
      Effect.promise(() => Stranger.bind(Number(bound?.split(":")[1]))),
      (each) => Effect.promise(() => each.close())
    )
    const ask = (q: string, a: { readonly [name: string]: Loose }) => Effect.promise(() => stranger.ask(q, a))
    const token = yield* Effect.promise(() => stranger.token())
    for (const a of put) assert.property(yield* ask("put", { ...a, token }), "r")
    const replies = yield* Effect.forEach(targets, (target) => ask("get", { target }))
    return replies.map((reply) => asDictionary(reply?.["r"])["v"])
  }).pipe(Effect.scoped, Effect.provide(server(home), { local: true }))
})

/** Puts the value to the node that is provided. */
const putTo = Effect.fnUntraced(function* (v: Loose) {
  const { bound } = yield* (yield* Entry).report
  const stranger = yield* Effect.acquireRelease(
    Effect.promise(() => Stranger.bind(Number(bound?.split(":")[1]))),
    (each) => Effect.promise(() => each.close())
  )
  const token = yield* Effect.promise(() => stranger.token())
  assert.property(yield* Effect.promise(() => stranger.ask("put", { v, token })), "r")
}, Effect.scoped)

/** How often this process has the file open. */
const handlesOf = (location: string): number => {
  const { dev, ino } = NodeFs.statSync(location)
  return Array.from({ length: 512 }).filter((_, handle) => {
    try {
      const found = NodeFs.fstatSync(handle)
      return found.ino === ino && found.dev === dev
    } catch {
      return false
    }
  }).length
}

describe("LiveNode", () => {
  it.live("of several nodes of one home, the first alone writes what it holds into the home", () =>
    Effect.gen(function* () {
      const { directory: home, state } = yield* Home
      yield* Effect.gen(function* () {
        yield* putTo(text("the first's"))
        yield* Effect.provide(putTo(text("the second's")), server(home), { local: true })
      }).pipe(Effect.provide(server(home), { local: true }))
      const values = yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        return yield* sql`SELECT value FROM held_items`.values
      }).pipe(Effect.provide(Sqlite.layer({ location: state, onDamage: "refuse" }), { local: true }))
      assert.deepStrictEqual(values, [[text("11:the first's")]])
    }).pipe(Effect.provide(TemporaryHome.layer, { local: true }))
  )

  it.live("uses the one connection that its process has to the database of the home", () =>
    Effect.gen(function* () {
      const { directory: home, state } = yield* Home
      yield* Effect.gen(function* () {
        yield* putTo(text("an item"))
        assert.strictEqual(handlesOf(state), 1)
        yield* Effect.gen(function* () {
          yield* (yield* RePutState).save([], 5_000)
          assert.strictEqual(handlesOf(state), 1)
        }).pipe(Effect.provide(SqliteRePutState.layerHome))
      }).pipe(Effect.provide(server(home)))
      assert.strictEqual(handlesOf(state), 0)
    }).pipe(Effect.provide(TemporaryHome.layer, { local: true }))
  )

  it.live("holds for good what its home keeps alive: however long ago somebody put it, and across restarts", () =>
    Effect.gen(function* () {
      const { directory: home } = yield* Home
      const path = yield* Path.Path
      const publisher = yield* keyPair("alice")
      const record = Record.sign(publisher, { salt: KeyString.saltOf("package"), seq: 2, value: text("record") })
      const [page, other] = [text("page"), text("another's")]
      const stores = Stores.layer({ home })
      yield* Effect.gen(function* () {
        yield* (yield* RecordStore).remember(record)
        yield* (yield* PageStore).keep([page])
      }).pipe(Effect.provide(stores, { local: true }))
      const { publicKey: k, salt, seq, signature: sig, value: v } = record
      const targets = [Record.targetOf(k, salt), Record.immutableTargetOf(page), Record.immutableTargetOf(other)]
      const held = yield* serve(targets, [{ k, salt, seq, sig, v }, { v: page }, { v: other }])
      assert.deepStrictEqual(held, [v, page, other])
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`UPDATE held_items SET put_at = put_at - ${LIFETIME_MS}`
      }).pipe(
        Effect.provide(Sqlite.layer({ location: path.join(home, "state.db"), onDamage: "refuse" }), { local: true })
      )
      assert.deepStrictEqual(yield* serve(targets), [v, page, undefined])
    }).pipe(Effect.scoped, Effect.provide(TemporaryHome.layer, { local: true }))
  )

  it.live("holds items for others past its end as a node that stays, and makes no database as one that does not", () =>
    Effect.gen(function* () {
      const { bootstrap } = yield* Testnet.make(4)
      const client = yield* visit("client", bootstrap)
      assert.deepStrictEqual([client.report.role, client.hasDatabase], ["client", false])
      const adaptive = yield* visit("adaptive", bootstrap)
      assert.deepStrictEqual([adaptive.report.role, adaptive.hasDatabase], ["client", true])
      assert.strictEqual((yield* visit("server", bootstrap)).report.role, "server")
    }).pipe(Effect.scoped, Effect.provide(TemporaryHome.layer, { local: true }))
  )
})
