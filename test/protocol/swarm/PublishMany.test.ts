import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { explain } from "../../../src/protocol/core/Errors.ts"
import { KeyName, Keystore } from "../../../src/protocol/core/Keystore.ts"
import type { PublicKey } from "../../../src/protocol/core/PublicKey.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import type * as Record from "../../../src/protocol/dht/Record.ts"
import * as Announce from "../../../src/protocol/registry/Announce.ts"
import * as Lookup from "../../../src/protocol/registry/Lookup.ts"
import * as Package from "../../../src/protocol/registry/Package.ts"
import { PublicationLog } from "../../../src/protocol/registry/PublicationLog.ts"
import * as PublishMany from "../../../src/protocol/swarm/PublishMany.ts"
import type { PackedPackage } from "../../../src/protocol/swarm/PublishPackage.ts"
import * as Testing from "../../../src/protocol/testing/index.ts"
import * as Fixtures from "../registry/Fixtures.ts"

type Services = Layer.Success<typeof Testing.layer>

const { name, version } = Fixtures

const packed = (packageName: string, packageVersion = "1.0.0", seed = 31): PackedPackage => ({
  name: name(packageName),
  version: version(packageVersion),
  tarball: Uint8Array.from({ length: 1000 }, (_, i) => (i * seed + packageName.length) & 0xff),
  files: {},
  metadata: {}
})

const makeKey = Effect.flatMap(Keystore, (keystore) => keystore.create(KeyName.make("publisher")))

const is = (keyString: string) => (record: Record.Record) => Bytes.Equivalence(record.salt, KeyString.saltOf(keyString))

const listed = (publisher: PublicKey) =>
  Effect.gen(function* () {
    const { value } = Option.getOrThrow(yield* Announce.find(publisher))
    const packages = yield* Stream.runCollect(Announce.packages(value))
    return packages.map(({ name, version }) => `${name}@${version}`)
  })

describe("PublishMany", () => {
  const test = (
    title: string,
    body: (put: Array<Record.Record>) => Effect.Effect<void, unknown, Services | Scope.Scope>
  ) =>
    it.effect(title, () =>
      Effect.suspend(() => {
        const put: Array<Record.Record> = []
        const watched = Effect.gen(function* () {
          const dht = yield* Dht
          yield* TestClock.setTime(1_750_000_000_000)
          const watching = Dht.of({
            ...dht,
            put: (record, options) => Effect.tap(dht.put(record, options), () => Effect.sync(() => put.push(record)))
          })
          yield* Effect.provideService(body(put), Dht, watching)
        })
        return watched.pipe(Effect.scoped, Effect.provide(Testing.layer))
      })
    )

  test("writes the catalogue for all who wait for it, and lists nothing that is not in the network", (put) =>
    Effect.gen(function* () {
      const key = yield* makeKey
      const many = yield* PublishMany.make(key)
      const names = Array.from({ length: 20 }, (_, i) => `package-${String(i).padStart(2, "0")}`)
      yield* Effect.forEach(names, (each) => many.publish(packed(each)), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        yield* listed(key.publicKey),
        names.map((each) => `${each}@1.0.0`)
      )
      const catalogues = put.filter(is(KeyString.announce(key.publicKey)))
      assert.isBelow(catalogues.length, names.length / 2)
      const first = put.indexOf(catalogues[0]!)
      for (const [each] of (yield* Effect.fromResult(Announce.decode(catalogues[0]!.value))).p ?? []) {
        const release = put.findIndex(is(KeyString.release(each, version("1.0.0"))))
        const claim = put.findIndex(is(KeyString.nameIndex(each)))
        assert.isTrue(release >= 0 && release < first && first < claim, each)
      }
      assert.deepStrictEqual(yield* (yield* PublicationLog).all, [])
    }))

  test("lists all versions of one package that are published at once", () =>
    Effect.gen(function* () {
      const key = yield* makeKey
      const many = yield* PublishMany.make(key)
      const versions = ["2.0.0", "1.0.0", "3.0.0", "2.1.0"]
      yield* Effect.forEach(versions, (each) => many.publish(packed("a", each)), { concurrency: "unbounded" })
      const { value } = Option.getOrThrow(
        yield* Lookup.find(key.publicKey, KeyString.packageOf(name("a")), Package.codec)
      )
      assert.strictEqual(value.c, 4)
      assert.strictEqual(value.l.v, version("3.0.0"))
      assert.deepStrictEqual(yield* listed(key.publicKey), ["a@3.0.0"])
    }))

  test("publishes the others where one is refused", () =>
    Effect.gen(function* () {
      const key = yield* makeKey
      const many = yield* PublishMany.make(key)
      yield* many.publish(packed("a"))
      const results = yield* Effect.forEach(
        [packed("b"), packed("a", "1.0.0", 7), packed("c")],
        (each) => Effect.result(many.publish(each)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        results.map((result) => (Result.isFailure(result) ? explain(result.failure)?._tag : "published")),
        ["published", "VersionExists", "published"]
      )
      assert.deepStrictEqual(yield* listed(key.publicKey), ["a@1.0.0", "b@1.0.0", "c@1.0.0"])
    }))

  test("asks the network once in a while what it says of the key's own records, and anew after each put", () =>
    Effect.gen(function* () {
      const key = yield* makeKey
      const base = yield* Dht
      let asked = 0
      const counting = Dht.of({
        ...base,
        lookup: (...args) =>
          Effect.andThen(
            Effect.sync(() => asked++),
            base.lookup(...args)
          )
      })
      const { dht } = yield* PublishMany.make(key).pipe(Effect.provideService(Dht, counting))
      const salt = KeyString.saltOf(KeyString.packageOf(name("a")))
      yield* dht.lookup(key.publicKey, salt)
      yield* dht.get(key.publicKey, salt)
      assert.strictEqual(asked, 1)
      const many = yield* PublishMany.make(key).pipe(Effect.provideService(Dht, dht))
      yield* many.publish(packed("a"))
      assert.isTrue(Option.isSome(yield* dht.get(key.publicKey, salt)))
      asked = 0
      yield* TestClock.adjust("1 minute")
      yield* dht.lookup(key.publicKey, salt)
      yield* dht.lookup(key.publicKey, salt)
      assert.strictEqual(asked, 1)
    }))
})
