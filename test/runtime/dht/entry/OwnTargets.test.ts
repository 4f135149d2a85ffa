import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { Dht } from "../../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../../src/protocol/dht/Record.ts"
import * as DhtMemory from "../../../../src/protocol/testing/DhtMemory.ts"
import { layer as ed25519 } from "../../../../src/runtime/crypto/NodeEd25519.ts"
import { keyPair } from "../../../protocol/registry/Fixtures.ts"
import {
  follow,
  type Items,
  OWN_TARGETS_MAX,
  OwnTargets,
  pin,
  pinning,
  REREAD_MS,
  WRITTEN_MS
} from "../../../../src/runtime/dht/entry/OwnTargets.ts"

const targetOf = (i: number): string => i.toString(16).padStart(40, "0")

describe("OwnTargets", () => {
  it("leaves half of the places to others, however much there is, and has the latest of its own", () => {
    const many = Array.from({ length: OWN_TARGETS_MAX + 5 }, (_, i) => targetOf(i))
    const targets = new OwnTargets(() => 0)
    assert.deepStrictEqual(targets.reread(many), [])
    assert.deepStrictEqual([...targets], many.slice(5))
    assert.deepStrictEqual(targets.add(targetOf(5)), [], "it is one of them, and the latest now")
    const latest = "ab".repeat(20)
    assert.deepStrictEqual(targets.add(latest), [targetOf(6)])
    assert.deepStrictEqual([...targets].slice(-2), [targetOf(5), latest])
    assert.strictEqual([...targets].length, OWN_TARGETS_MAX)
    assert.deepStrictEqual(targets.reread(many), [], "what found no place takes none from those that are later")
    assert.include([...targets], latest)
    const later = "cd".repeat(20)
    assert.deepStrictEqual(targets.reread([...many, later]), [targetOf(7)])
  })

  it("lets go of what the stores have given up, and keeps what has not reached them yet", () => {
    let now = 0
    const targets = new OwnTargets(() => now)
    targets.reread([targetOf(1), targetOf(2)])
    targets.add(targetOf(3))
    now = WRITTEN_MS
    targets.add(targetOf(4))
    assert.sameMembers(targets.reread([targetOf(2)]) as Array<string>, [targetOf(1), targetOf(3)])
    assert.deepStrictEqual([...targets], [targetOf(2), targetOf(4)])
    now += WRITTEN_MS
    assert.deepStrictEqual(targets.reread([targetOf(2)]), [targetOf(4)])
  })

  it.effect("are pinned where the node has its items, and let go, as the stores change", () =>
    Effect.gen(function* () {
      const pins = new Set<string>()
      const items: Items = {
        pin: (target) => pins.add(target).has(target),
        unpin: (target) => void pins.delete(target)
      }
      const stores: { held: ReadonlyArray<string> | undefined } = { held: [targetOf(1), targetOf(2)] }
      const clock = yield* Clock.Clock
      const targets = new OwnTargets(() => clock.currentTimeMillisUnsafe())
      targets.reread(stores.held ?? [])
      for (const target of targets) items.pin(target)
      yield* Effect.forkScoped(
        follow(
          targets,
          Effect.sync(() => stores.held),
          () => items
        )
      )
      pin(targets, items, targetOf(3))
      yield* TestClock.adjust(REREAD_MS)
      assert.sameMembers([...pins], [targetOf(1), targetOf(2), targetOf(3)])
      stores.held = [targetOf(2), targetOf(3), targetOf(4)]
      yield* TestClock.adjust(WRITTEN_MS)
      assert.sameMembers([...pins], [...stores.held])
      stores.held = undefined
      yield* TestClock.adjust(2 * WRITTEN_MS)
      assert.strictEqual(pins.size, 3, "stores that cannot be read say nothing")
    })
  )

  it("gives the place of the oldest to what is written now", () => {
    const targets = new OwnTargets(() => 0)
    const many = Array.from({ length: OWN_TARGETS_MAX }, (_, i) => targetOf(i))
    targets.reread(many)
    const pins = new Set(many)
    const items: Items = { pin: (target) => pins.add(target).has(target), unpin: (target) => void pins.delete(target) }
    pin(targets, items, "ab".repeat(20))
    assert.isFalse(pins.has(targetOf(0)))
    assert.isTrue(pins.has("ab".repeat(20)))
  })

  it.effect("are told of what is written, whatever comes of that, and not of what is read", () =>
    Effect.gen(function* () {
      const pinned: Array<string> = []
      const memory = yield* Dht
      const dht = pinning(memory, (target) => pinned.push(target))
      const publisher = yield* keyPair("alice")
      const salt = KeyString.saltOf("package")
      const record = Record.sign(publisher, { salt, seq: 2, value: new Uint8Array([1]) })
      yield* dht.get(publisher.publicKey, salt)
      assert.deepStrictEqual(pinned, [])
      const { target } = yield* dht.put(record)
      const page = yield* dht.putImmutable(new Uint8Array([1, 2, 3]))
      yield* Effect.flip(dht.put(record, { cas: 9 }))
      assert.deepStrictEqual(pinned, [target, page.target, target].map(Hex.encode))
    }).pipe(Effect.provide(Layer.provideMerge(DhtMemory.layer, ed25519)))
  )
})
