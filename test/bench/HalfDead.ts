/** Get while half of the nodes are gone without a word: by a client that knew them, by one that joins then, and by bare bittorrent-dht. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as KeyPair from "../../src/protocol/core/KeyPair.ts"
import { Dht } from "../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../src/protocol/dht/KeyString.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import { layer as nodeEd25519 } from "../../src/runtime/crypto/NodeEd25519.ts"
import * as MainlineDht from "../../src/runtime/dht/MainlineDht.ts"
import * as BareClient from "./BareClient.ts"
import { median, round, time } from "./Measure.ts"
import * as TestnetProcess from "./TestnetProcess.ts"

const NODES = 50
const GETS = 40

const join = (bootstrap: ReadonlyArray<string>) =>
  Effect.map(
    Layer.build(Layer.fresh(MainlineDht.layer({ host: "127.0.0.1", port: 0, bootstrap, readOnly: true }))),
    (context) => Context.get(context, Dht)
  )

/** In ms. */
const told = (taken: ReadonlyArray<number>) => ({
  p50: round(median(taken), 1),
  p95: round(taken.toSorted((a, b) => a - b)[Math.floor(taken.length * 0.95)] ?? 0, 1)
})

export const halfDead = () =>
  Effect.gen(function* () {
    const { bootstrap, halve } = yield* TestnetProcess.make(NODES)
    const pair = yield* KeyPair.fromSeed(new Uint8Array(32).fill(7))
    const records = Array.from({ length: GETS }, (_, i) =>
      Record.sign(pair, { salt: KeyString.saltOf(`half ${i}`), seq: 1, value: new Uint8Array(400).fill(i) })
    )
    const warm = yield* join(bootstrap)
    yield* Effect.forEach(records, (record) => warm.put(record))
    const bare = yield* BareClient.make(bootstrap)
    yield* halve
    const fresh = yield* join(bootstrap)

    const gets = (get: (record: Record.Record) => Promise<unknown>) =>
      Effect.promise(async () => {
        const taken: Array<number> = []
        for (const record of records) taken.push(await time(() => get(record)))
        return told(taken)
      })
    const by = (dht: Dht["Service"]) =>
      gets(async (record) => {
        const found = await Effect.runPromise(dht.get(pair.publicKey, record.salt))
        if (found._tag === "None") throw new Error("The record is not found")
      })
    return {
      fresh: yield* by(fresh),
      warm: yield* by(warm),
      bare: yield* gets((record) => BareClient.get(bare, record))
    }
  }).pipe(Effect.scoped, Effect.provide(nodeEd25519), Effect.runPromise)
