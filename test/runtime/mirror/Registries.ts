/** Packages for a registry on loopback, and a mirror of it on a host in memory. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Offered } from "../../../scripts/NpmRegistry.ts"
import { KeyName, Keystore } from "../../../src/protocol/core/Keystore.ts"
import * as Testing from "../../../src/protocol/testing/index.ts"
import * as Mirror from "../../../src/runtime/mirror/Mirror.ts"
import * as Wanted from "../../../src/runtime/mirror/Wanted.ts"
import * as TarBuilder from "../archive/TarBuilder.ts"
import * as TemporaryHome from "../TemporaryHome.ts"

/** A tarball of these files below `package/`. */
export const tarball = (files: Readonly<Record<string, string>>): Uint8Array => {
  const entries = Object.entries(files).map(([path, content]) => ({ path: `package/${path}`, type: "file", content }))
  return new Uint8Array(TarBuilder.tgz(entries))
}

/** A package of one small file. `fields` go into its package.json. */
export const offer = (name: string, version: string, fields: Readonly<Record<string, unknown>> = {}): Offered => {
  const packageJson = { name, version, ...fields }
  return { packageJson, tarball: tarball({ "package.json": JSON.stringify(packageJson), "index.js": `// ${name}\n` }) }
}

export const request = (spec: string) => Result.getOrThrow(Wanted.parse(spec))

export const options = (url: string, overrides: Partial<Mirror.Options> = {}): Mirror.Options => ({
  registry: new URL(url),
  rate: 1000,
  concurrency: 4,
  dependencies: true,
  development: false,
  userAgent: "mirror-test",
  node: "24.0.0",
  limit: "10 seconds",
  ...overrides
})

/** The user's key, made where there is none. */
export const key = (name = "publisher") =>
  Effect.gen(function* () {
    const keystore = yield* Keystore
    const loaded = yield* Effect.result(keystore.load(KeyName.make(name)))
    return Result.isSuccess(loaded) ? loaded.success : yield* keystore.create(KeyName.make(name))
  })

export type Services = Layer.Success<ReturnType<typeof Testing.host>> | Layer.Success<typeof TemporaryHome.layer>

/** A host with a home on disk for what is no part of the protocol. */
export const host = (network: Testing.Network): Layer.Layer<Services, unknown> =>
  Layer.mergeAll(TemporaryHome.layer, Testing.host(network, { host: "10.0.0.1" }))

/** Plans and runs a mirror. */
export const mirror = (url: string, specs: ReadonlyArray<string>, overrides?: Partial<Mirror.Options>) =>
  Effect.gen(function* () {
    const keyPair = yield* key()
    const opened = yield* Mirror.open(options(url, overrides))
    return yield* opened.run(keyPair, yield* opened.plan(specs.map(request)))
  })

export type Work<A> = Effect.Effect<A, unknown, Services | Scope.Scope>
