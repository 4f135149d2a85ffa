/**
 * A small network on loopback under a fuzzer, over real sockets: five seconds in a normal run, `LIBRESEED_FUZZ_SECONDS`
 * in a long one. `LIBRESEED_FUZZ_SEED` repeats a run; a failure prints what was sent last.
 */
import * as V8 from "node:v8"
import * as Vm from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import type { DhtNode } from "../../../src/runtime/dht/DhtNode.ts"
import type { StorageNode } from "../../../src/runtime/dht/items/StorageNode.ts"
import * as MainlineDht from "../../../src/runtime/dht/MainlineDht.ts"
import * as Testnet from "../../../src/runtime/dht/Testnet.ts"
import { FuzzPeer } from "./FuzzPeer.ts"
import type { HonestPut } from "./KrpcFuzzer.ts"
import { asDictionary, loose, Stranger } from "./LiveNode.ts"

const SECONDS = Number(process.env["LIBRESEED_FUZZ_SECONDS"] ?? 5)
const SEED = Number(
  process.env["LIBRESEED_FUZZ_SEED"] ?? Math.floor(performance.timeOrigin + performance.now()) % 2 ** 31
)

const NODES = 6
const RECORDS = 8
/** To each node, before all have to answer a ping: no more than its socket's buffer holds. */
const BURST = 32
/** A socket past this many is replaced: the rate limits would have the last word. */
const PER_SOCKET = 6_000
/** What a node has seen of it at least, or the fuzzer is none. */
const MET = ["accepted-query", "unsolicited-reply", "bad-arguments", "not-bencode"] as const
/** What the process may have grown by when all is over and collected: the limit of every fuzzer of this project. */
const RSS_GROWTH_MAX_BYTES = 64 * 1_024 * 1_024

/** With what the collector keeps for later given back, as far as the system takes it. */
const rssAfterCollection = (): number => {
  V8.setFlagsFromString("--expose-gc")
  const collect: (options: object) => void = Vm.runInNewContext("gc")
  for (let i = 0; i < 3; i++) collect({ type: "major", execution: "sync", flavor: "last-resort" })
  return process.memoryUsage().rss
}

const putOf = (record: Record.Record): HonestPut => ({
  target: Record.targetOf(record.publicKey, record.salt),
  k: record.publicKey,
  salt: record.salt,
  seq: record.seq,
  sig: record.signature,
  v: record.value
})

/** What each node answers to `get` of each record, without the token and the nodes. */
const storedBy = async (
  nodes: ReadonlyArray<DhtNode>,
  puts: ReadonlyArray<HonestPut>
): Promise<ReadonlyArray<string>> => {
  const stored: Array<string> = []
  for (const { port } of nodes) {
    const stranger = await Stranger.bind(port)
    for (const { target } of puts) {
      const { nodes: _nodes, token: _token, ...item } = asDictionary((await stranger.ask("get", { target }))?.["r"])
      stored.push(Buffer.from(loose(item as Parameters<typeof loose>[0])).toString("hex"))
    }
    await stranger.close()
  }
  return stored
}

/** Everything that a node holds, with when it was put left out. */
const heldBy = ({ items }: StorageNode): ReadonlyMap<string, unknown> => {
  const held = Array.from(items.entries(), ({ item, target }) => [target, [item.value, item.mutable?.seq]] as const)
  return new Map(held.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

const defectsOf = ({ socket }: DhtNode): number =>
  (socket.counters().get("library-threw") ?? 0) + (socket.counters().get("handler-threw") ?? 0)

/** Peers that come and go, a new seed each. */
class Attack {
  readonly nodes: ReadonlyArray<DhtNode>
  readonly puts: ReadonlyArray<HonestPut>
  /** Ports that answered nothing to anybody. */
  readonly silent = new Set<number>()
  sent = 0
  #seed = SEED
  #peers: Array<FuzzPeer> = []

  constructor(nodes: ReadonlyArray<DhtNode>, puts: ReadonlyArray<HonestPut>) {
    this.nodes = nodes
    this.puts = puts
  }

  async #recruit(isLiar: boolean): Promise<FuzzPeer> {
    const peer = await FuzzPeer.bind({ seed: this.#seed++, isLiar })
    peer.puts = this.puts
    if (!isLiar) this.silent.add(peer.port)
    for (const { port } of this.nodes) {
      peer.askToken(port)
      await peer.alive(port)
      assert.isTrue(peer.hasToken(port), "an honest question is answered meanwhile")
    }
    return peer
  }

  /** A burst from each peer to each node; all nodes live, and nothing was thrown in them. */
  async round(): Promise<void> {
    if (this.#peers.length === 0) this.#peers = [await this.#recruit(false), await this.#recruit(true)]
    await Promise.all(
      this.#peers.map((peer) => {
        for (const { port } of this.nodes) peer.burst(port, BURST)
        return Promise.all(this.nodes.map(({ port }) => peer.alive(port)))
      })
    )
    for (const node of this.nodes) {
      assert.strictEqual(defectsOf(node), 0, this.#peers.map((peer) => peer.report(node.port)).join("\n"))
    }
    for (const [i, peer] of this.#peers.entries()) {
      if (peer.sent < PER_SOCKET * this.nodes.length) continue
      this.#peers[i] = await this.#recruit(i === 1)
      await this.#dismiss(peer)
    }
  }

  async #dismiss(peer: FuzzPeer): Promise<void> {
    this.sent += peer.sent
    await peer.close()
  }

  async end(): Promise<void> {
    await Promise.all(this.#peers.splice(0).map((peer) => this.#dismiss(peer)))
  }
}

describe("a network under a fuzzer", () => {
  it.live(
    `lives, answers, and keeps its tables, items and memory as they were (seed ${SEED}, ${SECONDS} s)`,
    () =>
      Effect.gen(function* () {
        const { bootstrap, nodes } = yield* Testnet.make(NODES)
        const client = MainlineDht.layer({ host: Testnet.HOST, port: 0, bootstrap, readOnly: true })
        const dht = Context.get(yield* Layer.build(client), Dht)
        const pair = yield* KeyPair.fromSeed(new Uint8Array(32).fill(4))
        const records = Array.from({ length: RECORDS }, (_, i) =>
          Record.sign(pair, { salt: KeyString.saltOf(`${i}`), seq: i + 1, value: new Uint8Array(100 * i + 1).fill(i) })
        )
        yield* Effect.forEach(records, (record) => dht.put(record), { discard: true })
        const readAll = Effect.forEach(
          records,
          (record) =>
            Effect.map(dht.get(record.publicKey, record.salt), (found) =>
              assert.deepStrictEqual(Option.getOrThrow(found).value, record.value)
            ),
          { discard: true }
        )

        const puts = records.map(putOf)
        const honest = nodes.map(({ port }) => port)
        const before = yield* Effect.promise(() => storedBy(nodes, puts))
        const heldBefore = nodes.map(heldBy)
        const attack = yield* Effect.acquireRelease(
          Effect.sync(() => new Attack(nodes, puts)),
          (attack) => Effect.promise(() => attack.end())
        )
        // What the first second makes grow (code, buffers, tables up to their bounds) is not what leaks.
        const warmUntil = performance.now() + Math.min(1_000, SECONDS * 200)
        while (performance.now() < warmUntil) yield* Effect.promise(() => attack.round())
        const rssBefore = rssAfterCollection()
        const reader = yield* Effect.forkChild(Effect.forever(readAll))
        const until = performance.now() + SECONDS * 1_000
        while (performance.now() < until) {
          yield* Effect.promise(() => attack.round())
        }
        yield* Fiber.interrupt(reader)
        yield* Effect.promise(() => attack.end())

        yield* readAll
        assert.deepStrictEqual(yield* Effect.promise(() => storedBy(nodes, puts)), before)
        assert.deepStrictEqual(nodes.map(heldBy), heldBefore)
        for (const node of nodes) {
          const listed = node.client.nodes.toArray().map(({ port }) => port)
          assert.deepStrictEqual(
            listed.filter((port) => attack.silent.has(port)),
            [],
            "who never answered is listed"
          )
          assert.includeMembers(
            listed,
            honest.filter((port) => port !== node.port),
            "honest nodes stay listed"
          )
          assert.strictEqual(defectsOf(node), 0)
          for (const reason of MET) assert.isAbove(node.socket.counters().get(reason) ?? 0, 0, `never met: ${reason}`)
        }
        assert.isAbove(attack.sent, 1_000)
        assert.isBelow(rssAfterCollection() - rssBefore, RSS_GROWTH_MAX_BYTES)
      }).pipe(Effect.scoped, Effect.provide(ed25519)),
    { timeout: SECONDS * 1_000 + 60_000 }
  )
})
