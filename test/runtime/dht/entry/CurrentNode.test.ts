import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import { Dht } from "../../../../src/protocol/dht/Dht.ts"
import { DhtError, NoNodes, SocketFailed } from "../../../../src/protocol/dht/DhtError.ts"
import * as Infohash from "../../../../src/protocol/core/Infohash.ts"
import * as CurrentNode from "../../../../src/runtime/dht/entry/CurrentNode.ts"

const HASH = Option.getOrThrow(Infohash.fromBytes(new Uint8Array(20)))
const id = (fill: number): Uint8Array => new Uint8Array(20).fill(fill)

const unused = Effect.die("not used here")
const noDht: Dht["Service"] = {
  lookup: () => unused,
  get: () => unused,
  holders: () => unused,
  put: () => unused,
  lookupImmutable: () => unused,
  getImmutable: () => unused,
  holdersImmutable: () => unused,
  putImmutable: () => unused,
  announcePeer: () => unused,
  findPeers: () => unused,
  nodeCount: Effect.succeed(3)
}

const busy = new DhtError({ reason: new SocketFailed({ address: "127.0.0.1:7000", problem: "in use" }) })

/** Nodes whose `announcePeer` gives their id's first byte, once `proceed` is done. */
const setUp = Effect.fnUntraced(function* () {
  const events: Array<string> = []
  const failing = { ports: new Set<number>() }
  const proceed = yield* Deferred.make<void>()
  const explained = new DhtError({ reason: new NoNodes({ bootstrap: ["router.example:6881"] }) })
  const current = yield* CurrentNode.make({
    first: { nodeId: id(1), port: 0, bootstrap: ["20.1.1.1:6881"] },
    before: Effect.void,
    explain: () => explained,
    open: ({ bootstrap, nodeId, port }) =>
      Effect.gen(function* () {
        if (failing.ports.has(port)) return yield* busy
        const name = nodeId[0]!
        const bound = port === 0 ? 7000 + name : port
        events.push(`open ${name} on ${bound} from ${bootstrap.join()}`)
        yield* Effect.addFinalizer(() => Effect.sync(() => events.push(`close ${name}`)))
        const dht = Dht.of({
          ...noDht,
          announcePeer: () => Effect.as(Deferred.await(proceed), name),
          findPeers: () => Effect.fail(busy)
        })
        return { dht, port: bound, known: () => [`20.9.9.${name}:6881`] }
      })
  })
  return { current, events, explained, failing, proceed, announce: current.dht.announcePeer(HASH, 1) }
})

describe("CurrentNode", () => {
  it.effect("lets what was begun end on the old node, and has the rest wait for the new one on the same port", () =>
    Effect.gen(function* () {
      const { announce, current, events, proceed } = yield* setUp()
      const before = yield* Effect.forkChild(announce)
      yield* Effect.yieldNow
      assert.isFalse(current.isIdle())
      const replacement = yield* Effect.forkChild(current.replace(id(2)))
      yield* TestClock.adjust("1 second")
      const after = yield* Effect.forkChild(announce)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(events.length, 1)
      yield* Deferred.succeed(proceed, undefined)
      assert.strictEqual(yield* Fiber.join(before), 1)
      assert.isTrue(yield* Fiber.join(replacement))
      assert.strictEqual(yield* Fiber.join(after), 2)
      assert.deepStrictEqual(events, [
        "open 1 on 7001 from 20.1.1.1:6881",
        "close 1",
        "open 2 on 7001 from 20.9.9.1:6881"
      ])
      assert.isTrue(current.isIdle())
    })
  )

  it.effect("stays with the old node where calls do not end, and goes on with those that waited", () =>
    Effect.gen(function* () {
      const { announce, current, events, proceed } = yield* setUp()
      const before = yield* Effect.forkChild(announce)
      yield* Effect.yieldNow
      const replacement = yield* Effect.forkChild(current.replace(id(2)))
      yield* TestClock.adjust("1 second")
      const after = yield* Effect.forkChild(announce)
      yield* TestClock.adjust("1 minute")
      assert.isFalse(yield* Fiber.join(replacement))
      yield* Deferred.succeed(proceed, undefined)
      assert.deepStrictEqual([yield* Fiber.join(before), yield* Fiber.join(after)], [1, 1])
      assert.strictEqual(events.length, 1)
    })
  )

  it.effect("forgets calls that were interrupted", () =>
    Effect.gen(function* () {
      const { announce, current } = yield* setUp()
      const call = yield* Effect.forkChild(announce)
      yield* Effect.yieldNow
      yield* Fiber.interrupt(call)
      assert.isTrue(current.isIdle())
      assert.isTrue(yield* current.replace(id(2)))
    })
  )

  it.effect("takes another port when the old one is gone", () =>
    Effect.gen(function* () {
      const { announce, current, events, failing, proceed } = yield* setUp()
      failing.ports.add(7001)
      const replacement = yield* Effect.forkChild(current.replace(id(2)))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(yield* Fiber.join(replacement))
      assert.strictEqual(events.at(-1), "open 2 on 7002 from 20.9.9.1:6881")
      yield* Deferred.succeed(proceed, undefined)
      assert.strictEqual(yield* announce, 2)
    })
  )

  it.effect("says why while there is no socket, and recovers with the next replacement", () =>
    Effect.gen(function* () {
      const { announce, current, failing, proceed } = yield* setUp()
      yield* Deferred.succeed(proceed, undefined)
      failing.ports.add(7001).add(0)
      const replacement = yield* Effect.forkChild(Effect.exit(current.replace(id(2))))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(replacement)))
      assert.isUndefined(current.get())
      assert.strictEqual(yield* Effect.flip(announce), busy)
      assert.strictEqual(yield* current.dht.nodeCount, 0)
      failing.ports.clear()
      assert.isTrue(yield* current.replace(id(3)))
      assert.strictEqual(yield* announce, 3)
    })
  )

  it.effect("explains the errors of a node", () =>
    Effect.gen(function* () {
      const { current, explained } = yield* setUp()
      assert.strictEqual(yield* Effect.flip(current.dht.findPeers(HASH)), explained)
    })
  )

  it.effect("closes the node of the moment with its scope", () =>
    Effect.gen(function* () {
      const { events } = yield* Effect.scoped(Effect.tap(setUp(), ({ current }) => current.replace(id(2))))
      assert.deepStrictEqual(events.slice(1), ["close 1", "open 2 on 7001 from 20.9.9.1:6881", "close 2"])
    })
  )
})
