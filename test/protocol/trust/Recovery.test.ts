/** A stolen key: what the thief can do with the highest sequence number there is, and the way out. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import type * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Pins from "../../../src/protocol/trust/Pins.ts"
import * as Revocation from "../../../src/protocol/trust/Revocation.ts"
import * as Trust from "../../../src/protocol/trust/Trust.ts"
import { TrustBook } from "../../../src/protocol/trust/TrustBook.ts"
import { host, keyPair, name, release, text } from "../registry/Fixtures.ts"

const START_MS = 1_750_000_000_000

/** A host that decides about publishers for itself. */
const user = (network: DhtMemory.Network) =>
  Effect.gen(function* () {
    const book = Layer.fresh(TrustBook.layerMemory)
    const context = yield* Layer.build(
      Layer.fresh(Trust.layer).pipe(Layer.provideMerge(book), Layer.provideMerge(host(network)))
    )
    return <A, E>(work: Effect.Effect<A, E, Layer.Success<ReturnType<typeof host>> | TrustBook>) =>
      Effect.provideContext(work, context)
  })

const leftPad = name("left-pad")

const reasonOf = <A, R>(work: Effect.Effect<A, { readonly reason: { readonly _tag: string } }, R>) =>
  Effect.map(Effect.flip(work), ({ reason }) => reason)

/** What a thief does to a package's record: the same words, dated so far ahead that no other record follows. */
const fastForward = Effect.fnUntraced(function* (pair: KeyPair.KeyPair) {
  const dht = yield* Dht
  const salt = KeyString.saltOf(KeyString.packageOf(leftPad))
  const { value } = Option.getOrThrow(yield* dht.get(pair.publicKey, salt))
  yield* dht.put(Record.sign(pair, { salt, seq: Record.SEQ_MAX, value }))
})

describe("a thief who takes the highest sequence number", () => {
  const test = (title: string, body: (network: DhtMemory.Network) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.effect(title, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(START_MS)
        yield* Effect.scoped(body(DhtMemory.make()))
      })
    )

  test("is got rid of by a revocation, a successor and a pin", (network) =>
    Effect.gen(function* () {
      const [owner, thief, bob, carol] = yield* Effect.all([user(network), user(network), user(network), user(network)])
      const stolen = yield* owner(keyPair("alice"))
      const next = yield* owner(keyPair("alice's next key"))

      yield* owner(Publish.publish(stolen, release("left-pad", "1.0.0")))
      const first = yield* bob(Resolve.resolveLatest(leftPad))
      yield* bob(Pins.firstUse(leftPad, first.publisher))

      yield* thief(fastForward(stolen))
      yield* TestClock.adjust("1 minute")
      // With this key the owner gets past the thief's record no more.
      const blocked = yield* owner(reasonOf(Publish.publish(stolen, release("left-pad", "1.0.1"))))
      assert.strictEqual(blocked._tag, "SequenceExhausted")

      yield* owner(Revocation.revoke(stolen, { reason: Revocation.DEFAULT_REASON, successor: next.publicKey }))
      yield* owner(Publish.publish(next, release("left-pad", "1.0.1")))

      // Who pinned the stolen key is told, and goes nowhere unasked.
      const refused = yield* bob(Effect.flip(Resolve.resolveLatest(leftPad)))
      assert.strictEqual(refused.reason._tag, "PublisherRevoked")
      assert.include(
        refused.reason._tag === "PublisherRevoked" ? refused.reason.hint : "",
        `ls-cli trust pin left-pad ${PublicKey.toBase64(next.publicKey)}`
      )
      yield* bob(Pins.pin(leftPad, next.publicKey))
      const after = yield* bob(Resolve.resolveLatest(leftPad))
      assert.deepStrictEqual(after.publisher, next.publicKey)
      assert.strictEqual(after.release.v, "1.0.1")

      // Who comes later passes the stolen key over, although its claim is the older one.
      const fresh = yield* carol(Resolve.resolveLatest(leftPad))
      assert.deepStrictEqual(fresh.publisher, next.publicKey)
    }))

  test("cannot unsay a revocation, and revokes the key himself by taking its place first", (network) =>
    Effect.gen(function* () {
      const [owner, thief, bob] = yield* Effect.all([user(network), user(network), user(network)])
      const stolen = yield* owner(keyPair("alice"))
      yield* owner(Publish.publish(stolen, release("left-pad", "1.0.0")))
      yield* thief(
        Effect.flatMap(Dht, (dht) =>
          dht.put(Record.sign(stolen, { salt: Revocation.SALT, seq: Record.SEQ_MAX, value: text("never mind") }))
        )
      )
      assert.strictEqual((yield* bob(reasonOf(Resolve.resolveLatest(leftPad))))._tag, "NoAcceptablePublisher")
      const given = Resolve.resolveLatest(leftPad, { publisher: stolen.publicKey })
      assert.strictEqual((yield* bob(reasonOf(given)))._tag, "PublisherRevoked")
      const done = yield* owner(Revocation.revoke(stolen, { reason: Revocation.DEFAULT_REASON }))
      assert.isFalse(done.isAsAsked)
      assert.isTrue(network.items.delete(Hex.encode(Record.targetOf(stolen.publicKey, Revocation.SALT))))
      assert.strictEqual((yield* bob(reasonOf(given)))._tag, "PublisherRevoked")
    }))
})
