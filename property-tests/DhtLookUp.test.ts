/** Laws of one look-up of the DHT client: when it may end, what it may give, and that one lost packet loses no node. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { sha256 } from "../src/protocol/core/Digest.ts"
import { Ed25519 } from "../src/protocol/core/Ed25519.ts"
import * as KeyPair from "../src/protocol/core/KeyPair.ts"
import * as NodeId from "../src/protocol/dht/client/NodeId.ts"
import * as KeyString from "../src/protocol/dht/KeyString.ts"
import * as Record from "../src/protocol/dht/Record.ts"
import { layer as nodeEd25519 } from "../src/runtime/crypto/NodeEd25519.ts"
import { FakeNetwork, type FakeNode } from "../test/protocol/dht/client/FakeNetwork.ts"
import { runsUpTo } from "./Runs.ts"

const SALT = KeyString.saltOf("libreseed:test:look-up")

/** Of one key, as many as there are kinds of nodes: those that hold the n-th hold nothing newer. */
const SEQ_MAX = 3

/** All of them are among the closest. */
const NODES_MAX = 16

const { ed25519, publicKey, records } = Effect.runSync(
  Effect.gen(function* () {
    const ed25519 = yield* Ed25519
    const pair = yield* KeyPair.fromSeed(sha256(new Uint8Array(5)))
    const records = Array.from({ length: SEQ_MAX }, (_, at) =>
      Record.sign(pair, { salt: SALT, seq: at + 1, value: Uint8Array.of(at) })
    )
    return { ed25519, publicKey: pair.publicKey, records }
  }).pipe(Effect.provide(nodeEd25519))
)

const TARGET = NodeId.fromBytes(Record.targetOf(publicKey, SALT))

/** Lets a node hold the record with this number, or none. */
const give = (node: FakeNode, seq: number): void => {
  const record = records[seq - 1]
  if (record !== undefined) node.items.set(TARGET.hex, { _tag: "Mutable", ...record })
}

/** As many as a look-up ends with, next to the target: no honest node is as close. */
const BESIEGERS = 20

/** Look-ups by which a client comes to know how many nodes there are. */
const LOOK_UPS_BEFORE = 3

/** They say that they stored it, and give nothing. */
const besiege = (network: FakeNetwork): void => {
  for (let at = 1; at <= BESIEGERS; at++) {
    const id = new NodeId.NodeId(TARGET.a, TARGET.b, TARGET.c, TARGET.d, (TARGET.e ^ at) >>> 0)
    network.add(id, `10.66.0.${at}:6881`).answer = (_question, honest) => {
      const answer = honest()
      return answer._tag === "Found" ? { ...answer, item: undefined } : answer
    }
  }
}

const run = (law: () => Effect.Effect<void, unknown>) => Effect.runPromise(law())

describe("a look-up", () => {
  it("that may end early gives what so many nodes hold, or the newest that there is", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: SEQ_MAX }), { minLength: 1, maxLength: NODES_MAX }),
        fc.integer({ min: 1, max: 6 }),
        (seqs, enough) =>
          run(() =>
            Effect.gen(function* () {
              const network = new FakeNetwork(seqs.length)
              network.nodes.forEach((node, at) => give(node, seqs[at]!))
              const { responders, value } = yield* network.play(
                network.join(ed25519).dht.lookup(publicKey, SALT, { enough })
              )
              const seq = Option.match(value, { onNone: () => 0, onSome: (record) => record.seq })
              if (responders.length < enough) assert.strictEqual(seq, Math.max(...seqs))
              else assert.isAtLeast(seqs.filter((each) => each === seq).length, enough)
            })
          )
      ),
      runsUpTo(100)
    ))

  it("finds what was put while those closest to the target only said that they stored it", () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 60, max: 200 }), (count) =>
        run(() =>
          Effect.gen(function* () {
            const network = new FakeNetwork(count)
            besiege(network)
            const [{ dht: writer }, { dht: reader }] = [network.join(ed25519), network.join(ed25519)]
            for (const dht of [writer, reader]) {
              for (let at = 0; at < LOOK_UPS_BEFORE; at++) {
                const target = Record.immutableTargetOf(Uint8Array.of(at, count))
                yield* network.play(dht.lookupImmutable(target))
              }
            }
            yield* network.play(writer.put(records[0]!))
            assert.isTrue(Option.isSome(yield* network.play(reader.get(publicKey, SALT))))
          })
        )
      ),
      runsUpTo(30)
    ))

  it("finds what a single node holds, though every node misses the first question", () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: NODES_MAX }), fc.nat(), (count, which) =>
        run(() =>
          Effect.gen(function* () {
            const network = new FakeNetwork(count)
            give(network.nodes[which % count]!, 1)
            for (const node of network.nodes) node.delay = () => (node.asked === 1 ? Infinity : 20)
            const found = yield* network.play(network.join(ed25519).dht.get(publicKey, SALT))
            assert.isTrue(Option.isSome(found))
          })
        )
      ),
      runsUpTo(100)
    ))

  it("finds the item that its target is the hash of, whatever the other nodes give in its place", () =>
    fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 40 }),
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: NODES_MAX - 1 }),
        fc.nat(),
        (value, others, which) =>
          run(() =>
            Effect.gen(function* () {
              const target = Record.immutableTargetOf(value)
              const network = new FakeNetwork(others.length + 1)
              const given = others.toSpliced(which % (others.length + 1), 0, value)
              network.nodes.forEach((node, at) =>
                node.items.set(NodeId.fromBytes(target).hex, { _tag: "Immutable", value: given[at]! })
              )
              const found = yield* network.play(network.join(ed25519).dht.getImmutable(target))
              assert.deepStrictEqual(Option.map(found, Hex.encode), Option.some(Hex.encode(value)))
            })
          )
      ),
      runsUpTo(100)
    ))
})
