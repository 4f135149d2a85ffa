import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { explain } from "../../../src/protocol/core/Errors.ts"
import type * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as Announce from "../../../src/protocol/registry/Announce.ts"
import * as Lookup from "../../../src/protocol/registry/Lookup.ts"
import * as Package from "../../../src/protocol/registry/Package.ts"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import * as Retract from "../../../src/protocol/registry/Retract.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"
import * as World from "./PublisherWorld.ts"

const { name, range, release, version } = Fixtures

const START_MS = 1_750_000_000_000

describe("Retract", () => {
  interface Given {
    readonly network: DhtMemory.Network
    readonly alice: Effect.Success<ReturnType<typeof World.keyPair>>
    readonly publisher: Effect.Success<ReturnType<typeof Fixtures.join>>
  }

  const test = (
    title: string,
    versions: ReadonlyArray<string>,
    body: (given: Given) => Effect.Effect<void, unknown, Scope.Scope>
  ) =>
    it.effect(title, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(START_MS)
        const network = DhtMemory.make()
        const alice = yield* World.keyPair("alice")
        const publisher = yield* Fixtures.join(network)
        for (const each of versions) yield* publisher(Publish.publish(alice, release("a", each)))
        yield* body({ network, alice, publisher })
      }).pipe(Effect.scoped)
    )

  const snapshot = (network: DhtMemory.Network) => [...network.items].map(([key, { seq }]) => [key, seq] as const)

  test(
    "keeps a yanked version from being chosen by range, and gives it by its exact number",
    ["1.0.0", "1.1.0"],
    ({ alice, network, publisher }) =>
      Effect.gen(function* () {
        const { flags, newest } = yield* publisher(Retract.yank(alice, name("a"), version("1.1.0")))
        assert.strictEqual(flags, Package.Flag.yanked)
        assert.strictEqual(newest, "1.0.0")
        const user = yield* Fixtures.join(network)
        const byRange = yield* user(Resolve.resolveByName({ name: name("a"), range: range("^1") }))
        assert.strictEqual(byRange.release.v, "1.0.0")
        const exact = yield* user(Resolve.resolveByName({ name: name("a"), range: range("1.1.0") }))
        assert.strictEqual(exact.release.v, "1.1.0")
      })
  )

  test(
    "takes the newest version's place in package, catalogue and claim, and gives it back",
    ["1.0.0", "1.1.0"],
    ({ alice, publisher }) =>
      Effect.gen(function* () {
        const newest = Effect.gen(function* () {
          const announce = Option.getOrThrow(yield* Announce.find(alice.publicKey))
          const [claimed] = yield* Resolve.publishersOf(name("a"))
          return [Option.getOrThrow(yield* Announce.versionOf(announce.value, name("a"))), claimed!.claim.lv]
        })
        yield* publisher(Retract.yank(alice, name("a"), version("1.1.0")))
        assert.deepStrictEqual(yield* publisher(newest), [version("1.0.0"), version("1.0.0")])
        yield* publisher(Retract.yank(alice, name("a"), version("1.1.0"), { undo: true }))
        assert.deepStrictEqual(yield* publisher(newest), [version("1.1.0"), version("1.1.0")])
      })
  )

  test("changes nothing when it is so already", ["1.0.0", "1.1.0"], ({ alice, network, publisher }) =>
    Effect.gen(function* () {
      const before = snapshot(network)
      yield* publisher(Retract.yank(alice, name("a"), version("1.0.0"), { undo: true }))
      assert.deepStrictEqual(snapshot(network), before)
      yield* publisher(Retract.deprecate(alice, name("a"), version("1.0.0")))
      const deprecated = snapshot(network)
      assert.notDeepEqual(deprecated, before)
      yield* TestClock.adjust("1 hour")
      yield* publisher(Retract.deprecate(alice, name("a"), version("1.0.0")))
      assert.deepStrictEqual(snapshot(network), deprecated)
    })
  )

  test("sets one flag and leaves the other", ["1.0.0"], ({ alice, publisher }) =>
    Effect.gen(function* () {
      const { deprecated, yanked } = Package.Flag
      const of = (work: Effect.Effect<Retract.Retraction, unknown, Fixtures.Host>) =>
        Effect.map(publisher(work), ({ flags }) => flags)
      assert.strictEqual(yield* of(Retract.deprecate(alice, name("a"), version("1.0.0"))), deprecated)
      assert.strictEqual(yield* of(Retract.yank(alice, name("a"), version("1.0.0"))), deprecated | yanked)
      const undo = { undo: true }
      assert.strictEqual(yield* of(Retract.deprecate(alice, name("a"), version("1.0.0"), undo)), yanked)
      assert.strictEqual(yield* of(Retract.yank(alice, name("a"), version("1.0.0"), undo)), 0)
    })
  )

  test(
    "writes catalogue and claim only when the newest version changes",
    ["1.0.0", "1.1.0"],
    ({ alice, network, publisher }) =>
      Effect.gen(function* () {
        const before = new Map(snapshot(network))
        yield* publisher(Retract.yank(alice, name("a"), version("1.0.0")))
        const changed = [...network.items].filter(([key, { seq }]) => before.get(key) !== seq)
        assert.deepStrictEqual(
          changed.map(([, { salt }]) => Hex.encode(salt)),
          [Hex.encode(KeyString.saltOf(KeyString.packageOf(name("a"))))]
        )
      })
  )

  test(
    "is possible for a version of which no release is to be had any more",
    ["1.0.0", "1.1.0"],
    ({ alice, network }) =>
      Effect.gen(function* () {
        const elsewhere = yield* Fixtures.join(network)
        for (const each of ["1.0.0", "1.1.0"]) {
          const salt = KeyString.saltOf(KeyString.release(name("a"), version(each)))
          network.items.delete(Hex.encode(Record.targetOf(alice.publicKey, salt)))
        }
        const { flags, newest } = yield* elsewhere(Retract.yank(alice, name("a"), version("1.1.0")))
        assert.strictEqual(flags, Package.Flag.yanked)
        assert.strictEqual(newest, "1.1.0", "the older release could not be inlined")
      })
  )

  test("says which versions there are when there is no such version", ["1.0.0", "1.1.0"], ({ alice, publisher }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(publisher(Retract.yank(alice, name("a"), version("2.0.0"))))
      assert.strictEqual(explain(error)?._tag, "VersionNotFound")
      assert.include(explain(error)?.hint, "1.1.0")
    })
  )

  test("names yanked versions, too, when there is no such version", ["1.0.0"], ({ alice, publisher }) =>
    Effect.gen(function* () {
      yield* publisher(Retract.yank(alice, name("a"), version("1.0.0")))
      const error = yield* Effect.flip(publisher(Retract.yank(alice, name("a"), version("2.0.0"), { undo: true })))
      assert.include(explain(error)?.hint, "It has 1.0.0")
    })
  )

  test("says that there is no such package", [], ({ alice, network, publisher }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(publisher(Retract.deprecate(alice, name("a"), version("1.0.0"))))
      assert.strictEqual(explain(error)?._tag, "PackageNotFound")
      assert.strictEqual(network.items.size, 0)
    })
  )

  test(
    "reaches versions that only the tree has",
    Array.from({ length: 70 }, (_, i) => `1.${i}.0`),
    ({ alice, network, publisher }) =>
      Effect.gen(function* () {
        yield* publisher(Retract.yank(alice, name("a"), version("1.2.0")))
        const user = yield* Fixtures.join(network)
        const resolved = yield* user(Resolve.resolveByName({ name: name("a"), range: range("~1.2.0 || ~1.1.0") }))
        assert.strictEqual(resolved.release.v, "1.1.0")
      })
  )

  test(
    "agrees with a version published at the same moment on another machine",
    ["1.0.0", "1.1.0"],
    ({ alice, network, publisher }) =>
      Effect.gen(function* () {
        const other = yield* Fixtures.join(network)
        yield* other(Publish.publish(alice, release("a", "1.2.0")))
        yield* publisher(Retract.yank(alice, name("a"), version("1.1.0")))
        const user = yield* Fixtures.join(network)
        const { release: found } = yield* user(Resolve.resolveByName({ name: name("a"), range: range("*") }))
        assert.strictEqual(found.v, "1.2.0")
      })
  )

  /** Another machine with the key, on a network of its own that has what `network` has now; `heal` brings both together. */
  const split = Effect.fnUntraced(function* (network: DhtMemory.Network) {
    const far = DhtMemory.make()
    const spread = (from: DhtMemory.Network, to: DhtMemory.Network) => {
      for (const [target, page] of from.immutable) to.immutable.set(target, page)
      for (const [target, item] of from.items) {
        const known = to.items.get(target)
        if (known === undefined || item.seq > known.seq) to.items.set(target, item)
      }
    }
    spread(network, far)
    const heal = () => {
      spread(far, network)
      spread(network, far)
    }
    return { machine: yield* Fixtures.join(far), far, heal }
  })

  const latest = (network: DhtMemory.Network) =>
    Effect.gen(function* () {
      const user = yield* Fixtures.join(network)
      const { release: found } = yield* user(Resolve.resolveByName({ name: name("a"), range: range("^1") }))
      return String(found.v)
    })

  const flagsOf = (network: DhtMemory.Network, publicKey: PublicKey.PublicKey, each: string) =>
    Effect.gen(function* () {
      const user = yield* Fixtures.join(network)
      const found = yield* user(Lookup.find(publicKey, KeyString.packageOf(name("a")), Package.codec))
      return Option.getOrUndefined(yield* user(Package.flagsOf(Option.getOrThrow(found).value, version(each))))
    })

  for (const keptAlive of [false, true]) {
    const where = keptAlive ? ", and whose record is remembered here" : ""
    test(
      `comes back after another machine has published more that knew nothing of it${where}`,
      ["1.0.0", "1.1.0"],
      ({ alice, network, publisher }) =>
        Effect.gen(function* () {
          const { heal, machine } = yield* split(network)
          yield* publisher(Retract.yank(alice, name("a"), version("1.1.0")))
          for (const each of ["2.0.0", "2.1.0"]) yield* machine(Publish.publish(alice, release("a", each)))
          heal()
          if (keptAlive) {
            const salt = KeyString.saltOf(KeyString.packageOf(name("a")))
            const theirs = yield* machine(Effect.flatMap(RecordStore, (store) => store.find(alice.publicKey, salt)))
            yield* publisher(Effect.flatMap(RecordStore, (store) => store.remember(Option.getOrThrow(theirs))))
          }
          yield* publisher(Publish.publish(alice, release("a", "2.2.0")))
          assert.strictEqual(yield* flagsOf(network, alice.publicKey, "1.1.0"), Package.Flag.yanked)
          assert.strictEqual(yield* latest(network), "1.0.0")
          yield* machine(Publish.publish(alice, release("a", "2.3.0")))
          assert.strictEqual(yield* flagsOf(network, alice.publicKey, "1.1.0"), Package.Flag.yanked)
        })
    )
  }

  test("stays where another machine published once at the same time", ["1.0.0", "1.1.0"], (given) =>
    Effect.gen(function* () {
      const { alice, network, publisher } = given
      const { far, machine } = yield* split(network)
      yield* publisher(Retract.yank(alice, name("a"), version("1.1.0")))
      yield* machine(Publish.publish(alice, release("a", "2.0.0")))
      for (const [target, item] of network.items) far.items.set(target, item)
      yield* machine(Publish.publish(alice, release("a", "2.1.0")))
      assert.strictEqual(yield* flagsOf(far, alice.publicKey, "1.1.0"), Package.Flag.yanked)
    })
  )

  test(
    "is undone for good by another machine that knows of it, whoever publishes later",
    ["1.0.0", "1.1.0"],
    ({ alice, network, publisher }) =>
      Effect.gen(function* () {
        const other = yield* Fixtures.join(network)
        yield* publisher(Retract.yank(alice, name("a"), version("1.1.0")))
        yield* other(Retract.yank(alice, name("a"), version("1.1.0"), { undo: true }))
        yield* other(Publish.publish(alice, release("a", "1.2.0")))
        yield* publisher(Publish.publish(alice, release("a", "1.3.0")))
        yield* other(Publish.publish(alice, release("a", "1.4.0")))
        assert.strictEqual(yield* flagsOf(network, alice.publicKey, "1.1.0"), 0)
      })
  )

  test("is undone for good here, too, where it has come back", ["1.0.0", "1.1.0"], ({ alice, network, publisher }) =>
    Effect.gen(function* () {
      const { heal, machine } = yield* split(network)
      yield* publisher(Retract.yank(alice, name("a"), version("1.1.0")))
      for (const each of ["2.0.0", "2.1.0"]) yield* machine(Publish.publish(alice, release("a", each)))
      heal()
      yield* publisher(Retract.yank(alice, name("a"), version("1.1.0"), { undo: true }))
      yield* publisher(Publish.publish(alice, release("a", "2.2.0")))
      assert.strictEqual(yield* flagsOf(network, alice.publicKey, "1.1.0"), 0)
    })
  )
})
