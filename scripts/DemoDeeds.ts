/** What the people of the demo do, as the commands of `ls-cli` do it. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { DEFAULT_KEY_NAME, Keystore } from "../src/protocol/core/Keystore.ts"
import type * as PackageSpec from "../src/protocol/core/PackageSpec.ts"
import type * as PublicKey from "../src/protocol/core/PublicKey.ts"
import * as Announce from "../src/protocol/registry/Announce.ts"
import type { Choice } from "../src/protocol/registry/DependencyGraph.ts"
import * as Resolve from "../src/protocol/registry/Resolve.ts"
import { fetchRelease } from "../src/protocol/swarm/FetchRelease.ts"
import { PackageStore } from "../src/protocol/swarm/PackageStore.ts"
import { seedOne } from "../src/protocol/swarm/SeedStore.ts"
import * as LockedRelease from "../src/protocol/trust/LockedRelease.ts"
import * as InstallTree from "../src/runtime/install/InstallTree.ts"
import * as Mirror from "../src/runtime/mirror/Mirror.ts"
import * as Wanted from "../src/runtime/mirror/Wanted.ts"
import * as UnpackedReleases from "../src/runtime/store/UnpackedReleases.ts"

/** For one package: on a machine that is busy with other things it all takes much longer. */
const LIMIT = "1 minute"

/** Requests that the registry on loopback is asked a second: it is nobody's but ours. */
const REGISTRY_RATE = 1000

/** Packages under way at a time, and releases fetched. */
const CONCURRENCY = 8

const ANNOUNCE_RETRIES = 2

const fetch = (choice: Choice) => fetchRelease(choice, { timeout: LIMIT })

/** Takes what `spec` comes to out of a registry, with all its dependencies, and publishes it. */
export const mirror = Effect.fnUntraced(function* (registry: string, spec: string) {
  const key = yield* Effect.flatMap(Keystore, (keystore) => keystore.load(DEFAULT_KEY_NAME))
  const opened = yield* Mirror.open({
    registry: new URL(registry),
    rate: REGISTRY_RATE,
    concurrency: CONCURRENCY,
    userAgent: "ls-cli (LibreSeed demo)",
    node: process.versions.node,
    limit: LIMIT,
    dependencies: true,
    development: false
  })
  const plan = yield* opened.plan([yield* Effect.fromResult(Wanted.parse(spec))])
  const { failed, mirrored } = yield* opened.run(key, plan)
  const [first] = failed
  return first === undefined ? mirrored : yield* Effect.die(new Error(first.problem))
})

/** Fetches everything that a publisher's catalogue lists, and serves it. */
export const seedAllOf = Effect.fnUntraced(function* (publisher: PublicKey.PublicKey) {
  const announce = yield* Effect.flatMap(Announce.find(publisher), Effect.fromOption)
  const listed = yield* Stream.runCollect(Announce.packages(announce.value))
  yield* Effect.forEach(
    listed,
    Effect.fnUntraced(function* ({ name, version }) {
      const fetched = yield* fetch(yield* LockedRelease.find(publisher, name, version))
      // A machine that is busy with other things may miss an answer.
      yield* Effect.retry(seedOne(fetched, { announce: "awaited" }), { times: ANNOUNCE_RETRIES })
    }),
    { concurrency: CONCURRENCY, discard: true }
  )
  return (yield* (yield* PackageStore).list).length
})

/** `ls-cli install <spec> --dir <project>`. */
export const install = (project: string, spec: PackageSpec.PackageSpec) =>
  InstallTree.install(
    project,
    { add: [spec] },
    InstallTree.remote({
      resolve: (each: PackageSpec.PackageSpec) => Resolve.resolveByName(each),
      releaseOf: LockedRelease.find,
      fetch
    })
  ).pipe(Effect.provide(UnpackedReleases.layer))

/** `ls-cli install --frozen --dir <project>`, with what lies on this machine. */
export const installLocked = (project: string) =>
  InstallTree.install<never, never>(project, { frozen: true }, undefined).pipe(Effect.provide(UnpackedReleases.layer))
