import {
  FetchRelease,
  KeyName,
  Keystore,
  PackageName,
  PublishPackage,
  RePut,
  RePutSchedule,
  Resolve,
  Version
} from "@libreseed/protocol"
import * as Testing from "@libreseed/protocol/testing"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"

const network = Testing.network()
const alice = Testing.host(network, { host: "10.0.0.1" })
const bob = Testing.host(network, { host: "10.0.0.2" })
const name = PackageName.PackageName.make("hello")

const publish = Effect.gen(function* () {
  const key = yield* (yield* Keystore).create(KeyName.make("alice"))
  const tarball = new TextEncoder().encode("stands for the bytes of hello-1.2.0.tgz")
  const version = Version.Version.make("1.2.0")
  yield* PublishPackage.publishPackage(key, { name, version, tarball, files: {}, metadata: {} })
})

/** Whoever took a package holds its records, and keeps them alive without any key. */
const keepAlive = Effect.gen(function* () {
  yield* FetchRelease.fetchRelease(yield* Resolve.resolveLatest(name), { timeout: "5 seconds" })

  // Every node forgets everything.
  network.dht.items.clear()
  network.dht.immutable.clear()

  const rePut = yield* RePut.make(RePutSchedule.make({ interval: Duration.hours(20), threshold: 8 }))
  const done = yield* rePut.events.pipe(
    Stream.filter((event) => event._tag === "Put" || event._tag === "Mended"),
    Stream.take(2),
    Stream.runCollect,
    Effect.forkScoped({ startImmediately: true })
  )
  yield* Effect.forkScoped(rePut.run)
  const told = (yield* Fiber.join(done)).map(({ _tag, keyString }) => `${_tag} ${keyString}`)
  for (const line of told.toSorted()) console.log(line)
  const nodes = (yield* rePut.health).map(({ acks }) => acks ?? 0)
  console.log(`each of ${nodes.length} items is held by at least ${Math.min(...nodes)} node`)

  const found = yield* Resolve.resolveLatest(name)
  console.log(`${name}@${found.release.v} can be found again`)
})

const program = Effect.andThen(Effect.provide(publish, alice), Effect.provide(keepAlive, bob))

await Effect.runPromise(Effect.scoped(program))
