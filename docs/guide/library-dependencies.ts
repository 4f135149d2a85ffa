import {
  DependencyGraph,
  DependencyTree,
  FetchRelease,
  KeyName,
  Keystore,
  LockedRelease,
  LockFile,
  PackageName,
  PublishPackage,
  Resolve,
  Version
} from "@libreseed/protocol"
import * as Testing from "@libreseed/protocol/testing"
import * as Effect from "effect/Effect"

const network = Testing.network()
const alice = Testing.host(network, { host: "10.0.0.1" })
const bob = Testing.host(network, { host: "10.0.0.2" })

const publish = Effect.gen(function* () {
  const key = yield* (yield* Keystore).create(KeyName.make("alice"))
  const put = (text: string, version: string, dependencies: { readonly [name: string]: string } = {}) =>
    PublishPackage.publishPackage(key, {
      name: PackageName.PackageName.make(text),
      version: Version.Version.make(version),
      tarball: new TextEncoder().encode(`stands for the bytes of ${text}-${version}.tgz`),
      files: {},
      metadata: { dependencies }
    })
  return {
    first: Effect.andThen(put("colours", "1.0.0"), put("logger", "2.1.0", { colours: "^1" })),
    later: put("colours", "1.1.0")
  }
})

const wishes: DependencyGraph.Wishes = { dependencies: { logger: "^2" } }

/** A range is answered by the registry, and what a release depends on by its manifest. */
const registry = DependencyGraph.source({
  resolve: (spec) => Resolve.resolveByName(spec),
  manifestOf: (choice) =>
    Effect.map(FetchRelease.fetchRelease(choice, { timeout: "5 seconds" }), ({ manifest }) => manifest)
})

const resolveTree = Effect.gen(function* () {
  const tree = yield* DependencyTree.resolveTree(wishes, registry)
  for (const { dependencies, id } of tree.instances.values()) {
    console.log(`${id} sees ${[...dependencies.values()].join(", ") || "nothing"}`)
  }
  return LockFile.toText(LockFile.make(wishes, tree))
})

/** With a lock the same comes out, whatever was published since. */
const again = Effect.fnUntraced(function* (text: string) {
  const lock = yield* LockFile.parse(text)
  const locked = yield* DependencyTree.resolveTree(wishes, LockFile.prefer(lock, registry, LockedRelease.find))
  console.log(`locked: ${[...locked.instances.keys()].join(", ")}`)
  console.log(`the same lock file: ${LockFile.toText(LockFile.make(wishes, locked)) === text}`)
  const open = yield* DependencyTree.resolveTree(wishes, registry)
  console.log(`without it: ${[...open.instances.keys()].join(", ")}`)
})

const program = Effect.gen(function* () {
  const { first, later } = yield* publish
  yield* first
  const text = yield* Effect.provide(resolveTree, bob)
  yield* later
  yield* Effect.provide(again(text), bob)
})

await Effect.runPromise(program.pipe(Effect.provide(alice), Effect.scoped))
