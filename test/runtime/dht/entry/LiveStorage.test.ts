import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Dgram from "node:dgram"
import * as Record from "../../../../src/protocol/dht/Record.ts"
import * as SecureId from "../../../../src/protocol/dht/client/SecureId.ts"
import * as CurrentNode from "../../../../src/runtime/dht/entry/CurrentNode.ts"
import { ExternalAddress } from "../../../../src/runtime/dht/entry/ExternalAddress.ts"
import * as LiveStorage from "../../../../src/runtime/dht/entry/LiveStorage.ts"
import { Reach } from "../../../../src/runtime/dht/entry/Reach.ts"
import type { Archived, ItemArchive } from "../../../../src/runtime/dht/items/ItemArchive.ts"
import { RECEIVE_BUFFER_BYTES } from "../../../../src/runtime/dht/UdpPort.ts"
import * as Testnet from "../../../../src/runtime/dht/Testnet.ts"
import * as TemporaryHome from "../../TemporaryHome.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** An archive in memory. */
const makeArchive = (): ItemArchive => {
  const rows = new Map<string, Archived>()
  return {
    load: (_since, take) =>
      Effect.sync(() => {
        for (const row of rows.values()) take(row)
        return 0
      }),
    write: ({ gone, kept }) =>
      Effect.sync(() => {
        for (const target of gone) rows.delete(target)
        for (const row of kept) rows.set(row.target, row)
      })
  }
}

const setUp = Effect.fnUntraced(function* (given?: Testnet.Testnet) {
  const testnet = given ?? (yield* Testnet.make(6))
  const now = () => 0
  const defects: Array<unknown> = []
  const options = {
    host: Testnet.HOST,
    archive: makeArchive(),
    reach: new Reach({ mode: "server", boundHost: Testnet.HOST, now }),
    votes: new ExternalAddress(now),
    pinned: new Set(["ab".repeat(20)]),
    portHint: undefined,
    onDefect: (defect: unknown) => void defects.push(defect),
    onNode: () => {}
  }
  const current = yield* CurrentNode.make({
    first: { nodeId: new Uint8Array(20).fill(1), port: 0, bootstrap: testnet.bootstrap },
    open: (opening) => LiveStorage.open({ ...options, ...opening }),
    before: Effect.void,
    explain: (error) => error
  })
  return { current, defects, testnet, votes: options.votes }
})

describe("LiveStorage", () => {
  it.live("changes its id under its users, and keeps its port, its neighbours and what it holds for others", () =>
    Effect.gen(function* () {
      const { current } = yield* setUp()
      const value = new TextEncoder().encode("held for others")
      yield* current.dht.putImmutable(value)
      const before = current.get()!
      const item = { value: new TextEncoder().encode(`${value.length}:held for others`), mutable: undefined }
      const target = hex(Record.immutableTargetOf(value))
      assert.isTrue(before.node.items.put(item, "127.0.0.1:7000"))
      const nodeId = SecureId.make("85.10.20.30", new Uint8Array(20).fill(9))
      const asking = Effect.all(
        Array.from({ length: 20 }, () => current.dht.getImmutable(Record.immutableTargetOf(value))),
        { concurrency: "unbounded" }
      )
      const [found, replaced, later] = yield* Effect.all([asking, current.replace(nodeId), asking], {
        concurrency: "unbounded"
      })
      assert.isTrue(replaced)
      for (const each of [...found, ...later]) assert.strictEqual(each._tag, "Some")
      const after = current.get()!
      assert.notStrictEqual(after, before)
      assert.isTrue(before.node.client.destroyed)
      assert.strictEqual(hex(after.node.rpc.id), hex(nodeId))
      assert.strictEqual(after.port, before.port)
      assert.isAbove(yield* current.dht.nodeCount, 0)
      assert.deepStrictEqual(after.node.items.get(target)?.value, item.value)
    }).pipe(Effect.scoped, Effect.provide(TemporaryHome.platform))
  )

  it.live("has room for datagrams that arrive while the process is busy", () =>
    Effect.gen(function* () {
      const asked = vi.spyOn(Dgram.Socket.prototype, "setRecvBufferSize")
      yield* Effect.addFinalizer(() => Effect.sync(() => asked.mockRestore()))
      const testnet = yield* Testnet.make(1)
      assert.strictEqual(asked.mock.calls.length, 1)
      const { current } = yield* setUp(testnet)
      assert.deepStrictEqual(asked.mock.calls.at(-1), [RECEIVE_BUFFER_BYTES])
      assert.strictEqual(asked.mock.calls.length, 2)
      const socket = asked.mock.contexts.at(-1) as Dgram.Socket
      assert.strictEqual(socket.address().port, current.get()?.port)
    }).pipe(Effect.scoped, Effect.provide(TemporaryHome.platform))
  )

  it.live("tells what the library throws, and lives on", () =>
    Effect.gen(function* () {
      const { current, defects, testnet } = yield* setUp()
      const { node } = current.get()!
      const threw = new TypeError("no such bucket")
      node.socket.prependOnceListener("message", () => {
        throw threw
      })
      const listed = { id: node.rpc.id, host: Testnet.HOST, port: node.port }
      const asker = testnet.nodes[0]!
      const query = { method: "find_node", args: { id: asker.rpc.id, target: listed.id } } as const
      yield* Effect.callback<void>((resume) =>
        asker.socket.request(query, listed.host, listed.port, 1000, () => resume(Effect.void))
      )
      assert.deepStrictEqual(defects, [threw])
      assert.isTrue(yield* current.replace())
      assert.strictEqual(hex(current.get()!.node.rpc.id), hex(listed.id))
      assert.strictEqual(current.get()!.port, listed.port)
    }).pipe(Effect.scoped, Effect.provide(TemporaryHome.platform))
  )

  it.live("learns its outer address from the replies that it gets", () =>
    Effect.gen(function* () {
      const { current, votes } = yield* setUp()
      yield* Effect.ignore(current.dht.getImmutable(Record.immutableTargetOf(new Uint8Array(1))))
      assert.deepInclude(votes.get(), { host: Testnet.HOST, port: current.get()!.port, portIsStable: true })
    }).pipe(Effect.scoped, Effect.provide(TemporaryHome.platform))
  )
})
