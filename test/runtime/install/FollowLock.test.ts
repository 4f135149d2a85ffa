import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import * as Result from "effect/Result"
import { explain } from "../../../src/protocol/core/Errors.ts"
import { TamperedTarball } from "../../../src/protocol/swarm/FetchRelease.ts"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import { NoPeers, SwarmError } from "../../../src/protocol/swarm/SwarmError.ts"
import * as TrustBook from "../../../src/protocol/trust/TrustBook.ts"
import * as InstallTree from "../../../src/runtime/install/InstallTree.ts"
import * as KnownProjects from "../../../src/runtime/store/KnownProjects.ts"
import { UnpackedReleases } from "../../../src/runtime/store/UnpackedReleases.ts"
import { tree } from "./Packages.ts"
import { onDisk, test } from "./Project.ts"
import { install, publish, readText, remote, type Source, spec, writeProject } from "./Registry.ts"

const lib = (name: string, version: string, more: object = {}): Source => ({ json: { name, version, ...more } })

/** Removes a package from this machine. */
const forget = Effect.fnUntraced(function* (name: string) {
  const store = yield* PackageStore
  for (const each of yield* store.list) if (each.release.n === name) yield* store.remove(each)
  const unpacked = yield* UnpackedReleases
  for (const { contentHash, index } of yield* unpacked.list) {
    if (index.facts.name === name) yield* unpacked.remove(contentHash)
  }
})

const copy = (project: string, at: string): string => {
  Fs.mkdirSync(at)
  for (const name of ["package.json", "libreseed.lock.json"]) {
    Fs.copyFileSync(Path.join(project, name), Path.join(at, name))
  }
  return at
}

const nobody = new SwarmError({ reason: new NoPeers({ infohash: "0".repeat(40), waitedMs: 1000 }) })
const tampered = new TamperedTarball({ package: "native@1.0.0", expected: "a", actual: "b" })

describe("an optional package that is locked", () => {
  const cases: ReadonlyArray<readonly [string, SwarmError | TamperedTarball, boolean, string | undefined]> = [
    ["nobody has it, and the install is frozen", nobody, true, "NoPeers"],
    ["it was tampered with, and the install is frozen", tampered, true, "TamperedTarball"],
    ["it was tampered with", tampered, false, "TamperedTarball"],
    ["nobody has it", nobody, false, undefined]
  ]
  for (const [title, failure, frozen, tag] of cases) {
    test(`${tag === undefined ? "is left out, and said why," : "is an error"} where ${title}`, ({ project, root }) =>
      Effect.gen(function* () {
        yield* publish(root, lib("native", "1.0.0"), lib("app", "1.0.0", { optionalDependencies: { native: "1" } }))
        writeProject(project, { dependencies: { app: "^1.0.0" } })
        yield* install(project)
        const other = copy(project, Path.join(root, "other"))
        yield* forget("native")
        const without = InstallTree.remote({ ...remote, fetch: () => Effect.fail(failure) })
        const result = yield* Effect.result(InstallTree.install(other, { frozen }, without))
        if (tag !== undefined) {
          assert.strictEqual(explain(Result.isFailure(result) ? result.failure : undefined)?._tag, tag)
          return
        }
        assert.deepStrictEqual(Result.getOrThrow(result).left, [`native@1.0.0 is left out: ${nobody.reason.message}`])
      }))
  }
})

describe("pins of an install", () => {
  test("are made once the packages are in place, and told", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, lib("leaf", "1.0.0"), lib("top", "1.0.0", { dependencies: { leaf: "1" } }))
      writeProject(project, { dependencies: { top: "^1.0.0" } })
      const foreign = Path.join(project, "node_modules/top")
      Fs.mkdirSync(foreign, { recursive: true })
      Fs.writeFileSync(Path.join(foreign, "notes.txt"), "mine")
      const error = explain(yield* Effect.flip(install(project)))
      assert.strictEqual(error?._tag, "ForeignContent")
      assert.strictEqual((yield* TrustBook.read).pins.size, 0)
      Fs.rmSync(foreign, { recursive: true })
      const report = yield* install(project)
      assert.deepStrictEqual(
        report.pinned.map(({ name }) => name),
        ["leaf", "top"]
      )
      assert.strictEqual((yield* TrustBook.read).pins.size, 2)
      assert.deepStrictEqual((yield* install(copy(project, Path.join(root, "other")))).pinned, [])
    }))
})

/** A disk on which no package.json of a project can be written. */
const withoutManifest = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(FileSystem.FileSystem, (fs) =>
    FileSystem.make({
      ...fs,
      rename: (from, to) =>
        to.endsWith("project/package.json")
          ? Effect.fail(
              PlatformError.systemError({
                _tag: "PermissionDenied",
                module: "FileSystem",
                method: "rename",
                pathOrDescriptor: to
              })
            )
          : fs.rename(from, to)
    })
  )
)

describe("an install that fails", () => {
  test("at package.json leaves the lock file that was there", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, lib("a", "1.0.0"), lib("b", "1.0.0"))
      const failing = install(project, { add: [spec("b")] }).pipe(
        Effect.provide(onDisk(withoutManifest), { local: true })
      )
      assert.strictEqual(explain(yield* Effect.flip(failing))?._tag, "StorageFailed")
      assert.deepStrictEqual(Fs.readdirSync(project), [])
      yield* install(project, { add: [spec("a")] })
      const before = tree(project)
      assert.strictEqual(explain(yield* Effect.flip(failing))?._tag, "StorageFailed")
      assert.deepStrictEqual(tree(project), before)
    }))

  test("has noted the project, so that what it fetched stays", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, lib("a", "1.0.0"))
      writeProject(project, { dependencies: { a: "1" } })
      yield* install(project)
      const other = copy(project, Path.join(root, "other"))
      Fs.mkdirSync(Path.join(other, "node_modules/a"), { recursive: true })
      Fs.writeFileSync(Path.join(other, "node_modules/a/notes.txt"), "mine")
      yield* Effect.flip(install(other))
      assert.include(
        (yield* KnownProjects.list()).map(({ directory }) => directory),
        other
      )
    }))
})

describe("scripts", () => {
  test("of other packages run once, where one of an optional package fails", ({ project, root }) =>
    Effect.gen(function* () {
      const log = Path.join(root, "ran.log")
      yield* publish(
        root,
        lib("alpha", "1.0.0", { scripts: { install: `echo alpha >> ${log}; echo built > built.txt` } }),
        lib("omega", "1.0.0", { scripts: { install: "exit 3" } })
      )
      const allowScripts = ["alpha", "omega"]
      writeProject(project, {
        dependencies: { alpha: "1" },
        optionalDependencies: { omega: "1" },
        libreseed: { allowScripts }
      })
      const report = yield* install(project)
      assert.strictEqual(Fs.readFileSync(log, "utf8"), "alpha\n")
      assert.deepStrictEqual(report.scripts.run, ["alpha@1.0.0"])
      assert.strictEqual(readText(project, "node_modules/alpha/built.txt"), "built\n")
    }))

  test("may no longer run once their package was taken away", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, lib("alpha", "1.0.0", { scripts: { install: "exit 0" } }), lib("beta", "1.0.0"))
      writeProject(project, { dependencies: { alpha: "1", beta: "1" }, libreseed: { allowScripts: ["alpha", "beta"] } })
      yield* install(project)
      yield* install(project, { remove: ["alpha"] })
      assert.deepStrictEqual(JSON.parse(readText(project, "package.json")), {
        dependencies: { beta: "1" },
        libreseed: { allowScripts: ["beta"] }
      })
    }))
})

describe("an update", () => {
  test("of what the project does not have is an error, and of what others depend on is none", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, lib("leaf", "1.0.0"), lib("top", "1.0.0", { dependencies: { leaf: "1" } }))
      writeProject(project, { dependencies: { top: "1" } })
      yield* install(project)
      const error = explain(yield* Effect.flip(install(project, { update: new Set(["leaf", "nosuch"]) })))
      assert.strictEqual(error?._tag, "NotInstalled")
      assert.match(error!.message, /^nosuch: not found/)
      yield* publish(root, lib("leaf", "1.1.0"))
      assert.deepStrictEqual((yield* install(project, { update: new Set(["leaf"]) })).added, ["leaf@1.1.0"])
    }))
})
