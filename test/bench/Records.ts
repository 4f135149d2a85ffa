/** What the signed envelope costs beside the bare signature, and what resolving costs beside the signatures that it must check. */
import * as Crypto from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Ed25519 } from "../../src/protocol/core/Ed25519.ts"
import * as KeyPair from "../../src/protocol/core/KeyPair.ts"
import * as KeyString from "../../src/protocol/dht/KeyString.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import * as Publish from "../../src/protocol/registry/Publish.ts"
import * as Resolve from "../../src/protocol/registry/Resolve.ts"
import * as DhtMemory from "../../src/protocol/testing/DhtMemory.ts"
import { layer as nodeEd25519 } from "../../src/runtime/crypto/NodeEd25519.ts"
import * as Fixtures from "../protocol/registry/Fixtures.ts"
import { compare } from "./Measure.ts"

const SEED_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex")
const KEY_PREFIX = Buffer.from("302a300506032b6570032100", "hex")
const value = new Uint8Array(400).fill(7)

const ed25519 = await Effect.runPromise(Effect.scoped(Layer.build(nodeEd25519)))
const run = <A, E>(effect: Effect.Effect<A, E, Ed25519>) => Effect.runSync(Effect.provideContext(effect, ed25519))

const seed = new Uint8Array(32).fill(5)
const pair = run(KeyPair.fromSeed(seed))
const salt = KeyString.saltOf("libreseed:package:bench")

export const records = async () => {
  const record = Record.sign(pair, { salt, seq: 1, value })
  const message = Record.signedBytes(salt, 1, value)
  const der = Buffer.concat([SEED_PREFIX, seed])
  const publicKey = Crypto.createPublicKey({
    key: Buffer.concat([KEY_PREFIX, pair.publicKey]),
    format: "der",
    type: "spki"
  })
  // As little as a program that holds only the raw seed can do.
  const bareSign = () => Crypto.sign(null, message, Crypto.createPrivateKey({ key: der, format: "der", type: "pkcs8" }))
  return {
    sign: await compare(() => Record.sign(pair, { salt, seq: 1, value }), bareSign, { rounds: 15, repeat: 200 }),
    verify: await compare(
      () => run(Record.verify(record, "bench")),
      () => Crypto.verify(null, message, publicKey, record.signature),
      { rounds: 15, repeat: 200 }
    )
  }
}

export const resolve = async () => {
  const network = DhtMemory.make()
  const context = await Effect.runPromise(Effect.scoped(Layer.build(Fixtures.host(network))))
  const provide = <A, E>(effect: Effect.Effect<A, E, Fixtures.Host>) => Effect.provideContext(effect, context)
  await Effect.runPromise(provide(Publish.publish(pair, Fixtures.release("bench", "1.0.0"))))
  const request = { name: Fixtures.name("bench"), range: Fixtures.range("^1") }
  // Resolving checks three signatures: the name index, the one claim in it, and the package record.
  const { verify } = Context.get(context, Ed25519)
  const items = [...network.items.values()].map(({ publicKey, salt, seq, signature, value }) => ({
    publicKey,
    signature,
    message: Record.signedBytes(salt, seq, value)
  }))
  const [a, b] = items
  return compare(
    () => Effect.runSync(provide(Resolve.byName(request))),
    () => {
      for (const { message, publicKey, signature } of [a!, b!, a!]) verify(signature, message, publicKey)
    },
    { rounds: 25, repeat: 200 }
  )
}
