/** Put and get over UDP beside bare bittorrent-dht: two clients of one testnet that runs in a process of its own. */
import * as Crypto from "node:crypto"
import Client from "bittorrent-dht"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { sha256 } from "../../src/protocol/core/Digest.ts"
import * as KeyPair from "../../src/protocol/core/KeyPair.ts"
import { Dht } from "../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../src/protocol/dht/KeyString.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import { layer as nodeEd25519 } from "../../src/runtime/crypto/NodeEd25519.ts"
import * as MainlineDht from "../../src/runtime/dht/MainlineDht.ts"
import * as LsCli from "../e2e/Commands.ts"
import { compare } from "./Measure.ts"

const NODES = 30
const KEY_PREFIX = Buffer.from("302a300506032b6570032100", "hex")

const bareVerify = (signature: Buffer, message: Uint8Array, publicKey: Buffer): boolean =>
  Crypto.verify(
    null,
    message,
    Crypto.createPublicKey({ key: Buffer.concat([KEY_PREFIX, publicKey]), format: "der", type: "spki" }),
    signature
  )

export const sockets = () =>
  Effect.gen(function* () {
    const testnet = yield* Effect.acquireRelease(
      Effect.sync(() => LsCli.start(["testnet", "--nodes", String(NODES), "--json"])),
      (each) => Effect.promise(() => each.stop("SIGTERM"))
    )
    const { bootstrap } = yield* Effect.promise(() => testnet.document())
    const nodes = [String(bootstrap)]
    const ours = Context.get(
      yield* Layer.build(MainlineDht.layer({ host: "127.0.0.1", port: 0, bootstrap: nodes, readOnly: true })),
      Dht
    )
    const bare = yield* Effect.acquireRelease(
      Effect.callback<Client>((resume) => {
        const client = new Client({ bootstrap: nodes, verify: bareVerify })
        client.listen(0, "127.0.0.1")
        client.once("ready", () => resume(Effect.succeed(client)))
      }),
      (client) => Effect.callback<void>((resume) => client.destroy(() => resume(Effect.void)))
    )
    yield* ours.findPeers(sha256(new Uint8Array([1])).slice(0, 20) as never)

    const pair = yield* KeyPair.fromSeed(new Uint8Array(32).fill(6))
    const records = (label: string) => (i: number) =>
      Record.sign(pair, { salt: KeyString.saltOf(`${label} ${i}`), seq: 1, value: new Uint8Array(400).fill(i & 0xff) })
    const [ourRecord, bareRecord] = [records("ours"), records("bare")]
    const barePut = (record: Record.Record) =>
      new Promise<void>((resolve, reject) => {
        const [k, salt, sig, v] = [record.publicKey, record.salt, record.signature, record.value].map((bytes) =>
          Buffer.from(bytes)
        )
        bare.put({ k: k!, salt: salt!, sig: sig!, v: v!, seq: record.seq }, (error) =>
          error ? reject(error) : resolve()
        )
      })
    const bareGet = (record: Record.Record) =>
      new Promise<void>((resolve, reject) => {
        const target = Record.targetOf(record.publicKey, record.salt)
        bare.get(target, { salt: record.salt, cache: false }, (error, item) =>
          error || item === null ? reject(error ?? new Error("nothing there")) : resolve()
        )
      })
    const options = { rounds: 25, repeat: 4 }
    const put = yield* Effect.promise(() =>
      compare(
        (i) => Effect.runPromise(ours.put(ourRecord(i))),
        (i) => barePut(bareRecord(i)),
        options
      )
    )
    const get = yield* Effect.promise(() =>
      compare(
        (i) => Effect.runPromise(ours.get(pair.publicKey, ourRecord(i).salt)),
        (i) => bareGet(bareRecord(i)),
        options
      )
    )
    return { nodes: NODES, put, get }
  }).pipe(Effect.scoped, Effect.provide(nodeEd25519), Effect.runPromise)
