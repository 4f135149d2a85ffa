import * as Fs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as NpmRegistry from "../../../scripts/NpmRegistry.ts"
import { explain } from "../../../src/protocol/core/Errors.ts"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import * as Announce from "../../../src/protocol/registry/Announce.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import { fetchRelease } from "../../../src/protocol/swarm/FetchRelease.ts"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import { publishPackage } from "../../../src/protocol/swarm/PublishPackage.ts"
import * as Testing from "../../../src/protocol/testing/index.ts"
import { readTarball } from "../../../src/runtime/archive/ReadPackage.ts"
import * as Mirror from "../../../src/runtime/mirror/Mirror.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as Fixtures from "../../protocol/registry/Fixtures.ts"
import * as Registries from "./Registries.ts"

const { mirror, offer } = Registries

const ids = (list: ReadonlyArray<{ readonly picked: { readonly id: string } }>) =>
  list.map(({ picked }) => picked.id).toSorted()

const tarballs = ({ requests }: NpmRegistry.NpmRegistry) => requests.filter((path) => path.endsWith(".tgz")).toSorted()

const codeOf = (error: unknown) => explain(error)?._tag

/** What the store has of a release of the user's own. */
const storedTarball = (name: string, version: string) =>
  Effect.gen(function* () {
    const store = yield* PackageStore
    const { publicKey } = yield* Registries.key()
    const found = yield* store.find(publicKey, Fixtures.name(name), Fixtures.version(version))
    const { torrent } = Option.getOrThrow(found)
    const content = yield* store.open(Option.getOrThrow(found))
    return yield* content.read(torrent.tarball.offset, torrent.tarball.length)
  })

describe("mirror", () => {
  /** One user, on a network of their own. */
  const test = (title: string, work: Registries.Work<void>) =>
    it.live(title, () =>
      Effect.suspend(() => work.pipe(Effect.scoped, Effect.provide(Registries.host(Testing.network()))))
    )

  const tree = [
    offer("leaf", "1.0.0"),
    offer("leaf", "1.2.0"),
    offer("branch", "2.0.0", { dependencies: { leaf: "~1.0.0" } }),
    offer("@scope/root", "3.0.0", { dependencies: { branch: "^2", leaf: "^1" }, license: "MIT" })
  ]

  test(
    "publishes a package and all that it depends on, byte for byte, for others to find",
    Effect.gen(function* () {
      const registry = yield* NpmRegistry.make(tree)
      const { failed, mirrored } = yield* mirror(registry.url, ["@scope/root"])
      assert.deepStrictEqual(failed, [])
      assert.deepStrictEqual(ids(mirrored), ["@scope/root@3.0.0", "branch@2.0.0", "leaf@1.0.0", "leaf@1.2.0"])
      for (const { packageJson, tarball } of tree) {
        assert.deepStrictEqual(yield* storedTarball(packageJson.name, packageJson.version), tarball)
      }
      const resolution = yield* Resolve.resolveByName({
        name: Fixtures.name("@scope/root"),
        range: Fixtures.range("*")
      })
      const { manifest } = yield* fetchRelease(resolution, { timeout: "5 seconds" })
      assert.deepInclude(manifest, { license: "MIT", dependencies: { branch: "^2", leaf: "^1" } })
      assert.strictEqual(manifest.tarball.sha512, NpmRegistry.integrityOf(tree[3]!.tarball))
      const { publicKey } = yield* Registries.key()
      const announce = Option.getOrThrow(yield* Announce.find(publicKey))
      assert.deepStrictEqual(yield* Stream.runCollect(Announce.packages(announce.value)), [
        { name: Fixtures.name("@scope/root"), version: Fixtures.version("3.0.0") },
        { name: Fixtures.name("branch"), version: Fixtures.version("2.0.0") },
        { name: Fixtures.name("leaf"), version: Fixtures.version("1.2.0") }
      ])
      assert.deepStrictEqual([...registry.userAgents], ["mirror-test"])
    })
  )

  test(
    "does nothing of what is done already",
    Effect.gen(function* () {
      const registry = yield* NpmRegistry.make(tree)
      yield* mirror(registry.url, ["branch"])
      registry.requests.length = 0
      const { mirrored } = yield* mirror(registry.url, ["branch", "@scope/root"])
      assert.deepStrictEqual(tarballs(registry), ["@scope/root/-/root-3.0.0.tgz", "leaf/-/leaf-1.2.0.tgz"])
      assert.deepStrictEqual(mirrored.map(({ picked, state }) => `${picked.id} ${state}`).toSorted(), [
        "@scope/root@3.0.0 published",
        "branch@2.0.0 unchanged",
        "leaf@1.0.0 unchanged",
        "leaf@1.2.0 published"
      ])
    })
  )

  test(
    "goes on where it was cut off",
    Effect.gen(function* () {
      let isStuck = true
      const asked = yield* Latch.make()
      const registry = yield* NpmRegistry.make(tree, {
        intercept: (path) => {
          if (!isStuck || !path.endsWith("root-3.0.0.tgz")) return false
          asked.openUnsafe()
          return true
        }
      })
      const run = yield* Effect.forkChild(mirror(registry.url, ["@scope/root"], { concurrency: 1 }))
      yield* asked.await
      yield* Fiber.interrupt(run)
      isStuck = false
      registry.requests.length = 0
      const { mirrored } = yield* mirror(registry.url, ["@scope/root"])
      assert.deepStrictEqual(tarballs(registry), ["@scope/root/-/root-3.0.0.tgz"])
      assert.deepStrictEqual(ids(mirrored.filter(({ state }) => state === "unchanged")), [
        "branch@2.0.0",
        "leaf@1.0.0",
        "leaf@1.2.0"
      ])
    })
  )

  test(
    "publishes from the store what was stored, and not published, when it was cut off",
    Effect.gen(function* () {
      const registry = yield* NpmRegistry.make(tree)
      const keyPair = yield* Registries.key()
      const { tarball } = tree[0]!
      const packed = yield* readTarball("leaf", "leaf.tgz", tarball)
      const cutOff = publishPackage(keyPair, packed, {
        onStep: (step) => (step === "release" ? Effect.interrupt : Effect.void)
      })
      yield* Effect.exit(cutOff)
      const { mirrored } = yield* mirror(registry.url, ["leaf@1.0.0"])
      assert.deepStrictEqual(
        mirrored.map(({ state }) => state),
        ["resumed"]
      )
      assert.deepStrictEqual(tarballs(registry), [])
    })
  )

  test(
    "publishes nothing whose bytes are not those that the registry speaks of, and all the rest",
    Effect.gen(function* () {
      const registry = yield* NpmRegistry.make(
        [...tree, offer("top", "1.0.0", { dependencies: { leaf: "*", branch: "*", "@scope/root": "*" } })],
        {
          intercept: (path, _, response) => {
            if (!path.endsWith("branch-2.0.0.tgz")) return false
            response.end(tree[0]!.tarball)
            return true
          }
        }
      )
      const { failed, mirrored } = yield* mirror(registry.url, ["top"])
      assert.deepStrictEqual(ids(failed), ["branch@2.0.0"])
      assert.match(failed[0]!.problem, /integrity/)
      assert.deepStrictEqual(ids(mirrored), ["@scope/root@3.0.0", "leaf@1.0.0", "leaf@1.2.0", "top@1.0.0"])
    })
  )

  test(
    "goes on with the others where one tarball is not to be had for good",
    Effect.gen(function* () {
      const statuses = new Map([404, 403, 451].map((status) => [`gone${status}`, status]))
      const names = [...statuses.keys(), "there"]
      const top = offer("top", "1.0.0", { dependencies: Object.fromEntries(names.map((name) => [name, "1"])) })
      const registry = yield* NpmRegistry.make([...names.map((name) => offer(name, "1.0.0")), top], {
        intercept: (path, _, response) => {
          const status = path.endsWith(".tgz") ? statuses.get(path.split("/")[0]!) : undefined
          if (status === undefined) return false
          response.statusCode = status
          response.end("{}")
          return true
        }
      })
      const { failed, mirrored } = yield* mirror(registry.url, ["top"], { concurrency: 1 })
      assert.deepStrictEqual(ids(failed), ["gone403@1.0.0", "gone404@1.0.0", "gone451@1.0.0"])
      assert.deepStrictEqual(ids(mirrored), ["there@1.0.0", "top@1.0.0"])
      assert.strictEqual(tarballs(registry).length, 5)
    })
  )

  test(
    "goes without what is optional and refused for good",
    Effect.gen(function* () {
      const registry = yield* NpmRegistry.make(
        [...tree, offer("host", "1.0.0", { optionalDependencies: { leaf: "^1" } })],
        {
          intercept: (path, _, response) => {
            if (path !== "leaf") return false
            response.statusCode = 451
            response.end("{}")
            return true
          }
        }
      )
      const { mirrored, notes } = yield* mirror(registry.url, ["host"])
      assert.deepStrictEqual(ids(mirrored), ["host@1.0.0"])
      assert.match(notes.join(), /without leaf, which is optional: .*451/)
    })
  )

  test(
    "refuses a tarball whose package.json is that of another package",
    Effect.gen(function* () {
      const registry = yield* NpmRegistry.make([
        { packageJson: { name: "good", version: "1.0.0" }, tarball: offer("evil", "1.0.0").tarball },
        { packageJson: { name: "old", version: "1.0.0" }, tarball: offer("old", "0.9.0").tarball },
        { packageJson: { name: "odd", version: "1.0.0" }, tarball: new Uint8Array([1, 2, 3]) }
      ])
      const { failed, mirrored } = yield* mirror(registry.url, ["good", "old", "odd"])
      assert.deepStrictEqual(ids(failed), ["good@1.0.0", "odd@1.0.0", "old@1.0.0"])
      assert.deepStrictEqual(mirrored, [])
      const problems = failed.map(({ problem }) => problem).join("\n")
      assert.include(problems, "evil@1.0.0")
      assert.include(problems, "old@0.9.0")
    })
  )

  test(
    "mirrors what a tarball depends on though the registry does not say so",
    Effect.gen(function* () {
      const hidden = offer("host", "1.0.0", { dependencies: { leaf: "1.0.0" } })
      const registry = yield* NpmRegistry.make([...tree, hidden], {
        describe: ({ dependencies: _, ...document }) => document
      })
      const { mirrored } = yield* mirror(registry.url, ["host"])
      assert.deepStrictEqual(ids(mirrored), ["host@1.0.0", "leaf@1.0.0"])
    })
  )

  test(
    "refuses what is not signed, once the registry has keys",
    Effect.gen(function* () {
      const signer = NpmRegistry.makeSigner()
      const other = NpmRegistry.makeSigner()
      const id = (document: NpmRegistry.VersionDocument) => `${String(document["name"])}@${String(document["version"])}`
      const offered = ["signed", "unsigned", "forged", "stranger", "twisted"].map((name) => offer(name, "1.0.0"))
      const registry = yield* NpmRegistry.make(offered, {
        signer,
        describe: (document) => {
          const { dist } = document
          const integrity = dist.integrity!
          const forged = NpmRegistry.signatureOf({ ...other, keyid: signer.keyid }, id(document), integrity)
          const signatures = {
            unsigned: [],
            forged: [forged],
            stranger: [NpmRegistry.signatureOf(other, id(document), integrity)],
            twisted: [...(dist.signatures ?? []), forged]
          }
          const changed = Object.entries(signatures).find(([name]) => name === document["name"])
          return changed === undefined ? document : { ...document, dist: { ...dist, signatures: changed[1] } }
        }
      })
      const { failed, mirrored } = yield* mirror(
        registry.url,
        offered.map(({ packageJson }) => packageJson.name)
      )
      assert.deepStrictEqual(ids(mirrored), ["signed@1.0.0"])
      assert.deepStrictEqual(ids(failed), ["forged@1.0.0", "stranger@1.0.0", "twisted@1.0.0", "unsigned@1.0.0"])
      assert.deepStrictEqual(tarballs(registry), ["signed/-/signed-1.0.0.tgz"])
    })
  )

  test(
    "believes a key that has expired about what was published before",
    Effect.gen(function* () {
      const signer = NpmRegistry.makeSigner("2025-01-29T00:00:00.000Z")
      const times = { early: "2024-05-01T00:00:00.000Z", late: "2025-05-01T00:00:00.000Z" }
      const offered = Object.keys(times).map((name) => offer(name, "1.0.0"))
      const registry = yield* NpmRegistry.make(offered, {
        signer,
        intercept: (path, request, response) => {
          const time = Object.entries(times).find(([name]) => name === path)?.[1]
          // Only the whole document has dates, as npm's.
          if (time === undefined || request.headers.accept !== "application/json") return false
          response.end(JSON.stringify({ name: path, versions: {}, time: { "1.0.0": time } }))
          return true
        }
      })
      const { failed, mirrored } = yield* mirror(registry.url, ["early", "late"])
      assert.deepStrictEqual(ids(mirrored), ["early@1.0.0"])
      assert.match(failed[0]!.problem, /expired/)
    })
  )

  test(
    "does not publish over a package of the user's own",
    Effect.gen(function* () {
      const keyPair = yield* Registries.key()
      const own = offer("mine", "1.0.0", { description: "from the user" })
      yield* publishPackage(keyPair, yield* readTarball("mine", "mine.tgz", own.tarball))
      const registry = yield* NpmRegistry.make([
        offer("mine", "1.0.0"),
        offer("mine", "9.0.0"),
        offer("bait", "1.0.0", { dependencies: { mine: "^9" } })
      ])
      const error = yield* Effect.flip(mirror(registry.url, ["bait"]))
      assert.strictEqual(codeOf(error), "NameConflict")
      assert.include(String(Object(error).message), '"mine"')
      const { publicKey } = keyPair
      const { value } = Option.getOrThrow(yield* Announce.find(publicKey))
      assert.deepStrictEqual(yield* Stream.runCollect(Announce.packages(value)), [
        { name: Fixtures.name("mine"), version: Fixtures.version("1.0.0") }
      ])
    })
  )

  test(
    "goes on with a package of the user's own that is the registry's, byte for byte",
    Effect.gen(function* () {
      const keyPair = yield* Registries.key()
      const own = offer("mine", "1.0.0")
      yield* publishPackage(keyPair, yield* readTarball("mine", "mine.tgz", own.tarball))
      const registry = yield* NpmRegistry.make([own, offer("mine", "2.0.0")])
      const { mirrored } = yield* mirror(registry.url, ["mine"])
      assert.deepStrictEqual(ids(mirrored), ["mine@2.0.0"])
    })
  )

  test(
    "takes a name from one registry for good",
    Effect.gen(function* () {
      const first = yield* NpmRegistry.make([offer("mine", "1.0.0")])
      const second = yield* NpmRegistry.make([offer("mine", "1.0.0"), offer("mine", "2.0.0")])
      yield* mirror(first.url, ["mine"])
      const error = yield* Effect.flip(mirror(second.url, ["mine"]))
      assert.strictEqual(codeOf(error), "NameConflict")
      assert.include(String(Object(error).message), first.url)
      const { directory } = yield* Home
      Fs.writeFileSync(`${directory}/mirrored.json`, "{")
      assert.strictEqual(codeOf(yield* Effect.flip(mirror(first.url, ["mine"]))), "OriginsUnavailable")
    })
  )

  test(
    "leaves a name free of which nothing was published",
    Effect.gen(function* () {
      const asked = yield* Latch.make()
      const mistaken = yield* NpmRegistry.make(tree, {
        intercept: (path, _, response) => {
          if (path.endsWith("root-3.0.0.tgz")) {
            asked.openUnsafe()
            return true
          }
          if (!path.endsWith("branch-2.0.0.tgz")) return false
          response.statusCode = 404
          response.end("{}")
          return true
        }
      })
      const run = yield* Effect.forkChild(mirror(mistaken.url, ["@scope/root"], { concurrency: 1 }))
      yield* asked.await
      yield* Fiber.interrupt(run)
      const right = yield* NpmRegistry.make(tree)
      const { mirrored } = yield* mirror(right.url, ["branch"], { dependencies: false })
      assert.deepStrictEqual(ids(mirrored), ["branch@2.0.0"])
      yield* mirror(right.url, ["@scope/root"], { dependencies: false })
      assert.strictEqual(codeOf(yield* Effect.flip(mirror(right.url, ["leaf"]))), "NameConflict")
    })
  )

  test(
    "tells that a registry changed what it had",
    Effect.gen(function* () {
      const before = yield* NpmRegistry.make([offer("fickle", "1.0.0")])
      yield* mirror(before.url, ["fickle"])
      const after = offer("fickle", "1.0.0", { description: "changed" })
      const changed = yield* NpmRegistry.make([after])
      // As if the same registry said it: the other would be refused for its address.
      const { directory } = yield* Home
      const file = `${directory}/mirrored.json`
      Fs.writeFileSync(file, Fs.readFileSync(file, "utf8").replace(before.url, changed.url))
      const { failed, mirrored } = yield* mirror(changed.url, ["fickle"])
      assert.deepStrictEqual(mirrored, [])
      assert.include(failed[0]!.problem, NpmRegistry.integrityOf(after.tarball))
    })
  )

  it.live("tells who else publishes a name", () =>
    Effect.gen(function* () {
      const network = Testing.network()
      const registry = yield* NpmRegistry.make([offer("shared", "1.0.0")])
      const rival = yield* Registries.key().pipe(
        Effect.tap((keyPair) =>
          Effect.flatMap(readTarball("shared", "shared.tgz", offer("shared", "7.0.0").tarball), (packed) =>
            publishPackage(keyPair, packed)
          )
        ),
        Effect.scoped,
        Effect.provide(Testing.host(network, { host: "10.0.0.2" }))
      )
      const { mirrored } = yield* mirror(registry.url, ["shared"]).pipe(
        Effect.scoped,
        Effect.provide(Registries.host(network))
      )
      assert.deepStrictEqual(mirrored[0]!.rivals.map(PublicKey.toBase64), [PublicKey.toBase64(rival.publicKey)])
    }).pipe(Effect.scoped)
  )

  test(
    "writes nothing while it plans",
    Effect.gen(function* () {
      const registry = yield* NpmRegistry.make(tree)
      const opened = yield* Mirror.open(Registries.options(registry.url))
      const { packages } = yield* opened.plan([Registries.request("@scope/root")])
      assert.strictEqual(packages.size, 4)
      const [first] = packages.values()
      assert.deepStrictEqual(yield* opened.size(first!.tarball), Option.some(tree[3]!.tarball.length))
      const { publicKey } = yield* Registries.key()
      yield* opened.checkNames(publicKey, packages.values())
      assert.deepStrictEqual(yield* (yield* PackageStore).list, [])
      const { directory } = yield* Home
      assert.isFalse(Fs.existsSync(`${directory}/mirrored.json`))
    })
  )
})
