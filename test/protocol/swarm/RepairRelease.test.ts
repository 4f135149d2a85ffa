/** Damage in the store: found piece by piece, and mended from whoever has the release whole. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { KeyName, Keystore } from "../../../src/protocol/core/Keystore.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import * as ContentInspection from "../../../src/protocol/swarm/ContentInspection.ts"
import { fetchRelease } from "../../../src/protocol/swarm/FetchRelease.ts"
import { PackageStore, type StoredRelease } from "../../../src/protocol/swarm/PackageStore.ts"
import { publishPackage } from "../../../src/protocol/swarm/PublishPackage.ts"
import * as RepairRelease from "../../../src/protocol/swarm/RepairRelease.ts"
import * as Testing from "../../../src/protocol/testing/index.ts"
import * as Fixtures from "../registry/Fixtures.ts"

const { name, range, version } = Fixtures

type Services = Layer.Success<ReturnType<typeof Testing.host>>

const join = (network: Testing.Network, host: string) =>
  Effect.map(
    Layer.build(Testing.host(network, { host })),
    (context) =>
      <A, E>(work: Effect.Effect<A, E, Services | Scope.Scope>) =>
        Effect.provideContext(work, context)
  )

const packed = {
  name: name("a"),
  version: version("1.0.0"),
  tarball: Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff),
  files: {},
  metadata: {}
}

/** A publisher that seeds, and a user who has installed. */
const setUp = Effect.gen(function* () {
  const network = Testing.network()
  const publisher = yield* join(network, "10.0.0.1")
  const user = yield* join(network, "10.0.0.2")
  const key = yield* publisher(Effect.flatMap(Keystore, (keystore) => keystore.create(KeyName.make("main"))))
  yield* publisher(publishPackage(key, packed))
  const resolution = yield* user(Resolve.resolveByName({ name: name("a"), range: range("*") }))
  const stored: StoredRelease = yield* user(fetchRelease(resolution, { timeout: "3 seconds" }))
  return { network, user, stored }
})

const inspect = (stored: StoredRelease) =>
  Effect.scoped(
    Effect.flatMap(PackageStore, (store) =>
      Effect.flatMap(store.open(stored), (content) => ContentInspection.inspect(content, stored))
    )
  )

const damage = (stored: StoredRelease, at: number) =>
  Effect.scoped(
    Effect.flatMap(PackageStore, (store) =>
      Effect.flatMap(store.open(stored), (content) => content.write(at, Uint8Array.of(1, 2, 3, 4)))
    )
  )

const repair = (stored: StoredRelease) => RepairRelease.repair(stored, { timeout: "3 seconds" })

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(title, () => Effect.scoped(body))

describe("ContentInspection", () => {
  test(
    "finds nothing in what is as it was signed, and reads its manifest",
    Effect.gen(function* () {
      const { stored, user } = yield* setUp
      const inspection = yield* user(inspect(stored))
      assert.deepStrictEqual(inspection.damagedPieces, [])
      assert.isTrue(ContentInspection.isSound(inspection))
      assert.strictEqual(inspection.manifest?.tarball.sha256, Hex.encode(stored.release.h))
    })
  )

  test(
    "names each damaged piece, whichever file it lies in",
    Effect.gen(function* () {
      const { stored, user } = yield* setUp
      const { pieceLength } = stored.torrent
      yield* user(damage(stored, 3))
      const first = yield* user(inspect(stored))
      assert.deepStrictEqual([first.damagedPieces, first.manifest], [[0], undefined])
      yield* user(damage(stored, 2 * pieceLength + 7))
      yield* user(damage(stored, stored.torrent.totalLength - 5))
      const { damagedPieces, problem } = yield* user(inspect(stored))
      assert.deepStrictEqual(damagedPieces, [0, 2, Math.ceil(stored.torrent.totalLength / pieceLength) - 1])
      assert.include(problem, "3 of ")
    })
  )

  test(
    "finds a release whose record says something else than its bytes",
    Effect.gen(function* () {
      const { stored, user } = yield* setUp
      const other = { ...stored, release: { ...stored.release, h: new Uint8Array(32) } }
      const { damagedPieces, problem } = yield* user(inspect(other))
      assert.deepStrictEqual(damagedPieces, [])
      assert.isDefined(problem)
    })
  )
})

describe("RepairRelease", () => {
  test(
    "fetches what is damaged, and nothing when it is sound again",
    Effect.gen(function* () {
      const { stored, user } = yield* setUp
      yield* user(damage(stored, 40_000))
      assert.strictEqual(yield* user(repair(stored)), "repaired")
      assert.isTrue(ContentInspection.isSound(yield* user(inspect(stored))))
      assert.strictEqual(yield* user(repair(stored)), "sound")
    })
  )

  test(
    "leaves everything as it is where nobody has the release",
    Effect.gen(function* () {
      const { network, stored, user } = yield* setUp
      network.swarm.offers.clear()
      yield* user(damage(stored, 40_000))
      const error = yield* user(Effect.flip(RepairRelease.repair(stored, { timeout: "50 millis" })))
      assert.strictEqual(error._tag, "SwarmError")
      assert.deepStrictEqual((yield* user(inspect(stored))).damagedPieces, [
        Math.floor(40_000 / stored.torrent.pieceLength)
      ])
    })
  )

  test(
    "does not bring back what was removed",
    Effect.gen(function* () {
      const { stored, user } = yield* setUp
      yield* user(Effect.flatMap(PackageStore, (store) => store.remove(stored)))
      assert.strictEqual(yield* user(repair(stored)), "gone")
      const found = yield* user(
        Effect.flatMap(PackageStore, (store) => store.find(stored.publisher, stored.release.n, stored.release.v))
      )
      assert.isTrue(Option.isNone(found))
    })
  )

  test(
    "is done once by two at a time",
    Effect.gen(function* () {
      const { stored, user } = yield* setUp
      yield* user(damage(stored, 40_000))
      const outcomes = yield* user(Effect.all([repair(stored), repair(stored)], { concurrency: 2 }))
      assert.deepStrictEqual(outcomes.toSorted(), ["repaired", "sound"])
    })
  )
})
