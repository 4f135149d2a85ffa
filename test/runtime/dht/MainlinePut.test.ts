/**
 * What a put counts and what it refuses, on networks whose every node can be looked into. `bare` nodes
 * are bittorrent-dht as it comes: they answer 302 to the very record that they hold.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import DHT from "bittorrent-dht"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import { sha256 } from "../../../src/protocol/core/Digest.ts"
import * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Quorum from "../../../src/protocol/dht/Quorum.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as MainlineDht from "../../../src/runtime/dht/MainlineDht.ts"
import * as Testnet from "../../../src/runtime/dht/Testnet.ts"
import { asBytes, LOOPBACK, Stranger, verify } from "./LiveNode.ts"
import * as RawNode from "./RawNode.ts"

const text = (value: string) => new TextEncoder().encode(value)
const salt = KeyString.saltOf("anything")

/** A host that takes no place in the network. */
const join = (bootstrap: ReadonlyArray<string>) =>
  Effect.map(
    Layer.build(Layer.fresh(MainlineDht.layer({ host: LOOPBACK, port: 0, bootstrap, readOnly: true }))),
    (context) => Context.get(context, Dht)
  )

const guarded = (count: number) => Effect.map(Testnet.make(count), ({ bootstrap }) => bootstrap)

const bareNode = (bootstrap: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.callback<DHT>((resume) => {
      const dht = new DHT({ bootstrap: bootstrap.length === 0 ? false : bootstrap, verify })
      let awaited = 2
      const done = () => void (--awaited === 0 && resume(Effect.succeed(dht)))
      dht.once("ready", done)
      dht.listen(0, LOOPBACK, done)
    }),
    (dht) => Effect.callback<void>((resume) => dht.destroy(() => resume(Effect.void)))
  )

const bare = Effect.fnUntraced(function* (count: number) {
  const nodes: Array<string> = []
  for (let i = 0; i < count; i++) nodes.push(`${LOOPBACK}:${(yield* bareNode(nodes.slice(0, 3))).address().port}`)
  return nodes.slice(0, 3)
})

const test = (
  title: string,
  body: (signed: (seq: number, value: string) => Record.Record) => Effect.Effect<void, unknown, never>
) =>
  it.live(title, () =>
    Effect.gen(function* () {
      const pair = yield* KeyPair.fromSeed(sha256(text(title)))
      yield* body((seq, value) => Record.sign(pair, { salt, seq, value: text(value) }))
    }).pipe(Effect.provide(ed25519))
  )

const tagOf = <A, E extends { readonly reason: { readonly _tag: string } }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

const onNetwork = <A, E>(effect: Effect.Effect<A, E, Effect.Services<ReturnType<typeof join>>>) =>
  effect.pipe(Effect.scoped, Effect.provide(ed25519))

describe("Dht.put on Mainline", () => {
  for (const [kind, make] of [
    ["guarded", guarded],
    ["bare", bare]
  ] as const) {
    test(`counts the holders each time that an item is put on 20 ${kind} nodes`, (signed) =>
      Effect.gen(function* () {
        const bootstrap = yield* make(20)
        const [writer, holder] = [yield* join(bootstrap), yield* join(bootstrap)]
        const record = signed(1, "same")
        const item = text("an immutable item")
        for (const host of [writer, writer, holder, holder]) {
          assert.isAtLeast((yield* host.put(record)).acks, 8)
          assert.isAtLeast((yield* host.putImmutable(item)).acks, 8)
        }
        const found = yield* holder.lookup(record.publicKey, salt)
        assert.isAtLeast(found.responders.length, 8)
        assert.isAtLeast((yield* holder.lookupImmutable(Record.immutableTargetOf(item))).responders.length, 8)
      }).pipe(onNetwork))

    test(`counts the holders for both of two hosts that put one record on ${kind} nodes at once`, (signed) =>
      Effect.gen(function* () {
        const bootstrap = yield* make(12)
        const hosts = [yield* join(bootstrap), yield* join(bootstrap)]
        const record = signed(1, "same")
        yield* Effect.forEach(hosts, (host) => host.get(record.publicKey, salt))
        const receipts = yield* Effect.forEach(hosts, (host) => host.put(record), { concurrency: "unbounded" })
        for (const { acks } of receipts) assert.isAtLeast(acks, 8)
      }).pipe(onNetwork))

    test(`spreads a record further that was swapped in on some of 12 ${kind} nodes`, (signed) =>
      Effect.gen(function* () {
        const bootstrap = yield* make(12)
        const host = yield* join(bootstrap)
        yield* host.put(signed(1, "first"))
        assert.strictEqual((yield* RawNode.putOn(bootstrap, signed(2, "second"), 3)).size, 3)
        const again = yield* join(bootstrap)
        assert.isAtLeast((yield* again.put(signed(2, "second"), { cas: 1 })).acks, 8)
        const { responders } = yield* host.lookup(signed(1, "").publicKey, salt)
        assert.isAtLeast(responders.length, 8)
      }).pipe(onNetwork))

    test(`does not write over what a rival put on ${kind} nodes in between`, (signed) =>
      Effect.gen(function* () {
        const bootstrap = yield* make(8)
        for (const rival of [signed(2, "rival"), signed(3, "rival")]) {
          const host = yield* join(bootstrap)
          yield* host.put(signed(1, "first")).pipe(Effect.ignore)
          yield* host.get(rival.publicKey, salt)
          yield* RawNode.putOn(bootstrap, rival, 4)
          const mine = signed(rival.seq, "mine")
          assert.strictEqual(yield* tagOf(host.put(mine, { cas: rival.seq - 1 })), "CasConflict")
          assert.strictEqual(yield* tagOf(host.put(mine)), "StaleSeq")
          // Both values now stand under one seq; whoever goes on from there goes above it.
          yield* RawNode.putOn(bootstrap, signed(rival.seq, "rival"), 8)
        }
      }).pipe(onNetwork))
  }

  test("does not bury what another host wrote meanwhile under a number in between", (signed) =>
    Effect.gen(function* () {
      const bootstrap = yield* guarded(30)
      const host = yield* join(bootstrap)
      yield* host.put(signed(1, "first"))
      yield* host.get(signed(1, "").publicKey, salt)
      const other = yield* join(bootstrap)
      yield* other.put(signed(2, "of the other"), { cas: 1 })
      // This host's own memory is ahead of the network, so it signs a number above the next.
      assert.strictEqual(yield* tagOf(host.put(signed(3, "mine"), { cas: 1 })), "CasConflict")
      const { older, value } = yield* (yield* join(bootstrap)).lookup(signed(1, "").publicKey, salt)
      const seen = [...Option.toArray(value), ...(older ?? [])].map(({ seq }) => seq)
      assert.include(seen, 2, "what the other wrote is still to be seen")
    }).pipe(onNetwork))

  test("names as holders those alone who hold the newest record", (signed) =>
    Effect.gen(function* () {
      const bootstrap = yield* guarded(10)
      yield* (yield* join(bootstrap)).put(signed(1, "old"))
      const stored = yield* RawNode.putOn(bootstrap, signed(2, "new"), 4)
      const host = yield* join(bootstrap)
      const { responders, value } = yield* host.lookup(signed(1, "").publicKey, salt)
      assert.strictEqual(Option.getOrThrow(value).seq, 2)
      assert.deepStrictEqual(responders.toSorted(), [...stored].toSorted())
    }).pipe(onNetwork))

  test("finds the same of two records under one seq, whoever is asked first", (signed) =>
    Effect.gen(function* () {
      const bootstrap = yield* guarded(10)
      yield* RawNode.putOn(bootstrap, signed(1, "a"), 5)
      yield* RawNode.putOn(bootstrap, signed(1, "b"), 10)
      for (let i = 0; i < 5; i++) {
        const found = yield* (yield* join(bootstrap)).get(signed(1, "").publicKey, salt)
        assert.deepStrictEqual(Option.getOrThrow(found).value, text("b"))
      }
    }).pipe(onNetwork))

  test("asks for 8 nodes where there are 20, and for all 3 where there are 3", (signed) =>
    Effect.gen(function* () {
      for (const [nodes, needed] of [
        [3, 3],
        [20, 8]
      ] as const) {
        const bootstrap = yield* guarded(nodes)
        const host = yield* join(bootstrap)
        const receipt = yield* Quorum.put(signed(1, "published")).pipe(Effect.provideService(Dht, host))
        assert.isAtLeast(receipt.acks, needed)
        assert.isAtLeast(
          (yield* Quorum.putImmutable(text("a page")).pipe(Effect.provideService(Dht, host))).acks,
          needed
        )
        assert.strictEqual(Math.min(Quorum.MIN_ACKS_DEFAULT, yield* host.nodeCount), needed)
      }
    }).pipe(onNetwork))

  test("is not stopped by a node that refuses everything for a record that nobody has", (signed) =>
    Effect.gen(function* () {
      const { bootstrap, nodes } = yield* Testnet.make(8)
      const liar = yield* Effect.promise(() => Stranger.bind(nodes[0]!.port))
      yield* Effect.addFinalizer(() => Effect.promise(() => liar.close()))
      const id = new Uint8Array(20).fill(7)
      let refused = 0
      liar.play((query) => {
        const isPut = Buffer.from(asBytes(query["q"])).toString() === "put"
        if (!isPut) return { r: { id, token: text("token") }, y: text("r") }
        refused += 1
        return { e: [refused % 2 === 0 ? 301 : 302, text("no")], y: text("e") }
      })
      const host = yield* join([...bootstrap, `${LOOPBACK}:${liar.port}`])
      assert.isAtLeast((yield* host.put(signed(1, "first"))).acks, 7)
      assert.isAtLeast((yield* host.put(signed(2, "second"), { cas: 1 })).acks, 7)
      assert.isAtLeast(refused, 2)
    }).pipe(onNetwork))

  test("says who refused and why, and who was silent", (signed) =>
    Effect.gen(function* () {
      const { bootstrap, nodes } = yield* Testnet.make(8)
      const refusals = [
        [203, "protocol"],
        [205, "value-too-big"],
        [206, "invalid-signature"],
        [207, "salt-too-big"],
        [299, "other"],
        [0, "silent"]
      ] as const
      const ways: Array<string> = []
      for (const [code] of refusals) {
        const node = yield* Effect.promise(() => Stranger.bind(nodes[0]!.port))
        yield* Effect.addFinalizer(() => Effect.promise(() => node.close()))
        const id = sha256(text(String(code))).slice(0, 20)
        node.play((query) => {
          const isPut = Buffer.from(asBytes(query["q"])).toString() === "put"
          if (!isPut) return { r: { id, token: text("token") }, y: text("r") }
          return code === 0 ? undefined : { e: [code, text(`no ${code}`)], y: text("e") }
        })
        ways.push(`${LOOPBACK}:${node.port}`)
      }
      const host = yield* join([...bootstrap, ...ways])
      // Those that name no neighbours are in the table once they have answered.
      yield* host.get(signed(1, "").publicKey, salt)
      const receipt = yield* host.put(signed(1, "first"))
      assert.strictEqual(receipt.acks, 8)
      assert.strictEqual(receipt.asked, 14)
      const expected = refusals.flatMap(([code, reason], i) =>
        code === 0 ? [] : [{ node: ways[i]!, reason, code, text: `no ${code}` }]
      )
      assert.sameDeepMembers([...receipt.refused], expected)
      assert.deepStrictEqual(receipt.silent, [ways.at(-1)!])
    }).pipe(onNetwork))

  test("looks for other nodes when some of those it remembers are gone", (signed) =>
    Effect.gen(function* () {
      const testnet = yield* Testnet.make(6)
      const host = yield* join(testnet.bootstrap)
      yield* host.put(signed(1, "first"))
      const gone = testnet.nodes.slice(3)
      yield* Effect.forEach(gone, ({ client }) =>
        Effect.callback<void>((resume) => client.destroy(() => resume(Effect.void)))
      )
      // As if they were only late: the first round of writes finds out, the next one goes elsewhere.
      const first = yield* host.put(signed(2, "second"))
      assert.strictEqual(first.acks, 3)
      assert.sameMembers(
        [...first.silent],
        gone.map(({ port }) => `${LOOPBACK}:${port}`)
      )
      const receipt = yield* host.put(signed(2, "second"))
      assert.strictEqual(receipt.acks, 3)
      // Whether they will be back nobody knows yet: they count for some minutes.
      assert.strictEqual(yield* host.nodeCount, 6)
    }).pipe(onNetwork))
})

describe("Dht.lookup on Mainline", () => {
  for (const [kind, v] of [
    ["a dictionary", { a: 1, b: text("c") }],
    ["a string of 1,000 bytes", new Uint8Array(1000).fill(7)]
  ] as const) {
    test(`says that ${kind} is there which the key signed and which is no record`, () =>
      Effect.gen(function* () {
        const bootstrap = yield* bare(8)
        const pair = yield* KeyPair.fromSeed(sha256(text(kind)))
        const writer = yield* RawNode.make(bootstrap, Record.targetOf(pair.publicKey, salt))
        const host = yield* join(bootstrap)
        assert.isFalse((yield* host.lookup(pair.publicKey, salt)).isForeign)
        const sig = pair.sign(Record.signedBytesOfAny(salt, 5, Bencode.encode(v)))
        const stored = yield* writer.put(writer.closest, { k: pair.publicKey, salt, seq: 5, sig, v })
        assert.isAbove(stored.length, 0)
        const again = yield* join(bootstrap)
        const found = yield* again.lookup(pair.publicKey, salt)
        assert.isTrue(Option.isNone(found.value))
        assert.isTrue(found.isForeign)
      }).pipe(onNetwork))
  }
})
