import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import * as Retract from "../../../src/protocol/registry/Retract.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import { name, release, version } from "./Fixtures.ts"
import * as World from "./PublisherWorld.ts"

const NOW = 1_750_000_000_000
const LATER = NOW + 36 * 60 * 60 * 1000

/** More versions than fit into a package's record. */
const MANY = Array.from({ length: 70 }, (_, i) => `1.${i}.0`)

/** As many as fit: the next one makes a tree. */
const ALL_THAT_FIT = MANY.slice(0, 62)

const published = Effect.fnUntraced(function* (versions: ReadonlyArray<string>) {
  const alice = yield* World.keyPair("alice")
  const before = yield* World.machine(DhtMemory.make())
  for (const each of versions) yield* World.at(before, NOW - 1000, Publish.publish(alice, release("a", each)))
  return { alice, before }
})

/** Published once for all tests; each takes a copy. */
const withMany = Effect.runSync(Effect.cached(published(MANY)))
const withAllThatFit = Effect.runSync(Effect.cached(published(ALL_THAT_FIT)))

describe("Publish, killed at any write and run again", () => {
  for (const [title, history, added] of [
    ["the first version of a package", published([]), "1.0.0"],
    ["a newer version", published(["1.0.0"]), "1.1.0"],
    ["an older version", published(["1.0.0"]), "0.9.0"],
    ["the version with which the list outgrows the record", withAllThatFit, "2.0.0"],
    ["a version of a package with a tree", withMany, "2.0.0"]
  ] as const) {
    it.effect(`ends as if it had not been: ${title}`, () =>
      Effect.gen(function* () {
        const { alice, before } = yield* history
        const publish = Publish.publish(alice, release("a", added))
        const whole = yield* World.copy(before)
        const writes = yield* World.writesOf(whole, NOW, publish)
        const expected = yield* World.stateOf(whole)
        const hadTree = (yield* World.stateOf(before)).networkPages.length > 0
        assert.strictEqual(hadTree, history === withMany)
        assert.strictEqual(expected.networkPages.length > 0, history === withMany || history === withAllThatFit)
        // The first write is the note: without it nothing has begun.
        for (let dies = 1; dies < writes; dies++) {
          const machine = yield* World.copy(before)
          yield* World.killedAt(machine, NOW, publish, dies)
          yield* World.at(machine, LATER, publish)
          assert.deepStrictEqual(yield* World.stateOf(machine), expected, `killed at write ${dies} of ${writes}`)
        }
      })
    )
  }

  it.effect("puts the pages that a killed run had kept, too, when the network has forgotten everything since", () =>
    Effect.gen(function* () {
      const { alice, before } = yield* withMany
      const publish = Publish.publish(alice, release("a", "2.0.0"))
      const writes = yield* World.writesOf(yield* World.copy(before), NOW, publish)
      for (let dies = 1; dies < writes; dies++) {
        const machine = yield* World.copy(before)
        yield* World.killedAt(machine, NOW, publish, dies)
        machine.network.items.clear()
        machine.network.immutable.clear()
        yield* World.at(machine, LATER, publish)
        const { network, networkPages, rememberedPages } = yield* World.stateOf(machine)
        assert.strictEqual(network.length, 4)
        assert.deepStrictEqual(networkPages, rememberedPages)
      }
    })
  )

  it.effect("leaves no page out when another version is published instead", () =>
    Effect.gen(function* () {
      const { alice, before } = yield* withAllThatFit
      const publish = Publish.publish(alice, release("a", "2.0.0"))
      const writes = yield* World.writesOf(yield* World.copy(before), NOW, publish)
      for (let dies = 1; dies < writes; dies++) {
        const machine = yield* World.copy(before)
        yield* World.killedAt(machine, NOW, publish, dies)
        yield* World.at(machine, LATER, Publish.publish(alice, release("a", "3.0.0")))
        const { networkPages, rememberedPages } = yield* World.stateOf(machine)
        assert.isNotEmpty(networkPages)
        assert.deepStrictEqual(networkPages, rememberedPages, `killed at write ${dies} of ${writes}`)
      }
    })
  )

  it.effect("puts all pages that it has when the network has forgotten them", () =>
    Effect.gen(function* () {
      const { alice, before } = yield* withMany
      const machine = yield* World.copy(before)
      machine.network.items.clear()
      machine.network.immutable.clear()
      yield* World.at(machine, NOW, Publish.publish(alice, release("a", "2.0.0")))
      const { networkPages, rememberedPages } = yield* World.stateOf(machine)
      assert.isNotEmpty(networkPages)
      assert.deepStrictEqual(networkPages, rememberedPages)
    })
  )

  it.effect("takes up no date that is more than a month old", () =>
    Effect.gen(function* () {
      const { alice, before } = yield* published([])
      const publish = Publish.publish(alice, release("a", "1.0.0"))
      yield* World.killedAt(before, NOW, publish, 2)
      const muchLater = NOW + 40 * 24 * 60 * 60 * 1000
      yield* World.at(before, muchLater, publish)
      const fresh = yield* World.machine(DhtMemory.make())
      yield* World.at(fresh, muchLater, publish)
      assert.deepStrictEqual((yield* World.stateOf(before)).network, (yield* World.stateOf(fresh)).network)
    })
  )
})

describe("Retract, killed at any write and run again", () => {
  it.effect("leaves the flags, the catalogue and the claim as if it had not been", () =>
    Effect.gen(function* () {
      const { alice, before } = yield* withMany
      const yank = Retract.yank(alice, name("a"), version("1.69.0"))
      const whole = yield* World.copy(before)
      const writes = yield* World.writesOf(whole, NOW, yank)
      const expected = yield* World.stateOf(whole)
      for (let dies = 0; dies < writes; dies++) {
        const machine = yield* World.copy(before)
        yield* World.killedAt(machine, NOW, yank, dies)
        yield* World.at(machine, NOW, yank)
        assert.deepStrictEqual(yield* World.stateOf(machine), expected, `killed at write ${dies} of ${writes}`)
      }
    })
  )
})
