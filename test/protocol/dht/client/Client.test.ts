import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { sha1, sha256 } from "../../../../src/protocol/core/Digest.ts"
import { Ed25519 } from "../../../../src/protocol/core/Ed25519.ts"
import type { Infohash } from "../../../../src/protocol/core/Infohash.ts"
import * as KeyPair from "../../../../src/protocol/core/KeyPair.ts"
import type { Contact, Found, Question } from "../../../../src/protocol/dht/client/Krpc.ts"
import { QUERIES_MAX } from "../../../../src/protocol/dht/client/LookUp.ts"
import * as NodeId from "../../../../src/protocol/dht/client/NodeId.ts"
import { PEERS_FOUND_MAX } from "../../../../src/protocol/dht/client/PeerClient.ts"
import type { DhtError } from "../../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../../src/protocol/dht/Record.ts"
import { layer as nodeEd25519 } from "../../../../src/runtime/crypto/NodeEd25519.ts"
import { FakeNetwork, type FakeNode, idOf } from "./FakeNetwork.ts"

const text = (value: string) => new TextEncoder().encode(value)

const SALT = KeyString.saltOf("libreseed:test:client")

const setUp = Effect.fnUntraced(function* (label: string) {
  const ed25519 = yield* Ed25519
  const pair = yield* KeyPair.fromSeed(sha256(text(label)))
  const record = (seq: number, value = `value ${seq}`) => Record.sign(pair, { salt: SALT, seq, value: text(value) })
  const target = NodeId.fromBytes(Record.targetOf(pair.publicKey, SALT))
  return { ed25519, pair, record, target }
})

const reasonOf = (exit: Exit.Exit<unknown, DhtError>): string =>
  Exit.isSuccess(exit) ? "success" : Option.getOrThrow(Cause.findErrorOption(exit.cause)).reason._tag

const seqOf = (found: Option.Option<Record.Record>) => Option.getOrUndefined(found)?.seq

const mutable = ({ publicKey, seq, signature, value }: Record.Record) =>
  ({ _tag: "Mutable", publicKey, seq, signature, value }) as const

const silence = (nodes: ReadonlyArray<FakeNode>) => nodes.forEach((node) => (node.delay = () => Infinity))

const isWrite = ({ _tag }: Question) => _tag === "PutMutable" || _tag === "PutImmutable"

const test = (title: string, body: () => Effect.Effect<void, unknown, Ed25519>) =>
  it.effect(title, () => body().pipe(Effect.provide(nodeEd25519)))

describe("Client: look-ups", () => {
  test("finds the closest nodes from the few that it knows", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record, target } = yield* setUp("few")
      const network = new FakeNetwork(300)
      const { dht } = network.join(ed25519, [])
      const receipt = yield* network.play(dht.put(record(1)))
      for (const { address } of network.closest(target, 8)) assert.include(receipt.stored, address)
      const table = network.join(ed25519)
      const known = network.closest(target, 20).map(({ address }) => address)
      assert.sameMembers([...(yield* network.play(table.dht.put(record(2)))).stored], known)
      const reader = network.join(ed25519, [])
      const answer = yield* network.play(reader.dht.lookup(pair.publicKey, SALT))
      assert.strictEqual(seqOf(answer.value), 2)
      assert.isAtLeast(answer.responders.length, 8)
    }))

  test("half of the nodes being gone costs fractions of a second", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record } = yield* setUp("half")
      const network = new FakeNetwork(200)
      yield* network.play(network.join(ed25519).dht.put(record(1)))
      silence(network.nodes.filter((_, i) => i % 2 === 1))
      const before = network.now
      const found = yield* network.play(network.join(ed25519).dht.get(pair.publicKey, SALT))
      assert.strictEqual(seqOf(found), 1)
      assert.isAtMost(network.now - before, 1_100)
    }))

  test("where nothing else was found, it waits for late nodes", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record, target } = yield* setUp("late")
      const network = new FakeNetwork(100)
      const [holder] = network.closest(target, 20).slice(5)
      holder!.items.set(target.hex, mutable(record(3)))
      holder!.delay = () => 550
      const found = yield* network.play(network.join(ed25519).dht.get(pair.publicKey, SALT))
      assert.strictEqual(seqOf(found), 3)
    }))

  test("asks a late node once more, so that one lost datagram does not hide what only it holds", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record, target } = yield* setUp("lost")
      const network = new FakeNetwork(100)
      const [holder] = network.closest(target, 3).slice(2)
      holder!.items.set(target.hex, mutable(record(3)))
      holder!.delay = () => (holder!.asked === 1 ? Infinity : 20)
      const found = yield* network.play(network.join(ed25519).dht.get(pair.publicKey, SALT))
      assert.strictEqual(seqOf(found), 3)
    }))

  test("a node that was silent a moment ago and answers again is read, and written to", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record, target } = yield* setUp("back")
      const network = new FakeNetwork(100)
      const closest = network.closest(target, 4)
      silence(closest)
      const { dht } = network.join(ed25519)
      yield* network.run(dht.get(pair.publicKey, SALT))
      closest.forEach((node) => (node.delay = () => 20))
      yield* network.run(dht.get(pair.publicKey, SALT))
      const receipt = yield* network.play(dht.put(record(1)))
      for (const { address } of closest) assert.include(receipt.stored, address)
    }))

  test("tells what is not there from what was not heard", () =>
    Effect.gen(function* () {
      const { ed25519, pair } = yield* setUp("absent")
      const network = new FakeNetwork(30)
      const nothing = network.run(network.join(ed25519).dht.get(pair.publicKey, SALT))
      assert.strictEqual(reasonOf(yield* nothing), "success")
      silence(network.nodes.slice(5))
      const unheard = network.run(network.join(ed25519).dht.get(pair.publicKey, SALT))
      assert.strictEqual(reasonOf(yield* unheard), "TooFewAnswers")
      silence(network.nodes)
      const alone = network.run(network.join(ed25519).dht.get(pair.publicKey, SALT))
      assert.strictEqual(reasonOf(yield* alone), "NoNodes")
    }))

  test("a network of three nodes is heard whole", () =>
    Effect.gen(function* () {
      const { ed25519, pair } = yield* setUp("three")
      const network = new FakeNetwork(3)
      const { dht } = network.join(ed25519, [])
      const answer = yield* network.play(dht.lookup(pair.publicKey, SALT))
      assert.isTrue(Option.isNone(answer.value))
      assert.strictEqual(answer.answered, 3)
    }))

  test("a node to start from that is gone is waited for once, not in every look-up", () =>
    Effect.gen(function* () {
      const { ed25519, pair } = yield* setUp("start")
      const network = new FakeNetwork(3)
      silence(network.nodes.slice(2))
      const { dht } = network.join(ed25519, [])
      yield* network.run(dht.get(pair.publicKey, SALT))
      const before = network.now
      yield* network.run(dht.get(pair.publicKey, SALT))
      assert.isAtMost(network.now - before, 700)
    }))

  test("liars who name ever closer nodes keep nobody from the item", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record, target } = yield* setUp("liars")
      const network = new FakeNetwork(200)
      yield* network.play(network.join(ed25519).dht.put(record(1)))
      const bytes = NodeId.toBytes(target)
      let made = 0
      const invent = (): Contact => {
        const id = Uint8Array.from(bytes)
        id[19] = ++made & 255
        id[18] = made >> 8
        return { id: NodeId.fromBytes(id), address: `10.66.${made >> 8}.${made & 255}:6881` }
      }
      for (const liar of network.nodes.filter((_, i) => i % 10 === 0)) {
        liar.answer = (_question, honest) => {
          const answer = honest()
          return answer._tag === "Found" ? { ...answer, nodes: Array.from({ length: 16 }, invent) } : answer
        }
      }
      const { dht } = network.join(ed25519)
      const answer = yield* network.play(dht.lookup(pair.publicKey, SALT))
      assert.strictEqual(seqOf(answer.value), 1)
      assert.isAtMost(answer.asked ?? 0, QUERIES_MAX)
    }))

  test("a node under another's id or an impossible record harms nobody", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record, target } = yield* setUp("forged")
      const network = new FakeNetwork(100)
      yield* network.play(network.join(ed25519).dht.put(record(1)))
      const forged = { ...mutable(record(9)), value: text("forged") }
      for (const node of network.closest(target, 6)) node.items.set(target.hex, forged)
      const answer = yield* network.play(network.join(ed25519).dht.lookup(pair.publicKey, SALT))
      assert.strictEqual(seqOf(answer.value), 1)
      assert.isAtLeast(answer.responders.length, 12)
    }))

  test("ends early when enough nodes agree, and at its time limit with what was heard", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record } = yield* setUp("early")
      const network = new FakeNetwork(100)
      yield* network.play(network.join(ed25519).dht.put(record(1)))
      const { dht } = network.join(ed25519)
      const early = yield* network.play(dht.lookup(pair.publicKey, SALT, { enough: 3 }))
      assert.strictEqual(seqOf(early.value), 1)
      assert.isAtMost(early.answered ?? 0, 16)
      for (const [i, node] of network.nodes.entries()) if (i > 10) node.delay = () => 1_400
      const before = network.now
      const limited = yield* network.play(dht.lookup(pair.publicKey, SALT, { timeout: "200 millis" }))
      assert.isAtMost(network.now - before, 200)
      assert.isAtLeast(limited.answered ?? 0, 1)
    }))

  test("a fresh answer costs no question where the caller takes one", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record } = yield* setUp("fresh")
      const network = new FakeNetwork(50)
      const { dht } = network.join(ed25519)
      yield* network.play(dht.put(record(1)))
      const asked = () => network.nodes.reduce((sum, node) => sum + node.asked, 0)
      const before = asked()
      const cached = yield* network.play(dht.lookup(pair.publicKey, SALT, { freshness: "10 seconds" }))
      assert.strictEqual(seqOf(cached.value), 1)
      assert.strictEqual(asked(), before)
      yield* network.play(dht.lookup(pair.publicKey, SALT))
      assert.isAbove(asked(), before)
    }))
})

describe("Client: hostile and crowded networks", () => {
  /** An id that only somebody who looks for it has: `n` places from the target. */
  const beside = (target: NodeId.NodeId, n: number) => {
    const bytes = NodeId.toBytes(target)
    bytes[19]! ^= n & 255
    bytes[18]! ^= n >> 8
    return NodeId.fromBytes(bytes)
  }

  const withholding = (node: FakeNode, change: (found: Found) => Found = (found) => found) => {
    node.delay = () => 1
    node.answer = (_question, honest) => {
      const answer = honest()
      return answer._tag === "Found" ? change({ ...answer, item: undefined, peers: [] }) : answer
    }
  }

  test("whoever names the holders under far ids does not hide them", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record, target } = yield* setUp("misnamed")
      const network = new FakeNetwork(600)
      yield* network.play(network.join(ed25519).dht.put(record(1)))
      const holders = network.nodes.filter(({ items }) => items.size > 0)
      const known = network.nodes.filter(({ items }) => items.size === 0).slice(0, 30)
      const far = idOf("far")
      for (const liar of known.slice(0, 15)) {
        withholding(liar, (found) => ({ ...found, nodes: holders.map(({ address }) => ({ id: far, address })) }))
      }
      const answer = yield* network.play(network.join(ed25519, known).dht.lookup(pair.publicKey, SALT))
      assert.strictEqual(seqOf(answer.value), 1)
      for (const { address } of network.closest(target, 4)) assert.include(answer.responders, address)
    }))

  test("one host with many ports owns no item, not even for a client that looks up its first", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record, target } = yield* setUp("one host")
      const network = new FakeNetwork(500, (i) => `${20 + (i % 180)}.${1 + (i >> 2)}.3.4`)
      for (let i = 0; i < 100; i++) withholding(network.add(beside(target, i + 1), `99.1.0.7:${7_000 + i}`))
      const honest = (nodes: ReadonlyArray<string>) => nodes.filter((node) => !node.startsWith("99.1."))
      const { dht } = network.join(ed25519, network.nodes.slice(0, 150))
      const receipt = yield* network.play(dht.put(record(1), { minAcks: 8 }))
      assert.isAtLeast(honest(receipt.stored).length, 12)
      assert.isAtLeast(receipt.networks, 3)
      const reader = network.join(ed25519, network.nodes.slice(150, 300))
      const answer = yield* network.play(reader.dht.lookup(pair.publicKey, SALT))
      assert.strictEqual(seqOf(answer.value), 1)
    }))

  test("a target that is asked for again and again moves the guess of the network's size once", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record, target } = yield* setUp("repeated")
      const network = new FakeNetwork(400)
      const { dht } = network.join(ed25519)
      for (const label of ["a", "b", "c", "d", "e"]) {
        yield* network.play(dht.getImmutable(Record.immutableTargetOf(text(label))))
      }
      for (let i = 0; i < 25; i++) withholding(network.add(beside(target, i + 1), `10.66.0.${i + 1}:6881`))
      for (let i = 0; i < 12; i++) yield* network.run(dht.get(pair.publicKey, SALT))
      const receipt = yield* network.play(dht.put(record(1)))
      assert.isAtLeast(receipt.stored.filter((node) => !node.startsWith("10.66.")).length, 8)
    }))

  test("a forged record under a huge number delays nobody who asks for agreement", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record, target } = yield* setUp("huge")
      const network = new FakeNetwork(100)
      yield* network.play(network.join(ed25519).dht.put(record(1)))
      const [liar] = network.closest(target, 1)
      liar!.items.set(target.hex, { ...mutable(record(1)), seq: 999 })
      liar!.delay = () => 1
      const before = network.now
      const answer = yield* network.play(network.join(ed25519).dht.lookup(pair.publicKey, SALT, { enough: 3 }))
      assert.strictEqual(seqOf(answer.value), 1)
      assert.isAtMost(network.now - before, 60)
    }))

  test("eight forged items of another kind do not hide a true one", () =>
    Effect.gen(function* () {
      const { ed25519, pair, target } = yield* setUp("foreign")
      const network = new FakeNetwork(100)
      const bencoded = text("d1:a1:be")
      const foreign = (signature: Uint8Array) =>
        ({ _tag: "Foreign", publicKey: pair.publicKey, seq: 1, signature, bencoded }) as const
      const nodes = network.closest(target, 12)
      for (const [i, node] of nodes.slice(0, 11).entries()) {
        node.delay = () => 1
        node.items.set(target.hex, foreign(new Uint8Array(64).fill(i)))
      }
      nodes[11]!.items.set(target.hex, foreign(pair.sign(Record.signedBytesOfAny(SALT, 1, bencoded))))
      const answer = yield* network.play(network.join(ed25519).dht.lookup(pair.publicKey, SALT))
      assert.isTrue(answer.isForeign)
    }))

  test("a look-up that its time limit cut short says nothing about what is there", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record, target } = yield* setUp("cut short")
      const network = new FakeNetwork(300)
      yield* network.play(network.join(ed25519).dht.put(record(1)))
      for (const node of network.closest(target, 40)) node.delay = () => 200
      const known = network.nodes.filter(({ items }) => items.size === 0).slice(0, 40)
      const { dht } = network.join(ed25519, known)
      const exit = yield* network.run(dht.lookup(pair.publicKey, SALT, { timeout: "60 millis" }))
      assert.strictEqual(reasonOf(exit), "TooFewAnswers")
    }))

  test("a machine that is offline forgets none of the nodes that it knows", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record } = yield* setUp("offline")
      const network = new FakeNetwork(80)
      const { dht, table } = network.join(ed25519)
      yield* network.play(dht.put(record(1)))
      network.isOnline = false
      assert.strictEqual(reasonOf(yield* network.run(dht.get(pair.publicKey, SALT))), "NoNodes")
      assert.strictEqual(table.size, 80)
      network.isOnline = true
      assert.strictEqual(seqOf(yield* network.play(dht.get(pair.publicKey, SALT))), 1)
    }))

  test("time that a question waits for its turn on a crowded line is not held against the node", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record } = yield* setUp("crowded")
      const network = new FakeNetwork(60)
      yield* network.play(network.join(ed25519).dht.put(record(1)))
      network.queueMs = 3_000
      const { dht, table } = network.join(ed25519)
      const before = network.nodes.reduce((sum, { asked }) => sum + asked, 0)
      const answer = yield* network.play(dht.lookup(pair.publicKey, SALT))
      assert.strictEqual(seqOf(answer.value), 1)
      assert.strictEqual(answer.asked, answer.answered)
      assert.isAtMost(network.nodes.reduce((sum, { asked }) => sum + asked, 0) - before, 25)
      assert.strictEqual(table.size, 60)
    }))

  test("what has not left when a look-up ends is taken back", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record } = yield* setUp("taken back")
      const network = new FakeNetwork(60)
      yield* network.play(network.join(ed25519).dht.put(record(1)))
      network.queueMs = 500
      const asked = network.nodes.map((node) => node.asked)
      yield* network.run(network.join(ed25519).dht.lookup(pair.publicKey, SALT, { timeout: "100 millis" }))
      network.queueMs = 0
      yield* network.run(network.join(ed25519, []).dht.findPeers(sha1(text("later")) as Uint8Array as Infohash))
      assert.isAtMost(network.nodes.filter((node, i) => node.asked > asked[i]! + 1).length, 3)
    }))

  test("a node that keeps silent about its neighbours is waited for no longer than others", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record } = yield* setUp("neighbours")
      const network = new FakeNetwork(12)
      yield* network.play(network.join(ed25519).dht.put(record(1)))
      for (const node of network.nodes) {
        node.delay = ({ _tag }) => (_tag === "FindNode" ? Infinity : 20)
        node.answer = (_question, honest) => {
          const answer = honest()
          return answer._tag === "Found" ? { ...answer, nodes: [] } : answer
        }
      }
      const before = network.now
      yield* network.play(network.join(ed25519).dht.get(pair.publicKey, SALT))
      assert.isAtMost(network.now - before, 600)
    }))

  test("what was heard or put a moment ago will do for an immutable item too", () =>
    Effect.gen(function* () {
      const { ed25519 } = yield* setUp("fresh item")
      const network = new FakeNetwork(40)
      const { dht } = network.join(ed25519)
      const { target } = yield* network.play(dht.putImmutable(text("page")))
      const asked = network.nodes.reduce((sum, node) => sum + node.asked, 0)
      const found = yield* network.play(dht.getImmutable(target, { freshness: "10 seconds" }))
      assert.deepStrictEqual(Option.getOrUndefined(found), text("page"))
      assert.strictEqual(
        network.nodes.reduce((sum, node) => sum + node.asked, 0),
        asked
      )
    }))
})

describe("Client: puts", () => {
  test("the receipt says who stored, who refused and why, and who was silent", () =>
    Effect.gen(function* () {
      const { ed25519, record, target } = yield* setUp("receipt")
      const network = new FakeNetwork(60)
      const [full, gone] = network.closest(target, 2)
      full!.answer = (question, honest) =>
        isWrite(question) ? { _tag: "Refused", code: 203, text: "bad token" } : honest()
      gone!.delay = (question) => (isWrite(question) ? Infinity : 20)
      const receipt = yield* network.play(network.join(ed25519).dht.put(record(1)))
      assert.strictEqual(receipt.acks, 18)
      assert.deepStrictEqual(receipt.refused, [
        { node: full!.address, reason: "protocol", code: 203, text: "bad token" }
      ])
      assert.deepStrictEqual(receipt.silent, [gone!.address])
      assert.strictEqual(receipt.asked, 20)
    }))

  test("a record that is there already counts as stored, also on nodes that answer 302", () =>
    Effect.gen(function* () {
      const { ed25519, record } = yield* setUp("again")
      const network = new FakeNetwork(60)
      const { dht } = network.join(ed25519)
      assert.strictEqual((yield* network.play(dht.put(record(1)))).acks, 20)
      assert.strictEqual((yield* network.play(dht.put(record(1)))).acks, 20)
      const other = network.join(ed25519)
      const receipt = yield* network.play(other.dht.put(record(1)))
      assert.strictEqual(receipt.acks, 20)
      assert.deepStrictEqual(receipt.refused, [])
    }))

  test("an older record is stale, another number than expected a conflict", () =>
    Effect.gen(function* () {
      const { ed25519, record } = yield* setUp("conflict")
      const network = new FakeNetwork(60)
      const { dht } = network.join(ed25519)
      yield* network.play(dht.put(record(5)))
      assert.strictEqual(reasonOf(yield* network.run(dht.put(record(4)))), "StaleSeq")
      assert.strictEqual(reasonOf(yield* network.run(dht.put(record(5, "rival")))), "StaleSeq")
      assert.strictEqual(reasonOf(yield* network.run(dht.put(record(6), { cas: 4 }))), "CasConflict")
      assert.strictEqual(reasonOf(yield* network.run(dht.put(record(6), { cas: 5 }))), "success")
    }))

  test("a place that is remembered from before is looked at again before it is called a conflict", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record } = yield* setUp("remembered")
      const network = new FakeNetwork(60)
      const [one, two] = [network.join(ed25519), network.join(ed25519)]
      yield* network.play(one.dht.get(pair.publicKey, SALT))
      yield* network.play(one.dht.put(record(1)))
      yield* network.play(two.dht.put(record(2)))
      assert.strictEqual(reasonOf(yield* network.run(one.dht.put(record(3), { cas: 2 }))), "success")
    }))

  test("a write that was lost on its way is made once more, and what `cas` guards is not", () =>
    Effect.gen(function* () {
      const { ed25519, record, target } = yield* setUp("lost write")
      const network = new FakeNetwork(60)
      const writes = new Map<FakeNode, number>()
      for (const node of network.closest(target, 10)) {
        node.delay = (question) => {
          if (!isWrite(question)) return 20
          writes.set(node, (writes.get(node) ?? 0) + 1)
          return writes.get(node) === 1 ? Infinity : 20
        }
      }
      const { dht } = network.join(ed25519)
      assert.strictEqual((yield* network.play(dht.put(record(1)))).acks, 20)
      writes.clear()
      yield* network.run(dht.put(record(2), { cas: 1 }))
      assert.isTrue([...writes.values()].every((count) => count === 1))
    }))

  test("somebody who wrote in between is noticed by those who refuse", () =>
    Effect.gen(function* () {
      const { ed25519, record } = yield* setUp("between")
      const network = new FakeNetwork(60)
      const [one, two] = [network.join(ed25519), network.join(ed25519)]
      yield* network.play(one.dht.put(record(1)))
      yield* network.play(two.dht.put(record(2)))
      assert.strictEqual(reasonOf(yield* network.run(one.dht.put(record(2, "mine"), { cas: 1 }))), "CasConflict")
    }))

  test("goes to the next closest nodes where the closest do not take it", () =>
    Effect.gen(function* () {
      const { ed25519, record, target } = yield* setUp("spares")
      const network = new FakeNetwork(100)
      for (const node of network.closest(target, 17)) {
        node.answer = (question, honest) =>
          isWrite(question) ? { _tag: "Refused", code: 202, text: "full" } : honest()
      }
      const receipt = yield* network.play(network.join(ed25519).dht.put(record(1), { minAcks: 8 }))
      assert.isAtLeast(receipt.acks, 8)
    }))

  test("one node that refuses for what it holds does not keep the others from taking it", () =>
    Effect.gen(function* () {
      const { ed25519, record, target } = yield* setUp("full")
      const network = new FakeNetwork(100)
      const [liar, ...full] = network.closest(target, 18)
      for (const node of full) {
        node.answer = (question, honest) =>
          isWrite(question) ? { _tag: "Refused", code: 202, text: "full" } : honest()
      }
      liar!.answer = (question, honest) => (isWrite(question) ? { _tag: "Refused", code: 302, text: "old" } : honest())
      const receipt = yield* network.play(network.join(ed25519).dht.put(record(1), { minAcks: 8 }))
      assert.isAtLeast(receipt.acks, 8)
    }))

  test("is over when most have answered and the others are very late, however late most were", () =>
    Effect.gen(function* () {
      const { ed25519, record, target } = yield* setUp("slow")
      const network = new FakeNetwork(60)
      for (const [i, node] of network.closest(target, 20).entries()) {
        node.delay = (question) => (isWrite(question) ? (i < 7 ? 20 : i < 15 ? 700 : Infinity) : 20)
      }
      const { dht } = network.join(ed25519)
      const before = network.now
      const receipt = yield* network.play(dht.put(record(1)))
      assert.isAtLeast(receipt.acks, 10)
      assert.isAtMost(network.now - before, 900)
    }))

  test("nodes of one network are not enough: it goes on to others", () =>
    Effect.gen(function* () {
      const { ed25519, record, target } = yield* setUp("owner")
      const network = new FakeNetwork(200, (i) => `${20 + (i % 150)}.${1 + (i >> 4)}.0.1`)
      for (let i = 0; i < 25; i++) {
        const id = NodeId.toBytes(target)
        id[10] = i + 1
        network.add(NodeId.fromBytes(id), `99.1.0.${i + 1}:6881`)
      }
      const receipt = yield* network.play(network.join(ed25519).dht.put(record(1), { minAcks: 8 }))
      assert.isAtLeast(receipt.networks, 3)
    }))

  test("asks who holds which version", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record, target } = yield* setUp("holders")
      const network = new FakeNetwork(60)
      const { dht } = network.join(ed25519)
      yield* network.play(dht.put(record(1)))
      const [closest] = network.closest(target, 1)
      closest!.items.set(target.hex, mutable(record(2)))
      const { holders } = yield* network.play(dht.holders(pair.publicKey, SALT))
      assert.strictEqual(holders.length, 20)
      assert.deepStrictEqual(
        holders.filter(({ seq }) => seq === 2),
        [{ node: closest!.address, seq: 2 }]
      )
      const { target: item } = yield* network.play(dht.putImmutable(text("page")))
      const items = yield* network.play(dht.holdersImmutable(item))
      assert.strictEqual(items.holders.length, 20)
    }))
})

describe("Client: a besieged target", () => {
  test("nodes that stand too close together do not own an item", () =>
    Effect.gen(function* () {
      const { ed25519, pair, record, target } = yield* setUp("siege")
      const network = new FakeNetwork(400)
      const honest = network.join(ed25519)
      for (const label of ["x", "y", "z"]) {
        yield* network.play(honest.dht.getImmutable(Record.immutableTargetOf(text(label))))
      }
      for (let i = 0; i < 30; i++) {
        const id = NodeId.toBytes(target)
        id[19] = (id[19]! ^ (i + 1)) & 255
        const hostile = network.add(NodeId.fromBytes(id), `10.66.0.${i + 1}:6881`)
        hostile.answer = (question, answer) => {
          const given = answer()
          return given._tag === "Found" && question._tag === "Get" ? { ...given, item: undefined } : given
        }
      }
      const receipt = yield* network.play(honest.dht.put(record(1)))
      assert.isAtLeast(receipt.stored.filter((node) => !node.startsWith("10.66.")).length, 8)
      const found = yield* network.play(honest.dht.get(pair.publicKey, SALT))
      assert.strictEqual(seqOf(found), 1)
    }))
})

describe("Client: peers", () => {
  const infohash = sha1(text("torrent")) as Uint8Array as Infohash

  test("finds who announced, those first that most nodes name", () =>
    Effect.gen(function* () {
      const { ed25519 } = yield* setUp("peers")
      const network = new FakeNetwork(60)
      const { dht } = network.join(ed25519)
      assert.strictEqual(yield* network.play(dht.announcePeer(infohash, 5000)), 20)
      const [liar] = network.closest(NodeId.fromBytes(infohash), 1)
      const fakes = Array.from({ length: 100 }, (_, i) => `10.7.0.${i + 1}:1`)
      liar!.peers.set(NodeId.fromBytes(infohash).hex, [...fakes, "10.9.9.9:5000"])
      const peers = yield* network.play(dht.findPeers(infohash))
      assert.strictEqual(String(peers[0]), "10.9.9.9:5000")
      assert.strictEqual(peers.length, 101)
    }))

  test("a host that answers first from many ports, with many peers, hides nobody", () =>
    Effect.gen(function* () {
      const { ed25519 } = yield* setUp("many peers")
      const network = new FakeNetwork(200, (i) => `${20 + (i % 180)}.${1 + (i >> 2)}.3.4`)
      const target = NodeId.fromBytes(infohash)
      yield* network.play(network.join(ed25519).dht.announcePeer(infohash, 5000))
      for (let port = 1; port <= 12; port++) {
        const id = NodeId.toBytes(target)
        id[19]! ^= port
        const liar = network.add(NodeId.fromBytes(id), `99.1.0.7:${port}`)
        liar.delay = () => 1
        liar.peers.set(
          target.hex,
          Array.from({ length: 128 }, (_, i) => `10.${port}.${i}.1:1`)
        )
      }
      const peers = yield* network.play(network.join(ed25519).dht.findPeers(infohash))
      assert.strictEqual(String(peers[0]), "10.9.9.9:5000")
      assert.isAtMost(peers.length, PEERS_FOUND_MAX)
    }))

  test("nobody there is no error, nobody known is", () =>
    Effect.gen(function* () {
      const { ed25519 } = yield* setUp("no peers")
      const network = new FakeNetwork(10)
      assert.deepStrictEqual(yield* network.play(network.join(ed25519).dht.findPeers(infohash)), [])
      const none = new FakeNetwork(0)
      assert.strictEqual(reasonOf(yield* none.run(none.join(ed25519).dht.findPeers(infohash))), "NoNodes")
    }))
})
