/** The laws of every simulation find what they are there to find. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as KeyPair from "../../../../src/protocol/core/KeyPair.ts"
import { sha256 } from "../../../../src/protocol/core/Digest.ts"
import { Ed25519 } from "../../../../src/protocol/core/Ed25519.ts"
import { PackageName } from "../../../../src/protocol/core/PackageName.ts"
import * as KeyString from "../../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../../src/protocol/dht/RecordStore.ts"
import { PackageStore, type StoredRelease } from "../../../../src/protocol/swarm/PackageStore.ts"
import { TrustBook } from "../../../../src/protocol/trust/TrustBook.ts"
import * as Actors from "../../../../src/protocol/testing/scenarios/Actors.ts"
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
        const empty = Disk.make(ed25519)
        yield* Context.get(empty, RecordStore).remember(signed(1))
        user.host.disk = Context.merge(user.host.disk, Context.make(RecordStore, Context.get(empty, RecordStore)))
      })
    )
    assert.match(String(finding), /^law: no accepted sequence number goes back: uma: .* from seq 2 to 1$/)
  })

  it("find bytes that were not signed", () => {
    const finding = findingAfter((_world, _publisher, user) =>
      Effect.flatMap(other, ({ publicKey }) =>
        // Under the same publisher it is known already; under another key it is looked at anew.
        restore(user, { publisher: publicKey }, true)
      )
    )
    assert.include(finding, "pkg@1.0.0 has a tarball that was not signed")
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

  it("let strangers publish what they like under their own keys", () => {
    const finding = findingAfter((_world, _publisher, user) =>
      Effect.flatMap(other, ({ publicKey }) => restore(user, { publisher: publicKey }, false))
    )
    assert.isUndefined(finding)
  })
})
