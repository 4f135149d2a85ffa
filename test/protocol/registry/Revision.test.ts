/** What becomes of a publisher's record that two of its machines write at one moment. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { DhtError, StaleSeq } from "../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as Package from "../../../src/protocol/registry/Package.ts"
import * as PackageRecord from "../../../src/protocol/registry/PackageRecord.ts"
import * as Publish from "../../../src/protocol/registry/Publish.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"
import * as Users from "./Users.ts"

const NAME = "pkg"
const SALT = KeyString.saltOf(KeyString.packageOf(Fixtures.name(NAME)))

/** What the package's record looks like that a publisher with a network of its own makes of one release. */
const packageWith = Effect.fnUntraced(function* (version: string) {
  const network = DhtMemory.make()
  const alone = yield* Users.join(network)
  const pair = yield* Fixtures.keyPair("publisher").pipe(alone)
  yield* alone(Publish.publish(pair, Fixtures.release(NAME, version)))
  const item = [...network.items.values()].find(({ salt }) => Buffer.from(salt).equals(Buffer.from(SALT)))!
  return { pair, value: item.value }
})

/** Beside what the network gives for the package stands another record, on nodes that take nothing up to its number. */
const contested =
  (other: Record.Record, kind: "rivals" | "older") =>
  (dht: Dht["Service"]): Dht["Service"] => ({
    ...dht,
    lookup: (publicKey, salt) =>
      Effect.map(dht.lookup(publicKey, salt), (answer) =>
        Buffer.from(salt).equals(Buffer.from(SALT)) && Option.isSome(answer.value) && answer.value.value.seq < 9
          ? { ...answer, [kind]: [other] }
          : answer
      ),
    put: (record, options) =>
      Buffer.from(record.salt).equals(Buffer.from(SALT)) && record.seq <= 3
        ? Effect.fail(new DhtError({ reason: new StaleSeq({ target: "pkg", seq: record.seq }) }))
        : dht.put(record, options)
  })

const test = (kind: "rivals" | "older", title: string) =>
  it.live(title, () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { pair, value: theirs } = yield* packageWith("2.0.0")
        const { value: ours } = yield* packageWith("1.0.0")
        const record = (seq: number, value: Uint8Array) => Record.sign(pair, { salt: SALT, seq, value })
        const network = DhtMemory.make()
        const mine = record(3, ours)
        const machine = yield* Users.join(network, {
          dht: contested(record(kind === "rivals" ? 3 : 2, theirs), kind)
        })
        network.items.set(Buffer.from(Record.targetOf(pair.publicKey, SALT)).toString("hex"), mine)
        yield* machine(Publish.publish(pair, Fixtures.release(NAME, "1.0.0")))
        const stored = network.items.get(Buffer.from(Record.targetOf(pair.publicKey, SALT)).toString("hex"))!
        assert.isAbove(stored.seq, 3)
        const decoded = PackageRecord.decode(stored.value)
        assert.strictEqual(decoded._tag, "Success")
        if (decoded._tag !== "Success") return
        assert.isTrue(Package.lists(decoded.success, Fixtures.version("1.0.0")), "what this machine published")
        assert.isTrue(Package.lists(decoded.success, Fixtures.version("2.0.0")), "what the other machine published")
      })
    )
  )

const testThree = () =>
  it.live("joins what two others wrote under one number above the own record", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const made = yield* Effect.forEach(["1.0.0", "2.0.0", "3.0.0", "4.0.0"], packageWith)
        const pair = made[0]!.pair
        const record = (seq: number, at: number) => Record.sign(pair, { salt: SALT, seq, value: made[at]!.value })
        const network = DhtMemory.make()
        const machine = yield* Users.join(network, {
          dht: (dht) => contested(record(2, 2), "older")(contested(record(3, 1), "rivals")(dht))
        })
        yield* machine(Effect.flatMap(RecordStore, (store) => store.remember(record(2, 0))))
        network.items.set(Buffer.from(Record.targetOf(pair.publicKey, SALT)).toString("hex"), record(3, 3))
        // The first put is refused, as `contested` does up to number 3, and so is the next one.
        let refusals = 0
        yield* machine(
          Effect.flatMap(Dht, (dht) =>
            Effect.provideService(Publish.publish(pair, Fixtures.release(NAME, "1.0.0")), Dht, {
              ...dht,
              put: (each, options) =>
                Buffer.from(each.salt).equals(Buffer.from(SALT)) && refusals++ === 0
                  ? Effect.fail(new DhtError({ reason: new StaleSeq({ target: "pkg", seq: each.seq }) }))
                  : dht.put(each, options)
            })
          )
        )
        const stored = network.items.get(Buffer.from(Record.targetOf(pair.publicKey, SALT)).toString("hex"))!
        const decoded = PackageRecord.decode(stored.value)
        if (decoded._tag !== "Success") return assert.fail("it is no package")
        assert.deepStrictEqual(
          decoded.success.vs.map(([version]) => String(version)),
          ["4.0.0", "3.0.0", "2.0.0", "1.0.0"]
        )
      })
    )
  )

describe("Revision", () => {
  test("rivals", "goes above two records under one number, with what both say")
  testThree()
  test("older", "takes up what an earlier write of its own has buried")
})
