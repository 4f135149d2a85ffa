/** The laws of every simulation find what they are there to find. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as KeyPair from "../../../../src/protocol/core/KeyPair.ts"
import { sha256 } from "../../../../src/protocol/core/Digest.ts"
import { Ed25519 } from "../../../../src/protocol/core/Ed25519.ts"
import { PackageName } from "../../../../src/protocol/core/PackageName.ts"
import * as KeyString from "../../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../../src/protocol/dht/RecordStore.ts"
import { PackageStore, type StoredRelease } from "../../../../src/protocol/swarm/PackageStore.ts"
import { TrustBook } from "../../../../src/protocol/trust/TrustBook.ts"
import * as PublicKey from "../../../../src/protocol/core/PublicKey.ts"
import * as Evidence from "../../../../src/protocol/registry/Evidence.ts"
import * as Release from "../../../../src/protocol/registry/Release.ts"
import type { Resolution } from "../../../../src/protocol/registry/Resolve.ts"
import * as Actors from "../../../../src/protocol/testing/scenarios/Actors.ts"
import * as Laws from "../../../../src/protocol/testing/simulation/Laws.ts"
import * as Disk from "../../../../src/protocol/testing/simulation/Disk.ts"
import { MINUTE, type Scenario } from "../../../../src/protocol/testing/simulation/Scenario.ts"
import * as Simulation from "../../../../src/protocol/testing/simulation/Simulation.ts"
import type { World } from "../../../../src/protocol/testing/simulation/World.ts"
import { service as ed25519 } from "./Crypto.ts"

/** A user has installed a package of a publisher; then something is done behind the library's back, and the user does a write. */
const findingAfter = (
  tamper: (world: World, publisher: Actors.Person, user: Actors.Person) => Effect.Effect<unknown, unknown>
) => {
  const scenario: Scenario = {
    name: "laws",
    about: "",
    play: Effect.fnUntraced(function* (world) {
      const [publisher, user] = yield* Actors.people(world, ["alice", "uma"])
      yield* publisher!.publish({ name: "pkg", version: "1.0.0" })
      yield* user!.install("pkg")
      const touch = user!.host.run(Effect.flatMap(TrustBook, (book) => book.update((same) => [undefined, same])))
      return {
        laws: [Laws.nothingOlderIsGiven(world.given)],
        steps: [
          { atMs: MINUTE, title: "tampering", run: tamper(world, publisher!, user!) },
          { atMs: 2 * MINUTE, title: "a write", run: touch }
        ]
      }
    })
  }
  const { finding } = Effect.runSync(Simulation.run({ seed: 1, scenario, nodes: 8, ed25519 }))
  return finding === undefined ? undefined : `${finding.kind}: ${finding.text}`
}

const other = KeyPair.fromSeed(sha256(new Uint8Array(1))).pipe(Effect.provideService(Ed25519, ed25519))

const repin = (user: Actors.Person) =>
  Effect.flatMap(other, ({ publicKey }) =>
    Context.get(user.host.disk, TrustBook).update((book) => [
      undefined,
      { ...book, pins: new Map([[PackageName.make("pkg"), { publisher: publicKey, since: 0 }]]) }
    ])
  )

/** The user's records, or none of them, as they would be on another disk. */
const exchange = (user: Actors.Person, records: ReadonlyArray<Record.Record>) =>
  Effect.gen(function* () {
    const store = Context.get(Disk.make(ed25519), RecordStore)
    for (const record of records) yield* store.remember(record)
    user.host.disk = Context.merge(user.host.disk, Context.make(RecordStore, store))
  })

/** A resolution whose every record has a number that is higher by so much. */
const numbered = (resolution: Resolution, by: number): Resolution => {
  const { lookups, looks, warnings } = resolution.evidence
  const shift = (look: Evidence.Look) => ({ ...look, seq: look.seq === undefined ? undefined : look.seq + by })
  const shifted = looks.map(shift)
  const considered = { publishers: Evidence.nothing, versions: Evidence.nothing }
  return { ...resolution, evidence: new Evidence.Evidence({ lookups, looks: shifted, warnings, considered }) }
}

/** The user's stored release with some of its bytes, or of its fields, changed. */
const restore = (user: Actors.Person, change: Partial<StoredRelease>, spoil: boolean) =>
  Effect.scoped(
    Effect.gen(function* () {
      const store = Context.get(user.host.disk, PackageStore)
      const [stored] = yield* store.list
      const whole = yield* Effect.flatMap(store.open(stored!), ({ read }) => read(0, stored!.torrent.totalLength))
      if (spoil) whole[whole.length - 1]! ^= 1
      yield* Effect.flatMap(store.stage(stored!.torrent), ({ write }) => write(0, whole))
      yield* store.commit({ ...stored!, ...change })
    })
  )

describe("the laws of every simulation", () => {
  it("have nothing against an ordinary day", () => {
    assert.isUndefined(findingAfter(() => Effect.void))
  })

  it("find a pin that means somebody else, unless the user said so", () => {
    const finding = findingAfter((_world, _publisher, user) => repin(user))
    assert.match(String(finding), /^law: a pin never changes silently: uma: pkg was pinned to .*, and now is to/)
    const said = findingAfter((world, _publisher, user) => {
      world.repins("uma", "pkg")
      return repin(user)
    })
    assert.isUndefined(said)
  })

  it("find a pin that is gone", () => {
    const unpin = (_world: World, _publisher: Actors.Person, user: Actors.Person) =>
      Context.get(user.host.disk, TrustBook).update((book) => [undefined, { ...book, pins: new Map() }])
    assert.strictEqual(findingAfter(unpin), "law: a pin never changes silently: uma: the pin of pkg is gone")
  })

  it("find a record that went back", () => {
    const finding = findingAfter((_world, publisher, user) =>
      Effect.gen(function* () {
        const salt = KeyString.saltOf("test")
        const signed = (seq: number) => Record.sign(publisher.keyPair, { salt, seq, value: new Uint8Array(1) })
        yield* Context.get(user.host.disk, RecordStore).remember(signed(2))
        // Seen once, at the next write of this host, before the disk is exchanged behind everybody's back.
        yield* user.host.run(Effect.flatMap(TrustBook, (book) => book.update((same) => [undefined, same])))
        yield* exchange(user, [signed(1)])
      })
    )
    assert.match(String(finding), /^law: no accepted sequence number goes back: uma: .* from seq 2 to 1$/)
  })

  it("find a record that is gone", () => {
    const finding = findingAfter((_world, _publisher, user) => exchange(user, []))
    assert.match(String(finding), /^law: no accepted sequence number goes back: uma: the record of .* is gone$/)
  })

  it("find somebody who is given something older than before, unless the disk was lost", () => {
    const given = (world: World, user: Actors.Person, resolution: Resolution) =>
      world.given.watched(user.host, Effect.succeed(resolution))
    const older = (isLost: boolean) => (world: World, _publisher: Actors.Person, user: Actors.Person) =>
      Effect.gen(function* () {
        const resolution = yield* user.resolve("pkg")
        yield* given(world, user, numbered(resolution, 5))
        if (isLost) {
          user.host.crash({ keepDisk: false })
          user.host.start()
        }
        yield* given(world, user, numbered(resolution, 4))
      })
    const title = "law: nobody who keeps the disk is given something older than before"
    assert.match(
      String(findingAfter(older(false))),
      new RegExp(`^${title}: uma: it was given number \\d+ of libreseed:package:pkg of .*, after number \\d+$`)
    )
    assert.isUndefined(findingAfter(older(true)))
  })

  it("have nothing against an answer that was on its way when a newer one came", () => {
    const finding = findingAfter((world, _publisher, user) =>
      Effect.gen(function* () {
        const resolution = yield* user.resolve("pkg")
        const slow = world.given.watched(user.host, Effect.delay(Effect.succeed(resolution), "1 second"))
        const quick = world.given.watched(user.host, Effect.succeed(numbered(resolution, 1)))
        yield* Effect.all([slow, quick], { concurrency: "unbounded" })
      })
    )
    assert.isUndefined(finding)
  })

  it("find bytes that were not signed, also in place of some that were", () => {
    const spoilt = "pkg@1.0.0 has a tarball that was not signed"
    assert.include(
      findingAfter((_world, _publisher, user) => restore(user, {}, true)),
      spoilt
    )
    const inPlace = findingAfter((_world, _publisher, user) =>
      Effect.scoped(
        Effect.gen(function* () {
          const store = Context.get(user.host.disk, PackageStore)
          const [stored] = yield* store.list
          const { write } = yield* store.open(stored!)
          yield* write(stored!.torrent.totalLength - 4, new Uint8Array(4))
        })
      )
    )
    assert.include(inPlace, spoilt)
  })

  it("find a release with another manifest, or of another torrent, than the publisher signed", () => {
    for (const field of ["m", "ih"] as const) {
      const finding = findingAfter((_world, _publisher, user) =>
        Effect.gen(function* () {
          const [stored] = yield* Context.get(user.host.disk, PackageStore).list
          const changed = stored!.release[field].map((byte) => byte ^ 1)
          yield* restore(
            user,
            {
              release: Release.decode(Release.encode({ ...stored!.release, [field]: changed })).pipe(Result.getOrThrow)
            },
            false
          )
        })
      )
      assert.include(finding, "pkg@1.0.0 was never signed by its publisher")
    }
  })

  it("find a release that an honest publisher never signed", () => {
    const finding = findingAfter((world, _publisher, user) =>
      Effect.flatMap(other, ({ publicKey }) => {
        world.truth.knows(publicKey)
        return restore(user, { publisher: publicKey }, false)
      })
    )
    assert.include(finding, "pkg@1.0.0 was never signed by its publisher")
  })

  it("let strangers publish what they like under their own keys, and find what they never signed", () => {
    const strange = (isSigned: boolean) => (_world: World, _publisher: Actors.Person, user: Actors.Person) =>
      Effect.gen(function* () {
        const pair = yield* other
        const [stored] = yield* Context.get(user.host.disk, PackageStore).list
        const { release } = stored!
        const salt = KeyString.saltOf(KeyString.release(release.n, release.v))
        const record = Record.sign(pair, { salt, seq: Release.RELEASE_SEQ, value: Release.encode(release) })
        if (isSigned) yield* Context.get(user.host.disk, RecordStore).remember(record)
        yield* restore(user, { publisher: pair.publicKey }, false)
      })
    assert.isUndefined(findingAfter(strange(true)))
    assert.include(findingAfter(strange(false)), "pkg@1.0.0 was never signed by its publisher")
  })

  it("allow a pin to change once for each time that the user says so, and to whom", () => {
    const taken: Array<boolean> = []
    findingAfter((world, publisher) =>
      Effect.map(other, ({ publicKey }) => {
        const take = (to: PublicKey.PublicKey | undefined) =>
          taken.push(world.takeRepin("uma", "x", to === undefined ? undefined : PublicKey.toHex(to)))
        world.repins("uma", "x")
        take(publicKey)
        take(publicKey)
        world.repins("uma", "x", publicKey)
        take(publisher.publicKey)
        take(undefined)
        take(publicKey)
        take(publicKey)
      })
    )
    assert.deepStrictEqual(taken, [true, false, false, false, true, false])
  })
})
