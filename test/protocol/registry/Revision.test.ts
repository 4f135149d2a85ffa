/** What becomes of a publisher's record that two of its machines write at one moment. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Dht } from "../../../src/protocol/dht/Dht.ts"
import { DhtError, StaleSeq } from "../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
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

describe("Revision", () => {
  test("rivals", "goes above two records under one number, with what both say")
  test("older", "takes up what an earlier write of its own has buried")
})
