/** The client over real sockets on networks as they are: nodes gone, late or lying, datagrams lost or forged. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { sha256 } from "../../../src/protocol/core/Digest.ts"
import type { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import { Infohash } from "../../../src/protocol/core/Infohash.ts"
import * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as DhtNode from "../../../src/runtime/dht/DhtNode.ts"
import * as MainlineDht from "../../../src/runtime/dht/MainlineDht.ts"
import * as Testnet from "../../../src/runtime/dht/Testnet.ts"
import { asBytes, LOOPBACK, loose, read, sha1, Stranger, text } from "./LiveNode.ts"
import * as RoughSocket from "./RoughSocket.ts"

const salt = (label: string) => KeyString.saltOf(label)

const live = (title: string, body: () => Effect.Effect<void, unknown, Scope.Scope | Ed25519>) =>
  it.live(title, () => body().pipe(Effect.scoped, Effect.provide(ed25519)))

const options = (bootstrap: ReadonlyArray<string>) => ({ host: LOOPBACK, port: 0, bootstrap, readOnly: true })

const joinAs = Effect.fnUntraced(function* (given: DhtNode.Options) {
  const node = yield* DhtNode.make(given)
  return { node, dht: yield* MainlineDht.fromNode(node) }
})

const join = (bootstrap: ReadonlyArray<string>) => joinAs(options(bootstrap))

/** Gone without a word, port and all. */
const kill = (nodes: ReadonlyArray<DhtNode.DhtNode>) =>
  Effect.forEach(nodes, ({ client }) => Effect.callback<void>((resume) => client.destroy(() => resume(Effect.void))), {
    discard: true
  })

const records = (pair: KeyPair.KeyPair, count: number) =>
  Array.from({ length: count }, (_, i) => Record.sign(pair, { salt: salt(`record ${i}`), seq: 1, value: text(`${i}`) }))

const pairOf = (label: string) => KeyPair.fromSeed(sha256(text(label)))

const tagOf = <A, E extends { readonly reason: { readonly _tag: string } }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

describe("Mainline as it is", () => {
  live("half of the nodes being gone hides nothing, from those who knew them and those who did not", () =>
    Effect.gen(function* () {
      const { nodes } = yield* Testnet.make(24)
      const alive = nodes.filter((_, i) => i % 2 === 0)
      const bootstrap = alive.slice(0, 3).map(({ port }) => `${LOOPBACK}:${port}`)
      const { dht: warm } = yield* join(bootstrap)
      const pair = yield* pairOf("half")
      const put = records(pair, 6)
      for (const record of put) yield* warm.put(record)
      yield* kill(nodes.filter((_, i) => i % 2 === 1))
      const { dht: fresh } = yield* join(bootstrap)
      for (const dht of [warm, fresh]) {
        for (const record of put) {
          const found = yield* dht.lookup(pair.publicKey, record.salt)
          assert.isTrue(Record.isSame(Option.getOrThrow(found.value), record))
          assert.isAtLeast(found.responders.length, 4)
        }
      }
      const { acks, silent, stored } = yield* fresh.put(
        Record.sign(pair, { salt: salt("new"), seq: 1, value: text("") })
      )
      assert.isAtLeast(acks, 8)
      assert.strictEqual(stored.filter((node) => silent.includes(node)).length, 0)
    })
  )

  live("nodes that answer late are heard and written to", () =>
    Effect.gen(function* () {
      const { bootstrap } = yield* Testnet.make(8)
      // Those with even ports are slower than a look-up likes to wait for one node, and not silent.
      const machine = RoughSocket.machine({ delayMs: (port) => (port % 2 === 0 ? 250 : 0) })
      const { dht, node } = yield* joinAs({ ...options(bootstrap), machine })
      const pair = yield* pairOf("late")
      const [record] = records(pair, 1)
      assert.strictEqual((yield* dht.put(record!)).acks, 8)
      assert.lengthOf((yield* dht.lookup(pair.publicKey, record!.salt)).responders, 8)
      assert.strictEqual(node.client.nodes.count(), 8)
    })
  )

  live("a fifth of the datagrams being lost loses no record", () =>
    Effect.gen(function* () {
      const { bootstrap } = yield* Testnet.make(12)
      const machine = RoughSocket.machine({ loses: (index) => (index * 7) % 10 < 2 })
      const { dht } = yield* joinAs({ ...options(bootstrap), machine })
      const { dht: calm } = yield* join(bootstrap)
      const pair = yield* pairOf("lost")
      for (const record of records(pair, 3)) {
        const receipt = yield* dht.put(record)
        assert.isAtLeast(receipt.acks, 1)
        assert.isTrue(Record.isSame(Option.getOrThrow(yield* dht.get(pair.publicKey, record.salt)), record))
        const { holders } = yield* calm.holders(pair.publicKey, record.salt)
        // Some acknowledgements were lost on their way, none was invented.
        assert.isAtLeast(holders.length, receipt.acks)
      }
    })
  )

  live("a node under the id of another keeps nobody from that one", () =>
    Effect.gen(function* () {
      const { bootstrap, nodes } = yield* Testnet.make(8)
      const [first, victim] = [nodes[0]!, nodes[5]!]
      const liar = yield* Effect.promise(() => Stranger.bind(first.port))
      yield* Effect.addFinalizer(() => Effect.promise(() => liar.close()))
      const id = new Uint8Array(victim.rpc.id)
      const compact = Uint8Array.of(...id, 127, 0, 0, 1, liar.port >> 8, liar.port & 0xff)
      liar.play(() => ({ r: { id, nodes: compact, token: text("token") }, y: text("r") }))
      const { dht, node } = yield* join([`${LOOPBACK}:${liar.port}`, ...bootstrap])
      const pair = yield* pairOf("liar")
      for (const record of records(pair, 4)) {
        // The liar takes every write, and holds nothing.
        assert.isAtLeast((yield* dht.put(record)).acks, 8)
        const { responders, value } = yield* dht.lookup(pair.publicKey, record.salt)
        assert.isTrue(Record.isSame(Option.getOrThrow(value), record))
        assert.include(responders, `${LOOPBACK}:${victim.port}`)
        assert.notInclude(responders, `${LOOPBACK}:${liar.port}`)
      }
      assert.isAtMost(node.client.nodes.toArray().filter((each) => each.id.equals(victim.rpc.id)).length, 1)
    })
  )

  live("peers that one node makes up come after those that many name", () =>
    Effect.gen(function* () {
      const { bootstrap, nodes } = yield* Testnet.make(8)
      const liar = yield* Effect.promise(() => Stranger.bind(nodes[0]!.port))
      yield* Effect.addFinalizer(() => Effect.promise(() => liar.close()))
      const values = Array.from({ length: 100 }, (_, i) => Uint8Array.of(10, 0, 0, i + 1, 0x1a, 0xe1))
      liar.play(() => ({ r: { id: sha1(text("liar")), token: text("token"), values }, y: text("r") }))
      const { dht } = yield* join([`${LOOPBACK}:${liar.port}`, ...bootstrap])
      const infohash = Infohash.make(sha1(text("wanted")))
      assert.strictEqual(yield* dht.announcePeer(infohash, 7001), 9)
      const peers = yield* dht.findPeers(infohash)
      assert.strictEqual(String(peers[0]), `${LOOPBACK}:7001`)
      assert.lengthOf(peers, 101)
    })
  )

  live("forged replies are not believed, even by somebody who sees each query", () =>
    Effect.gen(function* () {
      const { bootstrap, nodes } = yield* Testnet.make(8)
      const pair = yield* pairOf("forged")
      const old = Record.sign(pair, { salt: salt("forged"), seq: 1, value: text("old") })
      const { dht: writer } = yield* join(bootstrap)
      yield* writer.put(Record.sign(pair, { salt: salt("forged"), seq: 2, value: text("new") }))
      const spoofer = yield* Effect.promise(() => Stranger.bind(nodes[0]!.port))
      yield* Effect.addFinalizer(() => Effect.promise(() => spoofer.close()))
      const item = { k: old.publicKey, seq: 1, sig: old.signature, v: old.value }
      const id = sha1(text("spoofer"))
      let forged = 0
      const machine = RoughSocket.machine({
        onSend: (datagram, _port, { port }) => {
          const query = read(datagram)
          if (query["q"] === undefined) return
          forged++
          // Under the right transaction id, from another port, before the true reply.
          spoofer.send(loose({ r: { id, ...item, token: text("token") }, t: asBytes(query["t"]), y: text("r") }), port)
        }
      })
      const { dht, node } = yield* joinAs({ ...options(bootstrap), machine })
      const found = yield* dht.lookup(pair.publicKey, old.salt)
      assert.strictEqual(Option.getOrThrow(found.value).seq, 2)
      assert.deepStrictEqual(found.older, [])
      assert.notInclude(found.responders, `${LOOPBACK}:${spoofer.port}`)
      assert.isAbove(forged, 8)
      assert.isAbove(node.socket.counters().get("unsolicited-reply") ?? 0, 0)
      assert.isFalse(node.client.nodes.toArray().some(({ port }) => port === spoofer.port))
    })
  )
})

describe("A client that is alone", () => {
  live("says so at once, and finds the network as soon as somebody is named", () =>
    Effect.gen(function* () {
      const { bootstrap } = yield* Testnet.make(4)
      const { dht, node } = yield* join([])
      const pair = yield* pairOf("alone")
      const [record] = records(pair, 1)
      assert.strictEqual(yield* tagOf(dht.get(pair.publicKey, record!.salt)), "NoNodes")
      assert.strictEqual(yield* tagOf(dht.put(record!)), "NoNodes")
      assert.strictEqual(yield* tagOf(dht.putImmutable(text("alone"))), "NoNodes")
      assert.strictEqual(yield* tagOf(dht.findPeers(Infohash.make(sha1(text("alone"))))), "NoNodes")
      assert.strictEqual(yield* tagOf(dht.announcePeer(Infohash.make(sha1(text("alone"))), 7001)), "NoNodes")
      node.addBootstrap(bootstrap)
      assert.strictEqual((yield* dht.put(record!)).acks, 4)
    })
  )

  live("comes back by a node that it knew, when those that it started from are gone", () =>
    Effect.gen(function* () {
      const { bootstrap, nodes } = yield* Testnet.make(6)
      const { dht } = yield* join(bootstrap)
      const pair = yield* pairOf("back")
      const [record] = records(pair, 1)
      yield* dht.put(record!)
      yield* kill(nodes)
      const look = dht.get(pair.publicKey, record!.salt)
      assert.strictEqual(yield* tagOf(look), "NoNodes")
      assert.isAtLeast(yield* dht.nodeCount, 4)
      // One that was no way in is up again, under another id.
      const back = yield* DhtNode.make({ host: LOOPBACK, port: nodes[5]!.port, bootstrap: [] })
      assert.strictEqual(yield* tagOf(look), "TooFewAnswers")
      assert.deepStrictEqual((yield* dht.put(record!)).stored, [`${LOOPBACK}:${back.port}`])
    })
  )

  live("starts again from the nodes of last time", () =>
    Effect.gen(function* () {
      const { bootstrap, nodes } = yield* Testnet.make(8)
      const pair = yield* pairOf("again")
      const [record] = records(pair, 1)
      const remembered: Array<string> = []
      const onClose = (met: ReadonlyArray<string>) => Effect.sync(() => void remembered.push(...met))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const context = yield* Layer.build(MainlineDht.layer({ ...options(bootstrap), onClose }))
          yield* Context.get(context, Dht).put(record!)
        })
      )
      assert.sameMembers(
        remembered,
        nodes.map(({ port }) => `${LOOPBACK}:${port}`)
      )
      yield* kill(nodes.slice(0, 3))
      const { dht } = yield* join([...bootstrap, ...remembered])
      const found = yield* dht.lookup(pair.publicKey, record!.salt)
      assert.isTrue(Record.isSame(Option.getOrThrow(found.value), record!))
      assert.lengthOf(found.responders, 5)
    })
  )
})
