/** Bundles for tests: hosts in memory that publish and bundle, hosts without a network, and bundles taken apart. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { sha256 } from "../../../src/protocol/core/Digest.ts"
import * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import type { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import * as DhtOffline from "../../../src/protocol/dht/DhtOffline.ts"
import * as Bundle from "../../../src/protocol/swarm/Bundle.ts"
import * as BundleFormat from "../../../src/protocol/swarm/BundleFormat.ts"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import { publishPackage } from "../../../src/protocol/swarm/PublishPackage.ts"
import * as SwarmOffline from "../../../src/protocol/swarm/SwarmOffline.ts"
import * as Testing from "../../../src/protocol/testing/index.ts"
import * as Trust from "../../../src/protocol/trust/Trust.ts"
import { layer as nodeEd25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as Fixtures from "../registry/Fixtures.ts"

export type Services = Layer.Success<ReturnType<typeof Testing.host>>

export interface Host {
  readonly services: Context.Context<Services>
  readonly does: <A, E, R extends Services | Scope.Scope>(
    work: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, Exclude<R, Services>>
}

/** With the faster signatures. */
const hostOf = (own: Context.Context<Services>) =>
  Effect.map(Layer.build(nodeEd25519), (faster): Host => {
    const services = Context.merge(own, faster)
    return { services, does: (work) => Effect.provideContext(work, services) }
  })

/** A host on a network. */
export const online = (network: Testing.Network, host = "10.0.0.1") =>
  Effect.flatMap(Layer.build(Testing.host(network, { host })), hostOf)

/** A host with empty stores that asks nobody. */
export const offline = Effect.gen(function* () {
  const services = yield* Layer.build(Testing.host(Testing.network(), { host: "10.0.0.1" }))
  const layer = Layer.mergeAll(SwarmOffline.layer, Trust.layer).pipe(Layer.provideMerge(DhtOffline.layer))
  const nobody = yield* Effect.provideContext(Layer.build(layer), services)
  return yield* hostOf(Context.merge(services, nobody))
})

export const keyPair = (label: string): Effect.Effect<KeyPair.KeyPair, never, Ed25519> =>
  KeyPair.fromSeed(sha256(Fixtures.text(label)))

export const tarballOf = (label: string, length: number): Uint8Array => {
  const seed = sha256(Fixtures.text(label))
  return Uint8Array.from({ length }, (_, i) => (seed[i % 32]! + i * 31) & 0xff)
}

export interface Wanted {
  readonly name: string
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly bytes?: number
  /** Another content than that of the same name and version without it. */
  readonly content?: string
}

export const packed = ({ bytes = 900, content = "", dependencies, name, version }: Wanted) => ({
  name: Fixtures.name(name),
  version: Fixtures.version(version),
  tarball: tarballOf(`${name}@${version}${content}`, bytes),
  files: {},
  metadata: dependencies === undefined ? {} : { dependencies }
})

/** Publishes one after the other, and leaves nobody to serve them. */
export const publish = (host: Host, key: KeyPair.KeyPair, ...wanted: ReadonlyArray<Wanted>) =>
  host.does(
    Effect.forEach(wanted, (each) => Effect.scoped(publishPackage(key, packed(each))), {
      discard: true
    })
  )

export const bytesOf = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(chunks))

/** The bundle of everything that a host has in its store. */
export const bundleOf = (host: Host, wishes: ReadonlyArray<string> = []) =>
  host.does(
    Effect.gen(function* () {
      const store = yield* PackageStore
      return yield* Bundle.gather(wishes, yield* store.list, { isRefreshing: false })
    })
  )

/** A bundle as bytes, written by the host that gathered it. */
export const write = Effect.fnUntraced(function* (host: Host, material: Bundle.Material) {
  const chunks: Array<Uint8Array> = []
  yield* host.does(Bundle.write(material, (bytes) => Effect.sync(() => void chunks.push(bytes.slice()))))
  return bytesOf(chunks)
})

/** In chunks of this many bytes. */
export const streamOf = (bytes: Uint8Array, chunk = 1_000): Bundle.BundleBytes =>
  Stream.fromArray(
    Array.from({ length: Math.ceil(bytes.length / chunk) }, (_, i) => bytes.subarray(i * chunk, (i + 1) * chunk))
  )

export const importInto = (host: Host, bytes: Uint8Array, chunk?: number) =>
  host.does(Bundle.importFrom(streamOf(bytes, chunk), "test.bundle"))

export const inspect = (host: Host, bytes: Uint8Array) => host.does(Bundle.inspect(streamOf(bytes), "test.bundle"))

/** One section, by its letter. */
export interface Section {
  readonly letter: string
  readonly payload: Uint8Array
}

/** Takes a bundle apart; the checksum is not among the sections. */
export const sectionsOf = (bundle: Uint8Array): ReadonlyArray<Section> => {
  const sections: Array<Section> = []
  const view = new DataView(bundle.buffer, bundle.byteOffset, bundle.byteLength)
  for (let at = BundleFormat.MAGIC.length; at < bundle.length;) {
    const letter = String.fromCharCode(bundle[at]!)
    const length = view.getUint32(at + 1)
    if (letter !== "e") sections.push({ letter, payload: bundle.slice(at + 5, at + 5 + length) })
    at += 5 + length
  }
  return sections
}

const headOf = (letter: string, length: number): Uint8Array => {
  const head = new Uint8Array(5)
  head[0] = letter.charCodeAt(0)
  new DataView(head.buffer).setUint32(1, length)
  return head
}

/** Puts sections together, with a checksum that holds. */
export const bundleWith = (sections: ReadonlyArray<Section>): Uint8Array => {
  const parts = sections.flatMap(({ letter, payload }) => [headOf(letter, payload.length), payload])
  const body = bytesOf([BundleFormat.MAGIC, ...parts, headOf("e", 32)])
  return bytesOf([body, sha256(body)])
}

/** The same bundle with another checksum, which holds. */
export const resealed = (bundle: Uint8Array): Uint8Array => {
  const body = bundle.subarray(0, bundle.length - 32)
  return bytesOf([body, sha256(body)])
}
