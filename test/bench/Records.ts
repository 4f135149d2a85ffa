/** What the signed envelope costs beside the bare signature, and what resolving costs beside the signatures that it must check. */
import * as Crypto from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Ed25519 } from "../../src/protocol/core/Ed25519.ts"
import * as KeyPair from "../../src/protocol/core/KeyPair.ts"
import * as VerifiedSignatures from "../../src/protocol/core/VerifiedSignatures.ts"
import * as KeyString from "../../src/protocol/dht/KeyString.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import * as Publish from "../../src/protocol/registry/Publish.ts"
import * as Resolve from "../../src/protocol/registry/Resolve.ts"
import * as DhtMemory from "../../src/protocol/testing/DhtMemory.ts"
import { layer as nodeEd25519 } from "../../src/runtime/crypto/NodeEd25519.ts"
import * as Fixtures from "../protocol/registry/Fixtures.ts"
import { microseconds } from "./Codecs.ts"
import { compare, round } from "./Measure.ts"

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

/** Resolutions before any are timed: with a quarter as many, a good part of the time is the compiler's. */
const WARM_UP = 10_000

/** Resolving a package that the same host published, on the services that `host` gives. */
const resolving = async (host: (network: DhtMemory.Network) => Layer.Layer<Fixtures.Host>) => {
  const network = DhtMemory.make()
  const context = await Effect.runPromise(Effect.scoped(Layer.build(host(network))))
  await Effect.runPromiseWith(context)(Publish.publish(pair, Fixtures.release("bench", "1.0.0")))
  const request = { name: Fixtures.name("bench"), range: Fixtures.range("^1") }
  const runSync = Effect.runSyncWith(context)
  const once = () => runSync(Resolve.resolveByName(request))
  for (let i = 0; i < WARM_UP; i++) once()
  return { network, context, once }
}

export const resolve = async () => {
  const { context, network, once } = await resolving(Fixtures.host)
  // Resolving checks three signatures: the name index, the one claim in it, and the package record.
  const { verify } = Context.get(context, Ed25519)
  const items = [...network.items.values()].map(({ publicKey, salt, seq, signature, value }) => ({
    publicKey,
    signature,
    message: Record.signedBytes(salt, seq, value)
  }))
  const [a, b] = items
  return compare(
    once,
    () => {
      for (const { message, publicKey, signature } of [a!, b!, a!]) verify(signature, message, publicKey)
    },
    { rounds: 25, repeat: 200 }
  )
}

/** The network and the resolver share one memory of signatures, as they do in a running node. */
const rememberingHost = (network: DhtMemory.Network) =>
  Layer.merge(
    Fixtures.host(network),
    DhtMemory.layerOn(network).pipe(Layer.provideMerge(VerifiedSignatures.layer.pipe(Layer.provide(nodeEd25519))))
  )

/** Microseconds of a resolution whose signatures were all checked before: what the protocol itself takes. */
export const resolveWarm = async () => {
  const { once } = await resolving(rememberingHost)
  return round(microseconds(once, 200), 1)
}
