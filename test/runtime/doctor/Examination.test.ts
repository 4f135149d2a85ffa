import { assert, describe, it } from "@effect/vitest"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeEd25519 from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as Testnet from "../../../src/runtime/dht/Testnet.ts"
import * as Diagnosis from "../../../src/runtime/doctor/Diagnosis.ts"
import * as Examination from "../../../src/runtime/doctor/Examination.ts"

const platform = Layer.mergeAll(NodeEd25519.layer, NodeCrypto.layerSecureRandom)

const OPTIONS = {
  host: Testnet.HOST,
  port: 0,
  writes: true,
  timeServer: undefined,
  daemon: undefined,
  home: { exists: false },
  interfaces: () => []
} as const

const verdicts = (findings: ReadonlyArray<Diagnosis.Finding>) =>
  Object.fromEntries(findings.map(({ check, verdict }) => [check, verdict]))

describe("Examination", () => {
  it.live("measures a network that works", () =>
    Effect.gen(function* () {
      const { bootstrap } = yield* Testnet.make(12)
      const measured = yield* Examination.examine({ ...OPTIONS, bootstrap })
      assert.deepStrictEqual(verdicts(Diagnosis.diagnose(measured)), {
        udp: "good",
        replies: "good",
        nodes: "good",
        address: "good",
        nat: "good",
        inbound: "good",
        clock: "unknown",
        put: "good",
        get: "good",
        daemon: "good",
        home: "good"
      })
      assert.strictEqual(measured.external?.host, Testnet.HOST)
      assert.strictEqual(measured.external?.port, measured.bound.port)
      assert.isAtMost(measured.answers, measured.queries)
      assert.isTrue(measured.cameBack)
      assert.deepStrictEqual(measured.clock, { problem: "No time server was asked" })
      const { get, put } = measured
      assert(put._tag === "Done" && get._tag === "Found")
      assert.strictEqual(get.holders, put.nodes)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("puts nothing where it is told not to", () =>
    Effect.gen(function* () {
      const { bootstrap } = yield* Testnet.make(6)
      const measured = yield* Examination.examine({ ...OPTIONS, bootstrap, writes: false })
      assert.strictEqual(measured.put._tag, "NotTried")
      assert.strictEqual(measured.get._tag, "Nothing")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("says that what was put is not found again where nodes take it and do not give it out", () =>
    Effect.gen(function* () {
      const { bootstrap, nodes } = yield* Testnet.make(6)
      for (const { items } of nodes) Object.defineProperty(items, "get", { value: () => undefined })
      const measured = yield* Examination.examine({ ...OPTIONS, bootstrap })
      assert.strictEqual(measured.put._tag, "Done")
      assert.strictEqual(measured.get._tag, "Lost")
      assert.strictEqual(verdicts(Diagnosis.diagnose(measured))["get"], "bad")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("bound to every interface, it knows an outer address of this machine for what it is", () =>
    Effect.gen(function* () {
      const { bootstrap } = yield* Testnet.make(6)
      const options = { ...OPTIONS, host: "0.0.0.0", bootstrap, writes: false }
      assert.isTrue((yield* Examination.examine({ ...options, interfaces: () => [Testnet.HOST] })).isDirect)
      assert.isFalse((yield* Examination.examine(options)).isDirect)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("says that nobody answers where that is so", () =>
    Effect.gen(function* () {
      const measured = yield* Examination.examine({ ...OPTIONS, bootstrap: ["127.0.0.1:1"] })
      assert.strictEqual(measured.answers, 0)
      const found = verdicts(Diagnosis.diagnose(measured))
      assert.strictEqual(found["udp"], "bad")
      assert.strictEqual(found["get"], "bad")
      assert.strictEqual(found["nodes"], "bad")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})
