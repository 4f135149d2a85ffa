import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Zlib from "node:zlib"
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { explain } from "../../../src/protocol/core/Errors.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import { type Fetched, fetchRelease } from "../../../src/protocol/swarm/FetchRelease.ts"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import { Swarm } from "../../../src/protocol/swarm/Swarm.ts"
import * as Testing from "../../../src/protocol/testing/index.ts"
import { readPackage } from "../../../src/runtime/archive/ReadPackage.ts"
import { install } from "../../../src/runtime/install/Install.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as Fixtures from "../../protocol/registry/Fixtures.ts"
import * as TarBuilder from "../archive/TarBuilder.ts"
import * as FaultyFileSystem from "../FaultyFileSystem.ts"
import { fetched, fetchedFrom, tree, visible, writePackage } from "./Packages.ts"
import { onDisk, test } from "./Project.ts"

describe("Install", () => {
  test("puts every file in place, as it was packed, and nothing else", ({ project, root }) =>
    Effect.gen(function* () {
      const plain = writePackage(root, "plain", "1.0.0", { "index.js": "module.exports = 1", "lib/deep/er.js": "//" })
      const scoped = writePackage(root, "@scope/tool", "2.0.0", { "bin/run.js": "#!/usr/bin/env node" })
      yield* install(project, [yield* fetchedFrom(plain), yield* fetchedFrom(scoped)])
      const modules = Path.join(project, "node_modules")
      assert.deepStrictEqual(tree(Path.join(modules, "plain")), tree(plain))
      assert.deepStrictEqual(tree(Path.join(modules, "@scope/tool")), tree(scoped))
      assert.deepStrictEqual(Fs.readdirSync(modules).toSorted(), [".libreseed", "@scope", "plain"])
    }))

  test("replaces another version whole", ({ project, root }) =>
    Effect.gen(function* () {
      const old = writePackage(root, "a", "1.0.0", { "only-in-1.js": "1" })
      const next = writePackage(root, "a", "2.0.0", { "only-in-2.js": "2" })
      yield* install(project, [yield* fetchedFrom(old)])
      yield* install(project, [yield* fetchedFrom(next)])
      assert.deepStrictEqual(
        visible(Path.join(project, "node_modules")),
        new Map([...tree(next)].map(([path, content]) => [`a/${path}`, content]))
      )
    }))

  test("leaves the old tree, or what the next install makes it of, whichever write the disk fails at", ({
    project,
    root
  }) =>
    Effect.gen(function* () {
      const old = yield* fetchedFrom(writePackage(root, "a", "1.0.0", { "index.js": "old" }))
      const next = yield* fetchedFrom(writePackage(root, "a", "2.0.0", { "index.js": "new", "lib/more.js": "more" }))
      const other = yield* fetchedFrom(writePackage(root, "b", "1.0.0", { "index.js": "b" }))
      yield* install(project, [old])
      const before = tree(project)
      let succeeded = false
      for (let writes = 0; !succeeded && writes < 200; writes++) {
        const faulty = onDisk(FaultyFileSystem.layer({ failAfterWrites: writes, code: "ENOSPC" }))
        const outcome = yield* Effect.result(
          install(project, [next, other]).pipe(Effect.provide(faulty, { local: true }))
        )
        succeeded = outcome._tag === "Success"
        if (succeeded) continue
        const failure = explain(outcome._tag === "Failure" ? outcome.failure : undefined)
        assert.strictEqual(failure?.exitCode, 6, failure?.message)
        assert.include(failure!.message, "ENOSPC")
        const kept = /kept in (\S+)$/.exec(failure!.message)?.[1]
        // Moving back failed as well: the error says where the old tree is, and the next install puts it back.
        if (kept !== undefined) {
          assert.isTrue(Fs.existsSync(Path.join(kept, "journal.json")))
          yield* install(project, [])
        }
        assert.deepStrictEqual(tree(project), before, `after ${writes} writes`)
      }
      assert.isTrue(succeeded)
      assert.strictEqual(Fs.readFileSync(Path.join(project, "node_modules/a/index.js"), "utf8"), "new")
    }))

  const interruptions = [
    ["the old tree when it is interrupted while it unpacks", "rename", ".json", "old"],
    ["the new tree when it is interrupted while it moves packages in", "rename", "node_modules/a", "new"]
  ] as const
  for (const [title, stopAt, target, expected] of interruptions) {
    test(`leaves ${title}`, ({ project, root }) =>
      Effect.gen(function* () {
        const old = yield* fetchedFrom(writePackage(root, "a", "1.0.0", { "index.js": "old" }))
        const next = yield* fetchedFrom(writePackage(root, "a", "2.0.0", { "index.js": "new" }))
        yield* install(project, [old])
        const reached = yield* Deferred.make<void>()
        const goOn = yield* Deferred.make<void>()
        // A change of the disk cannot be interrupted, only what comes after it: so it waits until it is asked to.
        const paused = FaultyFileSystem.layer({
          failAfterWrites: Number.POSITIVE_INFINITY,
          code: "EIO",
          onWrite: (method, path) =>
            method === stopAt && path.endsWith(target)
              ? Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(goOn))
              : Effect.void
        })
        const installing = yield* Effect.forkChild(
          install(project, [next]).pipe(Effect.provide(onDisk(paused), { local: true }))
        )
        yield* Deferred.await(reached)
        installing.interruptUnsafe()
        yield* Deferred.succeed(goOn, undefined)
        const exit = yield* Fiber.await(installing)
        assert.isTrue(Exit.hasInterrupts(exit))
        const modules = Path.join(project, "node_modules")
        assert.strictEqual(Fs.readFileSync(Path.join(modules, "a/index.js"), "utf8"), expected)
        assert.deepStrictEqual(Fs.readdirSync(modules).toSorted(), [".libreseed", "a"])
      }))
  }

  const attacks: ReadonlyArray<readonly [string, TarBuilder.Entry, string]> = [
    ["climbs out", { path: "package/../../evil.js", type: "file", content: "evil" }, "UnsafePath"],
    ["is absolute", { path: "/tmp/evil.js", type: "file", content: "evil" }, "UnsafePath"],
    [
      "links out",
      { path: "package/link", type: "symlink", linkpath: "/etc/passwd" } as TarBuilder.Entry,
      "ForbiddenEntry"
    ]
  ]
  for (const [title, attack, tag] of attacks) {
    test(`refuses a published archive with an entry that ${title}`, ({ project, root }) =>
      Effect.gen(function* () {
        const good = yield* readPackage(writePackage(root, "a", "1.0.0", { "index.js": "1" }))
        const blocks = [TarBuilder.packageJson, attack].map((each) => TarBuilder.entry(each))
        const tarball = new Uint8Array(Zlib.gzipSync(Buffer.concat([...blocks, TarBuilder.END])))
        // A publisher who signs an archive that no honest tool would make.
        const hostile = yield* fetched({ ...good, tarball })
        const error = yield* Effect.flip(install(project, [hostile]))
        assert.strictEqual(explain(error)?._tag, tag, explain(error)?.message)
        assert.strictEqual(explain(error)?.exitCode, 4)
        assert.deepStrictEqual(tree(project), new Map())
        assert.isFalse(Fs.existsSync("/tmp/evil.js"))
      }))
  }

  const lies: ReadonlyArray<readonly [string, (files: Fetched["manifest"]["files"]) => Fetched["manifest"]["files"]]> =
    [
      ["has a file less than the archive", ({ "index.js": _, ...rest }) => rest],
      ["has a file more", (files) => ({ ...files, "more.js": files["index.js"]! })],
      ["has another content", (files) => ({ ...files, "index.js": { ...files["index.js"]!, sha256: "0".repeat(64) } })],
      ["has another mode", (files) => ({ ...files, "index.js": { ...files["index.js"]!, mode: "0755" } })]
    ]
  for (const [title, lie] of lies) {
    test(`refuses a package whose manifest ${title}`, ({ project, root }) =>
      Effect.gen(function* () {
        const good = yield* readPackage(writePackage(root, "a", "1.0.0", { "index.js": "1" }))
        const error = yield* Effect.flip(install(project, [yield* fetched({ ...good, files: lie(good.files) })]))
        assert.strictEqual(error._tag, "ContentMismatch")
        assert.include(error.message, "a@1.0.0")
        assert.deepStrictEqual(Fs.readdirSync(project), [])
      }))
  }

  test("installs nothing of several packages when one of them is bad", ({ project, root }) =>
    Effect.gen(function* () {
      const good = yield* fetchedFrom(writePackage(root, "good", "1.0.0", { "index.js": "1" }))
      const bad = yield* readPackage(writePackage(root, "bad", "1.0.0", { "index.js": "1" }))
      const lying = yield* fetched({ ...bad, files: {} })
      yield* Effect.flip(install(project, [good, lying]))
      assert.deepStrictEqual(Fs.readdirSync(project), [])
    }))

  test("notices a byte that changed in the store, and fetches the package anew from who has it", ({
    network,
    project,
    root
  }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { packages } = yield* Home
      const source = writePackage(root, "a", "1.0.0", { "index.js": "1" })
      const first = yield* fetchedFrom(source)
      const resolution = yield* Resolve.resolveByName({ name: first.release.n, range: Fixtures.range("1.0.0") })
      const seeder = yield* Layer.build(Testing.host(network, { host: "10.0.0.2" }))
      yield* Effect.gen(function* () {
        const copy = yield* fetchRelease(resolution, { timeout: "5 seconds" })
        const store = yield* PackageStore
        const swarm = yield* Swarm
        yield* swarm.seed(copy.torrent, yield* store.open(copy))
      }).pipe(Effect.provideContext(seeder))

      const file = Path.join(packages, Fs.readdirSync(packages)[0]!, first.torrent.tarball.path)
      const intact = yield* fs.readFile(file)
      yield* fs.writeFile(
        file,
        intact.map((byte, i) => (i === 50 ? byte ^ 1 : byte))
      )
      yield* install(project, [yield* fetchRelease(resolution, { timeout: "5 seconds" })])
      assert.deepStrictEqual(Uint8Array.from(yield* fs.readFile(file)), Uint8Array.from(intact))
      assert.deepStrictEqual(tree(Path.join(project, "node_modules/a")), tree(source))
    }))
})
