import { KeyName, Keystore, PackageName, PublicationLog, PublishPackage, Quorum, Version } from "@libreseed/protocol"
import * as Testing from "@libreseed/protocol/testing"
import * as Effect from "effect/Effect"

const alice = Testing.host(Testing.network(), { host: "10.0.0.1" })

const hello: PublishPackage.PackedPackage = {
  name: PackageName.PackageName.make("hello"),
  version: Version.Version.make("1.2.0"),
  tarball: new TextEncoder().encode("stands for the bytes of hello-1.2.0.tgz"),
  files: {},
  metadata: { description: "Says hello" }
}

const program = Effect.gen(function* () {
  const key = yield* (yield* Keystore).create(KeyName.make("alice"))
  const log = yield* PublicationLog

  // What would be written, found out by the very code that writes it.
  const planned = yield* PublishPackage.planPackage(key, hello)
  for (const { kind, seq, state } of planned.records) console.log(`${state} record: ${kind}, no. ${seq}`)

  // The power goes off before the package's record is written …
  const crash = (step: string) => (step === "package" ? Effect.die("no power") : Effect.void)
  yield* Effect.exit(Effect.scoped(PublishPackage.publishPackage(key, hello, { onStep: crash })))
  for (const { done } of yield* log.all) console.log(`cut off after: ${done.join(", ")}`)

  // … and the same call, made again, finishes what has begun.
  const { publication } = yield* PublishPackage.publishPackage(key, hello)
  console.log(`resumed after: ${publication.resumed.at(-1)}`)
  console.log(`each record is held by at least ${publication.acks} node; unfinished: ${(yield* log.all).length}`)
})

// So many nodes must hold each record, or all there are: here there is one.
const withQuorum = program.pipe(Effect.provideService(Quorum.MinAcks, 4))

await Effect.runPromise(withQuorum.pipe(Effect.provide(alice), Effect.scoped))
