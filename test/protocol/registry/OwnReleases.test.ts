/** Versions that were published here and are missing from the package's list come back with the next publication. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as Package from "../../../src/protocol/registry/Package.ts"
import * as PackageLookup from "../../../src/protocol/registry/PackageLookup.ts"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import * as Retract from "../../../src/protocol/registry/Retract.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"
import * as Users from "./Users.ts"

const NAME = Fixtures.name("pkg")
const SALT = KeyString.saltOf(KeyString.packageOf(NAME))

const release = (version: string) => Fixtures.release("pkg", version)

/** What a machine with the same key, which has heard nothing of the other, writes for these versions under a high number. */
const writtenApart = Effect.fnUntraced(function* (versions: ReadonlyArray<string>) {
  const network = DhtMemory.make()
  const apart = yield* Users.join(network)
  const pair = yield* Fixtures.keyPair("publisher").pipe(apart)
  for (const version of versions) yield* apart(Publish.publish(pair, release(version)))
  const { value } = [...network.items.values()].find(({ salt }) => Buffer.from(salt).equals(Buffer.from(SALT)))!
  return Record.sign(pair, { salt: SALT, seq: 9, value })
})

const set = (network: DhtMemory.Network, record: Record.Record) =>
  network.items.set(Buffer.from(Record.targetOf(record.publicKey, record.salt)).toString("hex"), record)

describe("OwnReleases", () => {
  it.live("lists again what another machine's record has buried", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const network = DhtMemory.make()
        const machine = yield* Users.join(network)
        const pair = yield* Fixtures.keyPair("publisher").pipe(machine)
        yield* machine(Publish.publish(pair, release("1.0.0")))
        yield* machine(Publish.publish(pair, release("1.1.0")))
        yield* machine(Retract.yank(pair, NAME, Fixtures.version("1.1.0")))
        const buried = yield* writtenApart(["2.0.0", "1.1.0"])
        set(network, buried)
        // Whoever keeps records alive here takes the newer one.
        yield* machine(Effect.flatMap(RecordStore, (store) => store.remember(buried)))
        yield* machine(Publish.publish(pair, release("1.2.0")))
        const user = yield* Users.join(network)
        const { found } = yield* user(PackageLookup.look(pair.publicKey, NAME))
        assert.sameMembers(
          found!.value.vs.map(([version]) => String(version)),
          ["2.0.0", "1.2.0", "1.1.0", "1.0.0"]
        )
        assert.strictEqual(found!.value.l.v, Fixtures.version("2.0.0"))
        const flags = new Map(found!.value.vs).get(Fixtures.version("1.1.0"))
        assert.strictEqual(flags, Package.Flag.yanked, "and what was yanked here stays so")
      })
    )
  )

  it.live("lists everything anew where nobody has the package any more", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const network = DhtMemory.make()
        const machine = yield* Users.join(network)
        const pair = yield* Fixtures.keyPair("publisher").pipe(machine)
        yield* machine(Publish.publish(pair, release("1.0.0")))
        const releases = (yield* machine(Effect.flatMap(RecordStore, (store) => store.all))).filter(
          ({ salt }) => !Buffer.from(salt).equals(Buffer.from(SALT))
        )
        const restored = yield* Users.join(DhtMemory.make())
        yield* restored(
          Effect.flatMap(RecordStore, (store) => Effect.forEach(releases, store.remember, { discard: true }))
        )
        const { records } = yield* restored(Publish.publish(pair, release("2.0.0")))
        const { found } = yield* restored(PackageLookup.look(pair.publicKey, NAME))
        assert.strictEqual(records[1]!.seq, found!.record.seq)
        assert.isTrue(Package.lists(found!.value, Fixtures.version("1.0.0")))
      })
    )
  )

  it.live("does not take up what another key, or another package, has released", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const network = DhtMemory.make()
        const machine = yield* Users.join(network)
        const pair = yield* Fixtures.keyPair("publisher").pipe(machine)
        const other = yield* Fixtures.keyPair("other").pipe(machine)
        yield* machine(Publish.publish(other, release("5.0.0")))
        yield* machine(Publish.publish(pair, Fixtures.release("else", "6.0.0")))
        yield* machine(Publish.publish(pair, release("1.0.0")))
        const { found } = yield* machine(PackageLookup.look(pair.publicKey, NAME))
        assert.deepStrictEqual(
          found!.value.vs.map(([version]) => String(version)),
          ["1.0.0"]
        )
      })
    )
  )
})
