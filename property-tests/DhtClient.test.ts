/** Laws of the DHT client, over networks of any size with silent, late, lossy and lying nodes, in virtual time. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { sha1, sha256 } from "../src/protocol/core/Digest.ts"
import { Ed25519 } from "../src/protocol/core/Ed25519.ts"
import type { Infohash } from "../src/protocol/core/Infohash.ts"
import * as KeyPair from "../src/protocol/core/KeyPair.ts"
import type { Answer } from "../src/protocol/dht/client/Krpc.ts"
import { QUERIES_MAX } from "../src/protocol/dht/client/LookUp.ts"
import * as NodeId from "../src/protocol/dht/client/NodeId.ts"
import * as KeyString from "../src/protocol/dht/KeyString.ts"
import * as Record from "../src/protocol/dht/Record.ts"
import { layer as nodeEd25519 } from "../src/runtime/crypto/NodeEd25519.ts"
import { FakeNetwork } from "../test/protocol/dht/client/FakeNetwork.ts"
import { runsUpTo } from "./Runs.ts"

const SALT = KeyString.saltOf("libreseed:test:laws")

const INFOHASH = sha1(new Uint8Array(4)) as Uint8Array as Infohash

const setUp = Effect.runSync(
  Effect.gen(function* () {
    const ed25519 = yield* Ed25519
    const pair = yield* KeyPair.fromSeed(sha256(new Uint8Array(3)))
    const record = Record.sign(pair, { salt: SALT, seq: 1, value: new Uint8Array(20) })
    return { ed25519, pair, record }
  }).pipe(Effect.provide(nodeEd25519))
)

/** What each node does with the n-th question to it: answers after so many ms, or not at all. */
const manner = fc.record({
  isSilent: fc.boolean(),
  delay: fc.integer({ min: 1, max: 400 }),
  losesEvery: fc.integer({ min: 3, max: 20 })
})

const nodeId = fc.uint8Array({ minLength: 20, maxLength: 20 }).map(NodeId.fromBytes)
const contact = fc.record({
  id: nodeId,
  address: fc
    .tuple(fc.nat(255), fc.nat(255), fc.integer({ min: 1, max: 65_535 }))
    .map(([a, b, port]) => `10.66.${a}.${b}:${port}`)
})
const anyBytes = (maxLength: number) => fc.uint8Array({ maxLength })
const item = fc.oneof(
  fc.record({ _tag: fc.constant("Immutable" as const), value: anyBytes(40) }),
  fc.record({
    _tag: fc.constant("Mutable" as const),
    publicKey: fc.oneof(anyBytes(40), fc.constant(setUp.pair.publicKey)),
    seq: fc.nat(),
    signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
    value: anyBytes(40)
  }),
  fc.record({
    _tag: fc.constant("Foreign" as const),
    publicKey: fc.constant(setUp.pair.publicKey),
    seq: fc.nat(),
    signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
    bencoded: anyBytes(40)
  })
)
const lie: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({
    _tag: fc.constant("Found" as const),
    id: nodeId,
    token: fc.option(anyBytes(20), { nil: undefined }),
    nodes: fc.array(contact, { maxLength: 16 }),
    item: fc.option(item, { nil: undefined }),
    peers: fc.array(fc.oneof(fc.string(), fc.constant("10.1.1.1:80")), { maxLength: 8 })
  }),
  fc.record({ _tag: fc.constant("Refused" as const), code: fc.integer({ min: 0, max: 400 }), text: fc.string() })
)

const run = (law: () => Effect.Effect<void, unknown>) => Effect.runPromise(law())

describe("DHT client", () => {
  it("a record that was put is found by whoever asks, while at most half of the nodes are silent", () =>
    fc.assert(
      fc.asyncProperty(fc.array(manner, { minLength: 4, maxLength: 80 }), (manners) =>
        run(() =>
          Effect.gen(function* () {
            const { ed25519, pair, record } = setUp
            const network = new FakeNetwork(manners.length)
            yield* network.play(network.join(ed25519).dht.put(record))
            let silent = 0
            for (const [i, { delay, isSilent, losesEvery }] of manners.entries()) {
              const node = network.nodes[i]!
              const isGone = isSilent && silent < Math.floor(manners.length / 2)
              if (isGone) silent++
              node.delay = () => (isGone || node.asked % losesEvery === 0 ? Infinity : delay)
            }
            const found = yield* network.play(network.join(ed25519).dht.get(pair.publicKey, SALT))
            assert.isTrue(Option.isSome(found))
          })
        )
      ),
      runsUpTo(150)
    ))

  it("a look-up ends, asks a bounded number of nodes, and gives nothing that the key did not sign, whatever nodes say", () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.array(lie, { minLength: 1, maxLength: 12 }),
        fc.nat({ max: 4 }),
        (count, lies, honestEvery) =>
          run(() =>
            Effect.gen(function* () {
              const { ed25519, pair } = setUp
              const network = new FakeNetwork(count)
              let told = 0
              for (const [i, node] of network.nodes.entries()) {
                if (honestEvery > 0 && i % honestEvery === 0) continue
                node.answer = () => lies[told++ % lies.length]!
              }
              const { dht } = network.join(ed25519)
              const exit = yield* network.run(Effect.all([dht.lookup(pair.publicKey, SALT), dht.findPeers(INFOHASH)]))
              assert.isBelow(network.now, 60_000)
              assert.isAtMost(
                network.nodes.reduce((sum, { asked }) => sum + asked, 0),
                2 * (QUERIES_MAX + 60)
              )
              if (Exit.isSuccess(exit)) assert.isTrue(Option.isNone(exit.value[0].value))
              else assert.isFalse(Cause.hasDies(exit.cause), Cause.pretty(exit.cause))
            })
          )
      ),
      runsUpTo(150)
    ))
})
