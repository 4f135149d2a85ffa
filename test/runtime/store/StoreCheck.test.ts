/** Reading the whole store: what is damaged is told of, and made whole when asked. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { keyOfStored } from "../../../src/protocol/swarm/PackageStore.ts"
import * as RepairRelease from "../../../src/protocol/swarm/RepairRelease.ts"
import { Swarm } from "../../../src/protocol/swarm/Swarm.ts"
import * as Testing from "../../../src/protocol/testing/index.ts"
import { contentOf } from "../../../src/protocol/testing/PackageStoreMemory.ts"
import * as LockedRelease from "../../../src/protocol/trust/LockedRelease.ts"
import * as FilePackageStore from "../../../src/runtime/store/FilePackageStore.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as StoreCheck from "../../../src/runtime/store/StoreCheck.ts"
import { UnpackedReleases } from "../../../src/runtime/store/UnpackedReleases.ts"
import { fetchedFrom, tree, writePackage } from "../install/Packages.ts"
import { test } from "../install/Project.ts"

const repairing = StoreCheck.run({
  repair: (stored) => RepairRelease.repair(stored, { timeout: "1 second" }),
  recover: ({ name, publisher, version }) =>
    Effect.flatMap(LockedRelease.find(publisher, name, version), (choice) =>
      RepairRelease.recover(choice, { timeout: "1 second" })
    )
})

const flip = (file: string, at: number) => {
  const bytes = Fs.readFileSync(file)
  bytes[at]! ^= 1
  Fs.writeFileSync(file, bytes)
}

const setUp = Effect.fnUntraced(function* (root: string) {
  const { packages } = yield* Home
  const unpacked = yield* UnpackedReleases
  const fetched = yield* fetchedFrom(writePackage(root, "a", "1.0.0", { "index.js": "1", "bin/run": "#!/bin/sh" }))
  yield* fetchedFrom(writePackage(root, "b", "1.0.0", {}))
  const directory = Path.join(packages, keyOfStored(fetched))
  return { fetched, directory, tarball: Path.join(directory, fetched.torrent.tarball.path), unpacked }
})

describe("StoreCheck", () => {
  test("finds nothing in a store as it should be, and tells how far it is", ({ root }) =>
    Effect.gen(function* () {
      const { fetched, unpacked } = yield* setUp(root)
      yield* unpacked.ensure(fetched)
      const told: Array<string> = []
      const report = yield* StoreCheck.run({
        onProgress: (done, of) => Effect.sync(() => void told.push(`${done} of ${of}`))
      })
      assert.deepStrictEqual([report.releases, report.unpacked, report.damages], [2, 1, []])
      assert.isAbove(report.bytes, 0)
      assert.strictEqual(told.at(-1), "3 of 3")
    }))

  test("finds one bit flipped anywhere in manifest or tarball, and changes nothing", ({ root }) =>
    Effect.gen(function* () {
      const { directory, tarball } = yield* setUp(root)
      for (const file of [Path.join(directory, "manifest.json"), tarball]) {
        const { length } = Fs.readFileSync(file)
        for (const at of [0, length >> 1, length - 1]) {
          flip(file, at)
          const before = tree(directory)
          const { damages } = yield* StoreCheck.run()
          assert.deepStrictEqual(
            damages.map(({ kind, package: label, pieces, repaired }) => [kind, label, pieces, repaired]),
            [["release", "a@1.0.0", [0], false]]
          )
          assert.deepStrictEqual(tree(directory), before)
          flip(file, at)
        }
      }
    }))

  test("finds what is missing", ({ root }) =>
    Effect.gen(function* () {
      const { directory } = yield* setUp(root)
      // Nobody has it open any more, as in a program that has just started.
      Fs.rmSync(Path.join(directory, "manifest.json"))
      const { damages } = yield* Effect.provide(StoreCheck.run(), Layer.fresh(FilePackageStore.layer), { local: true })
      assert.deepStrictEqual(damages.length, 1)
      assert.include(damages[0]?.problem, "ENOENT")
    }))

  test("finds what is cut short", ({ root }) =>
    Effect.gen(function* () {
      const { tarball } = yield* setUp(root)
      Fs.truncateSync(tarball, 10)
      assert.include((yield* StoreCheck.run()).damages[0]?.problem, "ends early")
    }))

  test("repairs from whoever has it whole, and says when nobody has", ({ network, root }) =>
    Effect.gen(function* () {
      const { directory, fetched, tarball } = yield* setUp(root)
      const before = tree(directory)
      const bytes = new Uint8Array(
        Buffer.concat([Fs.readFileSync(Path.join(directory, "manifest.json")), Fs.readFileSync(tarball)])
      )
      flip(tarball, 30)
      const [alone] = (yield* repairing).damages
      assert.deepStrictEqual([alone?.package, alone?.repaired], ["a@1.0.0", false])
      assert.include(alone?.unrepaired, "No peer serves")
      const other = Context.get(yield* Layer.build(Testing.host(network, { host: "10.0.0.9" })), Swarm)
      yield* other.seed(fetched.torrent, contentOf(bytes))
      const [repaired] = (yield* repairing).damages
      assert.deepStrictEqual(
        [repaired?.package, repaired?.repaired, repaired?.unrepaired],
        ["a@1.0.0", true, undefined]
      )
      assert.deepStrictEqual(tree(directory), before)
      assert.deepStrictEqual((yield* StoreCheck.run()).damages, [])
    }))

  test("has a release again whose record was torn, from the files beside it", ({ root }) =>
    Effect.gen(function* () {
      const { directory } = yield* setUp(root)
      const file = Path.join(directory, "release")
      const record = Fs.readFileSync(file)
      Fs.writeFileSync(file, record.subarray(0, 40))
      const [damage] = (yield* StoreCheck.run()).damages
      assert.deepStrictEqual([damage?.kind, damage?.package, damage?.repaired], ["directory", "a@1.0.0", false])
      assert.isTrue((yield* repairing).damages[0]?.repaired)
      assert.deepStrictEqual((yield* StoreCheck.run()).damages, [])
      assert.deepStrictEqual(Fs.readFileSync(file), record)
    }))

  test("believes no manifest.json that lies in another release's place", ({ root }) =>
    Effect.gen(function* () {
      const { directory } = yield* setUp(root)
      const { packages } = yield* Home
      const strange = Path.join(packages, "a".repeat(64))
      Fs.cpSync(directory, strange, { recursive: true })
      Fs.writeFileSync(Path.join(strange, "release"), "")
      const [damage] = (yield* repairing).damages
      assert.deepStrictEqual([damage?.package, damage?.repaired, damage?.directory], [undefined, false, "a".repeat(64)])
    }))

  test("finds every change to unpacked files, and unpacks them again", ({ root }) =>
    Effect.gen(function* () {
      const { fetched, unpacked } = yield* setUp(root)
      const { directory } = yield* unpacked.ensure(fetched)
      const before = tree(directory)
      const changes: ReadonlyArray<() => void> = [
        () => Fs.writeFileSync(Path.join(directory, "index.js"), "2"),
        () => Fs.chmodSync(Path.join(directory, "index.js"), 0o755),
        () => Fs.writeFileSync(Path.join(directory, "more.js"), "3"),
        () => Fs.rmSync(Path.join(directory, "index.js")),
        () => Fs.symlinkSync("/etc/passwd", Path.join(directory, "link"))
      ]
      for (const change of changes) {
        change()
        const [damage] = (yield* StoreCheck.run()).damages
        assert.deepStrictEqual([damage?.kind, damage?.package, damage?.repaired], ["files", "a@1.0.0", false])
        const [mended] = (yield* repairing).damages
        assert.isTrue(mended?.repaired)
        assert.deepStrictEqual(tree(directory), before)
        assert.deepStrictEqual((yield* StoreCheck.run()).damages, [])
      }
    }))

  test("finds a change that kept size and time", ({ root }) =>
    Effect.gen(function* () {
      const { fetched, unpacked } = yield* setUp(root)
      const file = Path.join((yield* unpacked.ensure(fetched)).directory, "index.js")
      const { atime, mtime } = Fs.statSync(file)
      Fs.writeFileSync(file, "2")
      Fs.utimesSync(file, atime, mtime)
      assert.strictEqual((yield* StoreCheck.run()).damages[0]?.kind, "files")
    }))

  test("names the file whose content differs, in a copy where all have other times", ({ root }) =>
    Effect.gen(function* () {
      const { fetched, unpacked } = yield* setUp(root)
      const { directory } = yield* unpacked.ensure(fetched)
      for (const path of tree(directory).keys()) Fs.utimesSync(Path.join(directory, path), 1, 1)
      assert.deepStrictEqual((yield* StoreCheck.run()).damages, [])
      Fs.writeFileSync(Path.join(directory, "index.js"), "2")
      Fs.utimesSync(Path.join(directory, "index.js"), 1, 1)
      const [damage] = (yield* StoreCheck.run()).damages
      assert.strictEqual(damage?.problem, "index.js was changed")
    }))
})
