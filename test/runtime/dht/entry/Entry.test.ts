import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Infohash from "../../../../src/protocol/core/Infohash.ts"
import { Dht } from "../../../../src/protocol/dht/Dht.ts"
import * as Entry from "../../../../src/runtime/dht/entry/Entry.ts"
import * as LanDiscovery from "../../../../src/runtime/dht/entry/LanDiscovery.ts"
import * as LanAnnouncement from "../../../../src/runtime/dht/entry/LanAnnouncement.ts"
import { PRIVATE_SETTLING_MS, SETTLING_MS } from "../../../../src/runtime/dht/entry/Reach.ts"
import * as RememberedNodes from "../../../../src/runtime/dht/entry/RememberedNodes.ts"
import * as StorageNode from "../../../../src/runtime/dht/items/StorageNode.ts"
import * as Testnet from "../../../../src/runtime/dht/Testnet.ts"
import * as LiveNode from "../../../../src/runtime/LiveNode.ts"
import { Home } from "../../../../src/runtime/store/Home.ts"
import * as TemporaryHome from "../../TemporaryHome.ts"
import { type Dictionary, Stranger } from "../LiveNode.ts"

const HASH = Option.getOrThrow(Infohash.fromBytes(new Uint8Array(20).fill(7)))
const DEAD = `${Testnet.HOST}:9`

const settings: Entry.Options = {
  host: Testnet.HOST,
  port: 0,
  mode: "client",
  bootstrap: [],
  isPublic: true,
  dnsSeeds: [],
  lan: false
}

type Body<E> = Effect.Effect<void, E, Layer.Success<typeof TemporaryHome.layer> | Scope.Scope>

const provided = <E>(body: Body<E>) => Effect.scoped(body).pipe(Effect.provide(TemporaryHome.layer, { local: true }))

/** Real sockets, and a clock that the test moves. */
const test = <E>(title: string, body: Body<E>) => it.effect(title, () => provided(body))
const live = <E>(title: string, body: Body<E>) => it.live(title, () => provided(body))

const stranger = (to: number) =>
  Effect.acquireRelease(
    Effect.promise(() => Stranger.bind(to)),
    (peer) => Effect.promise(() => peer.close())
  )

/** Three who were never asked, and come in. */
const visit = Effect.fnUntraced(function* (bound: string | undefined) {
  const port = Number(bound?.split(":")[1])
  for (let i = 0; i < 3; i++) {
    const peer = yield* stranger(port)
    yield* Effect.promise(() => peer.exchange())
  }
})

/** The next query that the node sends to a node of which a peer has told. */
const nextQuery = Effect.fnUntraced(function* (entry: Effect.Success<ReturnType<typeof Entry.make>>) {
  const peer = yield* stranger(0)
  yield* TestClock.adjust("1 second")
  return yield* Effect.callback<Dictionary>((resume) => {
    peer.play((query) => {
      resume(Effect.succeed(query))
      return undefined
    })
    entry.offers.offer(`${Testnet.HOST}:${peer.port}`)
  })
})

const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))

/** Work that waits for files and for the clock in turn. */
const whileTimePasses = Effect.fnUntraced(function* <A, E, R>(work: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.forkChild(work)
  while (fiber.pollUnsafe() === undefined) yield* Effect.andThen(TestClock.adjust("10 millis"), turn)
  return yield* Fiber.join(fiber)
})

describe("Entry", () => {
  live(
    "finds its way back over the nodes of last time when none of its bootstrap nodes answers any more",
    Effect.gen(function* () {
      const { directory: home } = yield* Home
      const testnet = yield* Testnet.make(4)
      const visitOnce = (bootstrap: ReadonlyArray<string>, remembersNodes: boolean) =>
        Effect.gen(function* () {
          const dht = yield* Dht
          yield* Effect.ignore(dht.findPeers(HASH))
          return yield* dht.nodeCount
        }).pipe(
          Effect.provide(LiveNode.layer({ home, host: Testnet.HOST, port: 0, bootstrap, remembersNodes }), {
            local: true
          })
        )
      yield* visitOnce(testnet.bootstrap, false)
      assert.strictEqual((yield* RememberedNodes.load(Testnet.HOST)).nodes.length, 0, "another network's are forgotten")
      assert.isAbove(yield* visitOnce(testnet.bootstrap, true), 0)
      assert.isAbove(yield* visitOnce([DEAD], true), 0)
    })
  )

  live(
    "comes in by a name, and by a domain that lists nodes, without waiting for what hangs",
    Effect.gen(function* () {
      const testnet = yield* Testnet.make(3)
      const port = testnet.nodes[0]!.port
      const lookup = {
        addresses: (host: string) => (host === "router.example" ? Effect.succeed([Testnet.HOST]) : Effect.never),
        texts: () => Effect.succeed([`dht=${Testnet.HOST}:${port}`])
      }
      for (const more of [
        { bootstrap: [`router.example:${port}`, "hangs.example:1"] },
        { bootstrap: ["hangs.example:1"], dnsSeeds: ["seed.example"] }
      ]) {
        const { dht } = yield* Entry.make({ ...settings, lookup, ...more })
        yield* dht.findPeers(HASH)
        assert.isAbove(yield* dht.nodeCount, 0)
      }
    })
  )

  live(
    "says which names it has tried where nothing came of them",
    Effect.gen(function* () {
      const none = () => Effect.succeed([])
      const { dht } = yield* Entry.make({
        ...settings,
        bootstrap: ["router.example:6881"],
        lookup: { addresses: none, texts: none }
      })
      const error = yield* Effect.flip(dht.findPeers(HASH))
      assert.strictEqual(error.message, "No DHT node answered; asked router.example:6881")
    })
  )

  live(
    "comes in over a neighbour on the LAN",
    Effect.gen(function* () {
      const testnet = yield* Testnet.make(3)
      const announcement = LanAnnouncement.encode({
        port: testnet.nodes[0]!.port,
        infohashes: [LanDiscovery.meetingPoint(undefined)],
        cookie: undefined
      })
      const lanSocket = Effect.succeed<LanDiscovery.LanSocket>({
        send: () => {},
        onDatagram: (listener) => listener(announcement, Testnet.HOST)
      })
      const { dht, entry } = yield* Entry.make({ ...settings, lan: true, lanSocket })
      yield* Effect.repeat(Effect.ignore(dht.findPeers(HASH)), {
        until: () => Effect.map(dht.nodeCount, (count) => count > 0)
      })
      const { ways } = yield* entry.report
      assert.deepStrictEqual(
        ways.map(({ answered, way }) => [way, answered > 0]),
        [["lan", true]]
      )
    })
  )

  live(
    "looks for no neighbours, and says so, where none can reach it",
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ message }) => void lines.push(message))
      yield* Entry.make({ ...settings, lan: true }).pipe(Effect.provide(Logger.layer([logger])))
      const { hint, message } = new LanDiscovery.LanUnreachable({ host: Testnet.HOST })
      assert.deepStrictEqual(lines, [[`${message}. ${hint}`]])
    })
  )

  test(
    "serves once it can be reached, with an id that it keeps, on the port of last time",
    Effect.gen(function* () {
      const testnet = yield* Testnet.make(4)
      const options: Entry.Options = { ...settings, mode: "adaptive", bootstrap: testnet.bootstrap }
      const first = yield* Effect.scoped(
        Effect.gen(function* () {
          const node = yield* Entry.make(options)
          yield* node.dht.findPeers(HASH)
          const before = yield* node.entry.report
          assert.strictEqual(before.role, "client")
          assert.isUndefined(node.offers.port())
          assert.strictEqual((yield* nextQuery(node))["ro"], 1)
          assert.deepInclude(before.external, { host: Testnet.HOST, portIsStable: true })
          assert.isTrue(before.isSecure)
          yield* TestClock.adjust(PRIVATE_SETTLING_MS)
          yield* visit(before.bound)
          yield* TestClock.adjust("10 seconds")
          const after = yield* node.entry.report
          assert.strictEqual(after.role, "server")
          assert.strictEqual(`${Testnet.HOST}:${node.offers.port()}`, after.bound)
          assert.isUndefined((yield* nextQuery(node))["ro"])
          return after
        })
      )
      const again = yield* Entry.make(options)
      const report = yield* again.entry.report
      assert.deepStrictEqual([report.nodeId, report.bound, report.role], [first.nodeId, first.bound, "client"])
      const { entry } = yield* whileTimePasses(Entry.make(options))
      assert.notStrictEqual((yield* entry.report).nodeId, first.nodeId, "two nodes under one id")
      yield* visit(report.bound)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* again.entry.report).role, "server")
    })
  )

  test(
    "stays a client for its whole visit, whatever comes in",
    Effect.gen(function* () {
      const testnet = yield* Testnet.make(3)
      const node = yield* Entry.make({ ...settings, bootstrap: testnet.bootstrap })
      yield* node.dht.findPeers(HASH)
      yield* visit((yield* node.entry.report).bound)
      yield* TestClock.adjust(SETTLING_MS * 2)
      assert.strictEqual((yield* node.entry.report).role, "client")
      assert.strictEqual((yield* nextQuery(node))["ro"], 1)
    })
  )

  test(
    "comes in by itself when a bootstrap node comes up that was down",
    Effect.gen(function* () {
      // A port that was free a moment ago, and so mostly is still.
      const port = yield* Effect.scoped(
        Effect.map(StorageNode.make({ host: Testnet.HOST, port: 0, bootstrap: [] }), (node) => node.port)
      )
      const { dht } = yield* Entry.make({ ...settings, mode: "adaptive", bootstrap: [`${Testnet.HOST}:${port}`] })
      assert.strictEqual((yield* Effect.flip(dht.findPeers(HASH))).reason._tag, "NoNodes")
      const late = yield* StorageNode.make({ host: Testnet.HOST, port, bootstrap: [] })
      const asked = Effect.callback<void>((resume) => {
        late.client.once("find_node", () => resume(Effect.void))
      })
      yield* whileTimePasses(asked)
      yield* dht.findPeers(HASH)
      assert.isAbove(yield* dht.nodeCount, 0)
    })
  )
})
