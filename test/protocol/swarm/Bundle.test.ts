import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { explain } from "../../../src/protocol/core/Errors.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { PageStore } from "../../../src/protocol/dht/PageStore.ts"
import type * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import { Observations } from "../../../src/protocol/registry/Observations.ts"
import * as Release from "../../../src/protocol/registry/Release.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import { fetchRelease } from "../../../src/protocol/swarm/FetchRelease.ts"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import { Swarm } from "../../../src/protocol/swarm/Swarm.ts"
import * as Testing from "../../../src/protocol/testing/index.ts"
import * as LockedRelease from "../../../src/protocol/trust/LockedRelease.ts"
import * as Bundles from "./Bundles.ts"
import * as Fixtures from "../registry/Fixtures.ts"

const { name, range, version } = Fixtures

/** Fills a record with few versions. */
const LONG = "a".repeat(100)

const any = (packageName: string) => ({ name: name(packageName), range: range("*") })

/** A publisher with two packages, one of them in two versions, and their bundle. */
const given = Effect.gen(function* () {
  const publisher = yield* Bundles.online(Testing.network())
  const key = yield* publisher.does(Bundles.keyPair("publisher"))
  yield* Bundles.publish(
    publisher,
    key,
    { name: "a", version: "1.0.0", dependencies: { "@s/b": "^1.0.0" } },
    { name: "a", version: "1.1.0", dependencies: { "@s/b": "^1.0.0" } },
    { name: "@s/b", version: "1.0.0", bytes: 70_000 }
  )
  const material = yield* Bundles.bundleOf(publisher, ["a@^1.0.0"])
  return { publisher, key, material, bundle: yield* Bundles.write(publisher, material) }
})

const stateOf = (host: Bundles.Host) =>
  host.does(
    Effect.gen(function* () {
      const records = yield* (yield* RecordStore).all
      const packages = yield* (yield* PackageStore).list
      const pages = yield* (yield* PageStore).targets
      return { records: records.length, packages: packages.length, pages: pages.length }
    })
  )

describe("Bundle", () => {
  const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.scoped(body))

  test(
    "is resolved, verified and read on a machine that asks nobody, in chunks of any size",
    Effect.gen(function* () {
      const { bundle, key } = yield* given
      for (const chunk of [97, 7_777, bundle.length]) {
        const user = yield* Bundles.offline
        const { releases } = yield* Bundles.importInto(user, bundle, chunk)
        assert.deepStrictEqual(
          releases.map((each) => `${each.name}@${each.version} ${each.isNew}`),
          ["@s/b@1.0.0 true", "a@1.0.0 true", "a@1.1.0 true"]
        )
        const found = yield* user.does(Resolve.resolveByName(any("@s/b")))
        const fetched = yield* user.does(fetchRelease(found, { timeout: "1 second" }))
        const content = yield* user.does(Effect.flatMap(PackageStore, (store) => store.open(fetched)))
        const { length, offset } = fetched.torrent.tarball
        assert.deepStrictEqual(yield* content.read(offset, length), Bundles.tarballOf("@s/b@1.0.0", 70_000))
        assert.strictEqual((yield* user.does(Resolve.resolveByName(any("a")))).release.v, "1.1.0")
        const old = yield* user.does(Resolve.resolveExact(name("a"), version("1.0.0")))
        assert.strictEqual(old.release.v, "1.0.0")
        const locked = yield* user.does(LockedRelease.find(key.publicKey, name("a"), version("1.1.0")))
        assert.strictEqual(locked.release.v, "1.1.0")
      }
    })
  )

  test(
    "has one spelling, whatever order its parts were found in",
    Effect.gen(function* () {
      const { bundle, material, publisher } = yield* given
      const shuffled = yield* Bundles.write(publisher, {
        wishes: [...material.wishes, ...material.wishes],
        releases: material.releases.toReversed(),
        claims: new Map([...material.claims].toReversed()),
        records: [...material.records.toReversed(), material.records[0]!],
        pages: material.pages.toReversed()
      })
      assert.strictEqual(Hex.encode(shuffled), Hex.encode(bundle))
      // Whoever imported it makes the very same one.
      const user = yield* Bundles.offline
      yield* Bundles.importInto(user, bundle)
      const again = yield* Bundles.write(user, yield* Bundles.bundleOf(user, ["a@^1.0.0"]))
      assert.strictEqual(Hex.encode(again), Hex.encode(bundle))
    })
  )

  test(
    "changes nothing when it is imported again, and mends what was damaged in the store",
    Effect.gen(function* () {
      const { bundle } = yield* given
      const user = yield* Bundles.offline
      yield* Bundles.importInto(user, bundle)
      const before = yield* stateOf(user)
      const again = yield* Bundles.importInto(user, bundle)
      assert.isTrue(again.releases.every(({ isNew }) => !isNew))
      assert.deepStrictEqual(yield* stateOf(user), before)
      const store = Context.get(user.services, PackageStore)
      const [stored] = yield* store.list
      const content = yield* store.open(stored!)
      yield* content.write(stored!.torrent.tarball.offset, Uint8Array.of(1, 2, 3))
      const mended = yield* Bundles.importInto(user, bundle)
      assert.strictEqual(mended.releases.filter(({ isNew }) => isNew).length, 1)
    })
  )

  test(
    "says of what it tells how old that is, and that nobody was asked",
    Effect.gen(function* () {
      const { bundle } = yield* given
      const user = yield* Bundles.offline
      yield* Bundles.importInto(user, bundle)
      const { evidence } = yield* user.does(Resolve.resolveByName(any("a")))
      const warnings = evidence.warnings.map(({ code, message }) => `${code}: ${message}`)
      assert.strictEqual(warnings.length, 1, warnings.join())
      assert.match(warnings[0]!, /^offline: The network was not asked about a: .* was signed today, \d{4}-\d\d-\d\d\.$/)
      assert.deepStrictEqual([...new Set(evidence.looks.map(({ source }) => source))], ["memory"])
      assert.isFalse(
        evidence.looks.some(({ kind }) => kind === "revocation"),
        "of what was not asked nothing is said"
      )
    })
  )

  test(
    "does not make anybody's claim an observation: that takes somebody who asks for the name",
    Effect.gen(function* () {
      const { bundle } = yield* given
      const user = yield* Bundles.offline
      yield* Bundles.importInto(user, bundle)
      const observed = () => user.does(Effect.flatMap(Observations, (observations) => observations.of(name("a"))))
      assert.strictEqual((yield* observed()).size, 0)
      yield* user.does(Resolve.resolveByName(any("a")))
      assert.strictEqual((yield* observed()).size, 1)
    })
  )

  test(
    "leaves a newer record of the same package where it is",
    Effect.gen(function* () {
      const { bundle, key, publisher } = yield* given
      yield* Bundles.publish(publisher, key, { name: "a", version: "2.0.0" })
      const newer = yield* Bundles.write(publisher, yield* Bundles.bundleOf(publisher))
      const user = yield* Bundles.offline
      yield* Bundles.importInto(user, newer)
      yield* Bundles.importInto(user, bundle)
      assert.strictEqual((yield* user.does(Resolve.resolveByName(any("a")))).release.v, "2.0.0")
    })
  )

  test(
    "tells what is in it without a store",
    Effect.gen(function* () {
      const { bundle, key, publisher } = yield* given
      const contents = yield* Bundles.inspect(publisher, bundle)
      assert.deepStrictEqual(contents.wishes, ["a@^1.0.0"])
      assert.strictEqual(contents.length, bundle.length)
      assert.deepStrictEqual(
        contents.manifests.map((manifest) => manifest.dependencies),
        [undefined, { "@s/b": "^1.0.0" }, { "@s/b": "^1.0.0" }]
      )
      assert.isTrue(contents.releases.every((each) => Hex.encode(each.publisher) === Hex.encode(key.publicKey)))
    })
  )

  test(
    "has the pages of a list of versions that outgrew its record",
    Effect.gen(function* () {
      const publisher = yield* Bundles.online(Testing.network())
      const key = yield* publisher.does(Bundles.keyPair("publisher"))
      const versions = Array.from({ length: 12 }, (_, i) => ({ name: "many", version: `1.0.${i}+${LONG}`, bytes: 10 }))
      yield* Bundles.publish(publisher, key, ...versions)
      const material = yield* Bundles.bundleOf(publisher)
      assert.isAbove(material.pages.length, 0)
      const newest = `1.0.11+${LONG}`
      const isOther = ({ value }: Record.Record) =>
        Option.exists(Result.getSuccess(Release.decode(value)), ({ v }) => v !== newest)
      const bundle = yield* Bundles.write(publisher, {
        ...material,
        releases: material.releases.filter(({ release }) => release.v === newest),
        records: material.records.filter((record) => !isOther(record))
      })
      const user = yield* Bundles.offline
      yield* Bundles.importInto(user, bundle)
      const { release } = yield* user.does(Resolve.resolveByName({ name: name("many"), range: range("*") }))
      assert.strictEqual(release.v, newest)
      // It is on a page that the version is listed; that its release is not here is another matter.
      const missing = yield* Effect.flip(
        user.does(Resolve.resolveByName({ name: name("many"), range: range("<1.0.3") }))
      )
      assert.strictEqual(explain(missing)?._tag, "NotHeld")
      assert.include(explain(missing)?.message, "many@1.0.2")
    })
  )
})

describe("without a network", () => {
  const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.scoped(body))

  const failsWith = Effect.fnUntraced(function* <A, E, R>(work: Effect.Effect<A, E, R>, tag: string, about: string) {
    const error = explain(yield* Effect.flip(work))
    assert.strictEqual(error?._tag, tag, error?.message)
    assert.include(error?.message, about)
    return error!
  })

  test(
    "says what is missing: the name, the package of a publisher, a release, its content",
    Effect.gen(function* () {
      const { bundle, key } = yield* given
      const user = yield* Bundles.offline
      const unknown = yield* failsWith(user.does(Resolve.resolveByName(any("a"))), "NotHeld", 'Who publishes "a"')
      assert.strictEqual(unknown.exitCode, 3)
      assert.include(unknown.hint, "ls-cli bundle import")
      yield* failsWith(user.does(Resolve.publishersOf(name("a"))), "NotHeld", 'Who publishes "a"')
      const byKey = Resolve.resolveByName(any("a"), { publisher: key.publicKey })
      yield* failsWith(user.does(byKey), "NotHeld", '"a"')
      yield* failsWith(user.does(LockedRelease.find(key.publicKey, name("a"), version("1.0.0"))), "NotHeld", "a@1.0.0")
      yield* Bundles.importInto(user, bundle)
      const beyond = Resolve.resolveByName({ name: name("a"), range: range("^7.0.0") })
      yield* failsWith(user.does(beyond), "VersionNotFound", "^7.0.0")
      const found = yield* user.does(Resolve.resolveByName(any("a")))
      const other = yield* Bundles.offline
      const content = other.does(fetchRelease(found, { timeout: "1 second" }))
      yield* failsWith(content, "ContentNotHeld", "a-1.1.0")
    })
  )

  test(
    "writes nothing and serves nothing",
    Effect.gen(function* () {
      const { publisher } = yield* given
      const user = yield* Bundles.offline
      const [record] = yield* publisher.does(Effect.flatMap(RecordStore, (store) => store.all))
      const put = user.does(Effect.flatMap(Dht, (dht) => dht.put(record!)))
      yield* failsWith(put, "NetworkForbidden", "put a record")
      const [stored] = yield* publisher.does(Effect.flatMap(PackageStore, (store) => store.list))
      const content = yield* publisher.does(Effect.flatMap(PackageStore, (store) => store.open(stored!)))
      const seeding = user.does(Effect.flatMap(Swarm, (swarm) => swarm.seed(stored!.torrent, content)))
      yield* failsWith(seeding, "NetworkForbidden", "serve a package")
      const dht = Context.get(user.services, Dht)
      assert.deepStrictEqual(yield* dht.findPeers(stored!.torrent.infohash), [])
      assert.isTrue(Option.isNone(yield* dht.get(record!.publicKey, record!.salt)))
    })
  )
})
