import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as OwnPackage from "../../../src/protocol/registry/OwnPackage.ts"
import * as Package from "../../../src/protocol/registry/Package.ts"
import * as RePut from "../../../src/protocol/registry/RePut.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"

const name = Fixtures.name("left-pad")

const packageOf = Effect.fnUntraced(function* (version: string, seq: number) {
  const pair = yield* Fixtures.keyPair("publisher")
  const { value } = yield* Package.add(undefined, Fixtures.release("left-pad", version), 1_000)
  return { pair, record: Record.sign(pair, { salt: KeyString.saltOf(KeyString.packageOf(name)), seq, value }) }
})

const test = (title: string, body: (network: DhtMemory.Network) => Effect.Effect<void, unknown, Fixtures.Host>) =>
  it.effect(title, () => {
    const network = DhtMemory.make()
    return Effect.provide(body(network), Fixtures.host(network))
  })

describe("OwnPackage", () => {
  test("gives back the newest record that this machine wrote, and nothing before that", () =>
    Effect.gen(function* () {
      const { pair, record } = yield* packageOf("2.0.0", 2)
      assert.isTrue(Option.isNone(yield* OwnPackage.recall(pair.publicKey, name)))
      yield* OwnPackage.keep(pair, name, record)
      yield* OwnPackage.keep(pair, name, (yield* packageOf("1.0.0", 1)).record)
      const kept = Option.getOrThrow(yield* OwnPackage.recall(pair.publicKey, name))
      assert.strictEqual(kept.record.seq, 2)
      assert.deepStrictEqual(kept.record.value, record.value)
      assert.strictEqual(kept.value.l.v, "2.0.0")
    }))

  test("is never put, whoever keeps records alive", (network) =>
    Effect.gen(function* () {
      const { pair, record } = yield* packageOf("1.0.0", 1)
      yield* OwnPackage.keep(pair, name, record)
      yield* Effect.flatMap(RecordStore, (store) => store.remember(record))
      yield* RePut.once
      const held = [...network.items.values()].map(({ salt }) => salt)
      assert.deepStrictEqual(held, [record.salt])
    }))
})
