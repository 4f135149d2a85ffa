import {
  Errors,
  FetchRelease,
  KeyName,
  Keystore,
  PackageName,
  Pins,
  Policy,
  type PublicKey,
  PublishPackage,
  Requirement,
  Resolve,
  TrustedKeys,
  Version
} from "@libreseed/protocol"
import * as Testing from "@libreseed/protocol/testing"
import * as Effect from "effect/Effect"

const network = Testing.network()
const alice = Testing.host(network, { host: "10.0.0.1" })
const mallory = Testing.host(network, { host: "10.0.0.2" })
const bob = Testing.host(network, { host: "10.0.0.3" })
const name = PackageName.PackageName.make("hello")

const publish = Effect.fnUntraced(function* (version: string) {
  const key = yield* (yield* Keystore).create(KeyName.make("default"))
  const tarball = new TextEncoder().encode(`stands for the bytes of hello-${version}.tgz`)
  yield* PublishPackage.publishPackage(key, {
    name,
    version: Version.Version.make(version),
    tarball,
    files: {},
    metadata: {}
  })
  return key.publicKey
})

/** A key that the user trusts, else the one seen first; but nobody whom nobody serves. */
const policy = Policy.require(Policy.orElse(Policy.userTrust, Policy.firstSeen), Requirement.seeders(1))

const find = Effect.fnUntraced(function* (trusted: PublicKey.PublicKey, other: PublicKey.PublicKey) {
  yield* TrustedKeys.add(trusted)
  const range = Version.Range.make("^1")
  const resolution = yield* Resolve.resolveSemver(name, range, { policy })
  const { candidates, lookups, looks, warnings } = resolution.evidence
  console.log(`${name}@${resolution.release.v}, after ${lookups} look-ups one after another`)
  for (const { found, kind, round } of looks) console.log(`  round ${round}: ${kind} ${found ? "found" : "not there"}`)
  for (const { latestVersion, reason, verdict } of candidates) console.log(`  ${verdict} ${latestVersion}: ${reason}`)
  for (const { code, message } of warnings) console.log(`  warning ${code}: ${message}`)

  // Downloaded and checked, then used: from now on the name means this publisher.
  const { release } = yield* FetchRelease.fetchRelease(resolution, { timeout: "5 seconds" })
  yield* Pins.use(release.n, resolution.publisher)
  const pinned = yield* Resolve.resolveLatest(name)
  console.log(`pinned, after ${pinned.evidence.lookups} look-up`)

  // Nobody else gets in without the user's word.
  const refused = Errors.explain(yield* Effect.flip(Resolve.resolveLatest(name, { publisher: other })))
  console.log(`${refused?._tag}, exit code ${refused?.exitCode}`)
  console.log(`  ${refused?.hint.replace(/\S+$/, "<key>")}`)
})

const program = Effect.gen(function* () {
  const theirs = yield* Effect.provide(publish("1.0.0"), alice)
  const others = yield* Effect.provide(publish("1.9.9"), mallory)
  yield* Effect.provide(find(theirs, others), bob)
})

await Effect.runPromise(Effect.scoped(program))
