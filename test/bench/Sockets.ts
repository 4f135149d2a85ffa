/** Put and get over UDP beside bare bittorrent-dht: two clients of one testnet that runs in a process of its own. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { sha1 } from "../../src/protocol/core/Digest.ts"
import { Infohash } from "../../src/protocol/core/Infohash.ts"
import * as KeyPair from "../../src/protocol/core/KeyPair.ts"
import { Dht } from "../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../src/protocol/dht/KeyString.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import { layer as nodeEd25519 } from "../../src/runtime/crypto/NodeEd25519.ts"
import * as MainlineDht from "../../src/runtime/dht/MainlineDht.ts"
import * as BareClient from "./BareClient.ts"
import { compare } from "./Measure.ts"
import * as TestnetProcess from "./TestnetProcess.ts"

const NODES = 30

export const sockets = () =>
  Effect.gen(function* () {
    const { bootstrap: nodes } = yield* TestnetProcess.make(NODES)
    const ours = Context.get(
      yield* Layer.build(MainlineDht.layer({ host: "127.0.0.1", port: 0, bootstrap: nodes, readOnly: true })),
      Dht
    )
    const bare = yield* BareClient.make(nodes)
    yield* ours.findPeers(Infohash.make(sha1(new Uint8Array([1]))))

    const pair = yield* KeyPair.fromSeed(new Uint8Array(32).fill(6))
    const records = (label: string) => (i: number) =>
      Record.sign(pair, { salt: KeyString.saltOf(`${label} ${i}`), seq: 1, value: new Uint8Array(400).fill(i & 0xff) })
    const [ourRecord, bareRecord] = [records("ours"), records("bare")]
    const options = { rounds: 25, repeat: 4 }
    const put = yield* Effect.promise(() =>
      compare(
        (i) => Effect.runPromise(ours.put(ourRecord(i))),
        (i) => BareClient.put(bare, bareRecord(i)),
        options
      )
    )
    const get = yield* Effect.promise(() =>
      compare(
        (i) => Effect.runPromise(ours.get(pair.publicKey, ourRecord(i).salt)),
        (i) => BareClient.get(bare, bareRecord(i)),
        options
      )
    )
    return { nodes: NODES, put, get }
  }).pipe(Effect.scoped, Effect.provide(nodeEd25519), Effect.runPromise)
