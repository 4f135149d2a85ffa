/** Who is dialled for one download, in what order, and who makes room for whom. Nothing is really dialled. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { Socket } from "node:net"
import { Duplex } from "node:stream"
import { PeerAddress } from "../../../src/protocol/core/PeerAddress.ts"
import * as DownloadPeers from "../../../src/runtime/swarm/DownloadPeers.ts"
import { type OpenPeer, PeerConnection } from "../../../src/runtime/swarm/PeerConnection.ts"
import { DIALLED_MAX, INCOMING_PER_TORRENT_MAX } from "../../../src/runtime/swarm/SwarmOptions.ts"
import * as Nodes from "./Nodes.ts"

const BLOCK = 16_384
const infohash = Nodes.infohashOf("a download")

const at = (host: string, port: number) => new PeerAddress({ host, port })
const portsOf = (host: string, count: number) => Array.from({ length: count }, (_, i) => at(host, 1_000 + i))
const publicHosts = (count: number) => Array.from({ length: count }, (_, i) => at(`8.8.${i >> 8}.${i & 255}`, 6_881))

/** Takes whatever is written, and never says anything. */
const socket = () => new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() }) as unknown as Socket

const peerAt = (host: string, port: number, incoming = false): OpenPeer => ({
  socket: socket(),
  rest: new Uint8Array(0),
  cipher: undefined,
  host,
  port,
  incoming,
  extended: true,
  dht: false,
  fast: true
})

/** Peers who all answer at once, on a clock of their own. */
const make = Effect.gen(function* () {
  const clock = { now: 1_000_000 }
  const now = () => clock.now
  const dialled: Array<string> = []
  const open = new Map<string, PeerConnection>()
  const peers = new DownloadPeers.DownloadPeers(
    {
      ...(yield* Nodes.node()),
      now,
      dial: ({ host, port }) => {
        dialled.push(`${host}:${port}`)
        return Effect.succeed(peerAt(host, port))
      },
      adopt: (peer) => new PeerConnection(peer, { now, onProblem: () => {} })
    },
    infohash,
    yield* FiberSet.makeRuntime(),
    (connection) => {
      open.set(connection.name, connection)
      connection.onClosed(() => open.delete(connection.name))
    }
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => peers.closeAll()))
  return { clock, peers, dialled, open }
})

/** Gives everything that is ready to run its turns. */
const settled = Effect.forEach(
  Array.from({ length: 20 }),
  () => Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void))),
  { discard: true }
)

/** Has the peer owe a block. */
const order = ({ wire }: PeerConnection) => {
  wire.receive({ _tag: "Unchoke" })
  wire.request(0, 0, BLOCK, () => {})
}

const give = (connection: PeerConnection) => {
  order(connection)
  connection.wire.receive({ _tag: "Piece", index: 0, offset: 0, block: new Uint8Array(BLOCK) })
}

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(title, () => Effect.scoped(Random.withSeed(body, "peers")))

describe("DownloadPeers", () => {
  test(
    "tells once when nobody is there any more, or when the time is over, unless that is taken back",
    Effect.gen(function* () {
      const { open, peers } = yield* make
      const told: Array<string> = []
      const tell = (what: string) => () => void told.push(what)
      peers.whenIdle(Duration.infinity, tell("at once"))
      yield* peers.offer(portsOf("127.0.0.1", 1))
      yield* settled
      peers.whenIdle(Duration.zero, tell("late"))
      peers.whenIdle(Duration.infinity, tell("idle"))
      peers.whenIdle(Duration.infinity, tell("taken back"))()
      yield* peers.awaitIdle(Duration.millis(5))
      assert.deepStrictEqual(told, ["at once", "late"])
      for (const connection of open.values()) connection.fault("a test")
      yield* settled
      assert.deepStrictEqual(told, ["at once", "late", "idle"])
    })
  )

  test(
    "uses a few addresses of a public host at a time, and others of it when those are of no use",
    Effect.gen(function* () {
      const { clock, dialled, peers } = yield* make
      const addresses = portsOf("8.8.8.8", 40)
      yield* peers.offer(addresses)
      yield* peers.offer(addresses)
      yield* settled
      assert.strictEqual(dialled.length, DownloadPeers.ADDRESSES_PER_HOST_MAX)
      clock.now += 20_001
      peers.makeRoom(clock.now)
      yield* settled
      yield* peers.offer(addresses)
      yield* settled
      assert.strictEqual(new Set(dialled).size, DownloadPeers.ADDRESSES_PER_HOST_MAX + 1)
    })
  )

  test(
    "uses any number of addresses of a host that is not public",
    Effect.gen(function* () {
      const { dialled, peers } = yield* make
      yield* peers.offer(portsOf("127.0.0.1", DIALLED_MAX))
      yield* settled
      assert.strictEqual(dialled.length, DIALLED_MAX)
    })
  )

  test(
    "dials those that were offered together in any order",
    Effect.gen(function* () {
      const { dialled, peers } = yield* make
      const addresses = publicHosts(200)
      yield* peers.offer(addresses)
      yield* settled
      assert.strictEqual(dialled.length, DIALLED_MAX)
      assert.notDeepEqual(dialled.toSorted(), addresses.slice(0, DIALLED_MAX).map(String).toSorted())
    })
  )

  test(
    "takes on no more addresses than it may, however many are offered at once",
    Effect.gen(function* () {
      const { clock, dialled, peers } = yield* make
      yield* peers.offer(publicHosts(2_000))
      yield* settled
      for (let round = 0; round < 2_000 / DIALLED_MAX; round++) {
        clock.now += 20_001
        peers.makeRoom(clock.now)
        yield* settled
      }
      assert.isAtMost(dialled.length, DownloadPeers.ADDRESSES_MAX)
      assert.isAbove(dialled.length, DownloadPeers.ADDRESSES_MAX - 2 * DIALLED_MAX)
    })
  )

  test(
    "has those who give nothing make room, the sooner the more wait, and no more than wait",
    Effect.gen(function* () {
      const { clock, dialled, open, peers } = yield* make
      yield* peers.offer(portsOf("127.0.0.1", DIALLED_MAX))
      yield* settled
      const first = [...open.keys()]
      yield* peers.offer(portsOf("127.0.0.2", 9))
      yield* settled
      clock.now += DownloadPeers.USELESS_MIN_MS
      peers.makeRoom(clock.now)
      yield* settled
      assert.strictEqual(dialled.length, DIALLED_MAX)
      clock.now += 1
      peers.makeRoom(clock.now)
      yield* settled
      assert.strictEqual(dialled.length, DIALLED_MAX + 9)
      assert.strictEqual(first.filter((name) => open.has(name)).length, DIALLED_MAX - 9)
    })
  )

  test(
    "waits for longer where one other waits, and for the longest where a peer owes blocks",
    Effect.gen(function* () {
      const { clock, open, peers } = yield* make
      yield* peers.offer(portsOf("127.0.0.1", DIALLED_MAX))
      yield* settled
      const [idle, ...owing] = [...open.values()]
      for (const connection of owing) order(connection)
      yield* peers.offer(portsOf("127.0.0.2", 1))
      yield* settled
      clock.now += 9_999
      peers.makeRoom(clock.now)
      assert.strictEqual(open.size, DIALLED_MAX)
      clock.now += 2
      peers.makeRoom(clock.now)
      assert.isTrue(idle?.closed)
      yield* settled
      assert.deepStrictEqual([...open.keys()], [...owing.map(({ name }) => name), "127.0.0.2:1000"])
      yield* peers.offer(portsOf("127.0.0.3", 9))
      yield* settled
      peers.makeRoom(clock.now + 9_998)
      yield* settled
      assert.isTrue(owing.every(({ closed }) => !closed))
      peers.makeRoom(clock.now + 10_000)
      assert.strictEqual(owing.filter(({ closed }) => closed).length, 8)
    })
  )

  test(
    "does not hold it against peers that nobody asked them for anything",
    Effect.gen(function* () {
      const { clock, open, peers } = yield* make
      yield* peers.offer(portsOf("127.0.0.1", DIALLED_MAX + 20))
      yield* settled
      peers.idleFrom = Infinity
      clock.now += 60_000
      peers.makeRoom(clock.now)
      assert.strictEqual(open.size, DIALLED_MAX)
      peers.idleFrom = clock.now
      peers.makeRoom(clock.now)
      assert.strictEqual(open.size, DIALLED_MAX)
    })
  )

  test(
    "tries others before those that had to make room",
    Effect.gen(function* () {
      const { clock, dialled, open, peers } = yield* make
      const useless = portsOf("127.0.0.1", DIALLED_MAX)
      yield* peers.offer(useless)
      yield* settled
      yield* peers.offer(portsOf("127.0.0.2", DIALLED_MAX))
      yield* settled
      clock.now += DownloadPeers.USELESS_MIN_MS + 1
      peers.makeRoom(clock.now)
      yield* settled
      assert.strictEqual([...open.keys()].filter((name) => name.startsWith("127.0.0.2")).length, DIALLED_MAX)
      dialled.length = 0
      yield* peers.offer([...useless, at("127.0.0.3", 1), at("127.0.0.3", 2)])
      yield* settled
      clock.now += DownloadPeers.USELESS_MIN_MS + 1
      peers.makeRoom(clock.now)
      yield* settled
      assert.deepStrictEqual(dialled.slice(0, 2).toSorted(), ["127.0.0.3:1", "127.0.0.3:2"])
    })
  )

  test(
    "counts as givers those whose last block is not long ago, and few of one public host",
    Effect.gen(function* () {
      const { clock, open, peers } = yield* make
      yield* peers.offer(portsOf("127.0.0.1", 3))
      yield* settled
      for (const port of [1, 2, 3, 4]) peers.connect(peerAt("8.8.8.8", port, true))
      assert.strictEqual(peers.givers(clock.now), 0)
      for (const connection of open.values()) give(connection)
      assert.strictEqual(peers.givers(clock.now), 3 + DownloadPeers.ADDRESSES_PER_HOST_MAX)
      clock.now += DownloadPeers.GIVING_MS
      assert.strictEqual(peers.givers(clock.now), 0)
    })
  )

  test(
    "lets in a newcomer where two addresses hold every place, at the cost of one of them",
    Effect.gen(function* () {
      const { open, peers } = yield* make
      for (let i = 0; i < INCOMING_PER_TORRENT_MAX; i++) {
        const host = `192.0.2.${1 + (i % 2)}`
        assert.isTrue(peers.mayAccept(host))
        peers.connect(peerAt(host, 1_000 + i, true))
      }
      assert.isFalse(peers.mayAccept("192.0.2.1"))
      assert.isTrue(peers.mayAccept("192.0.2.3"))
      peers.connect(peerAt("192.0.2.3", 1, true))
      assert.strictEqual(open.size, INCOMING_PER_TORRENT_MAX)
      assert.isTrue(open.has("192.0.2.3:1"))
    })
  )
})
