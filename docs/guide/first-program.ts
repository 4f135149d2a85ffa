import { FetchRelease, KeyName, Keystore, PackageSpec, PublishPackage, Resolve, Version } from "@libreseed/protocol"
import * as Testing from "@libreseed/protocol/testing"
import * as Effect from "effect/Effect"

const network = Testing.network()
const alice = Testing.host(network, { host: "10.0.0.1" })
const bob = Testing.host(network, { host: "10.0.0.2" })
const spec = Effect.fromResult(PackageSpec.parse("hello@^1"))

const publish = Effect.gen(function* () {
  const key = yield* (yield* Keystore).create(KeyName.make("alice"))
  return yield* PublishPackage.publishPackage(key, {
    name: (yield* spec).name,
    version: Version.Version.make("1.2.0"),
    tarball: new TextEncoder().encode("stands for the bytes of hello-1.2.0.tgz"),
    files: {},
    metadata: { description: "Says hello" }
  })
})

const find = Effect.gen(function* () {
  const resolution = yield* Resolve.resolveByName(yield* spec)
  const { manifest } = yield* FetchRelease.fetchRelease(resolution, { timeout: "5 seconds" })
  return `${manifest.name}@${manifest.version} by ${manifest.publisher}: ${manifest.description}`
})

const program = publish.pipe(Effect.andThen(Effect.provide(find, bob)), Effect.provide(alice), Effect.scoped)

console.log(await Effect.runPromise(program))
