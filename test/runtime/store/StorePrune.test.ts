/** Making room: what stays, what goes, and that it goes wholly. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Keystore } from "../../../src/protocol/core/Keystore.ts"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import type * as LockFile from "../../../src/protocol/registry/LockFile.ts"
import { keyOfStored, PackageStore, type StoredRelease } from "../../../src/protocol/swarm/PackageStore.ts"
import * as KeystoreMemory from "../../../src/protocol/testing/KeystoreMemory.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as KnownProjects from "../../../src/runtime/store/KnownProjects.ts"
import * as ModulePlaces from "../../../src/runtime/store/ModulePlaces.ts"
import * as StoreIndex from "../../../src/runtime/store/StoreIndex.ts"
import * as StorePrune from "../../../src/runtime/store/StorePrune.ts"
import { UnpackedReleases } from "../../../src/runtime/store/UnpackedReleases.ts"
import { fetchedFrom, writePackage } from "../install/Packages.ts"
import { test } from "../install/Project.ts"

const DAY_MS = 24 * 60 * 60 * 1000

/** As somebody who has published nothing. */
const asUser = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const keystore = Context.get(yield* Layer.build(Layer.fresh(KeystoreMemory.layer)), Keystore)
    return yield* Effect.provideService(work, Keystore, keystore)
  })

const planned = (rule: StorePrune.Rule) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { index } = yield* StoreIndex.open
      return yield* StorePrune.plan(yield* index.all, rule)
    })
  )

const labels = (plan: StorePrune.Plan) => plan.releases.map(({ name, version }) => `${name}@${version}`)

const lockOf = (releases: ReadonlyArray<StoredRelease>): LockFile.LockFile => ({
  lockfileVersion: 1,
  wishes: {},
  project: {},
  packages: Object.fromEntries(
    releases.map(({ publisher, release, torrent }) => [
      `${release.n}@${release.v}`,
      {
        name: release.n,
        version: release.v,
        publisher: PublicKey.toBase64(publisher),
        infohash: Buffer.from(torrent.infohash).toString("hex"),
        integrity: `sha512-${"A".repeat(86)}==`,
        dependencies: {}
      }
    ])
  ),
  answers: {}
})

const setUp = Effect.fnUntraced(function* (root: string) {
  const { packages } = yield* Home
  const old = yield* fetchedFrom(writePackage(root, "old", "1.0.0", { "index.js": "1" }))
  const used = yield* fetchedFrom(writePackage(root, "used", "1.0.0", { "index.js": "2" }))
  const oldFile = Path.join(packages, keyOfStored(old), "release")
  Fs.utimesSync(oldFile, new Date(Date.now() - 40 * DAY_MS), new Date(Date.now() - 40 * DAY_MS))
  return { old, used, packages }
})

const days = (count: number): StorePrune.Rule => ({ _tag: "Days", days: count })

describe("StorePrune", () => {
  test("removes what no known project uses, and keeps what one does", ({ project, root }) =>
    Effect.gen(function* () {
      const { used } = yield* setUp(root)
      Fs.writeFileSync(Path.join(project, "libreseed.lock.json"), JSON.stringify(lockOf([used])))
      yield* KnownProjects.note(project)
      const projects = yield* KnownProjects.list()
      assert.deepStrictEqual(
        projects.map(({ directory }) => directory),
        [project]
      )
      const plan = yield* asUser(planned({ _tag: "Projects", projects }))
      assert.deepStrictEqual(labels(plan), ["old@1.0.0"])
      assert.strictEqual(plan.kept, 1)
      yield* StorePrune.carryOut(plan)
      const store = yield* PackageStore
      assert.deepStrictEqual(
        (yield* store.list).map(({ release }) => String(release.n)),
        ["used"]
      )
    }))

  test("removes what was of no use for so long", ({ root }) =>
    Effect.gen(function* () {
      yield* setUp(root)
      assert.deepStrictEqual(labels(yield* asUser(planned(days(41)))), [])
      assert.deepStrictEqual(labels(yield* asUser(planned(days(39)))), ["old@1.0.0"])
      assert.deepStrictEqual(labels(yield* asUser(planned(days(0)))), ["old@1.0.0", "used@1.0.0"])
    }))

  test("never removes what this home has published", ({ root }) =>
    Effect.gen(function* () {
      yield* setUp(root)
      const plan = yield* planned(days(0))
      assert.deepStrictEqual([labels(plan), plan.kept], [[], 2])
    }))

  test("changes nothing by planning, and frees what it said", ({ root }) =>
    Effect.gen(function* () {
      const { old, packages } = yield* setUp(root)
      const unpacked = yield* UnpackedReleases
      const { directory } = yield* unpacked.ensure(old)
      // A project holds one of the files: removing ours frees nothing of that.
      Fs.linkSync(Path.join(directory, "index.js"), Path.join(root, "linked.js"))
      const sizeOf = (path: string) => Fs.statSync(path).size
      const expected =
        Fs.readdirSync(Path.join(packages, keyOfStored(old)))
          .map((name) => sizeOf(Path.join(packages, keyOfStored(old), name)))
          .reduce((sum, size) => sum + size, 0) + sizeOf(Path.join(directory, "package.json"))
      const plan = yield* asUser(planned(days(39)))
      assert.strictEqual(plan.bytes, expected)
      assert.isTrue(Fs.existsSync(directory))
      yield* StorePrune.carryOut(plan)
      assert.isFalse(Fs.existsSync(directory))
      assert.isFalse(Fs.existsSync(Path.join(packages, keyOfStored(old))))
      assert.strictEqual(Fs.readFileSync(Path.join(root, "linked.js"), "utf8"), "1")
      yield* StorePrune.carryOut(plan)
    }))

  test("keeps unpacked files that another release shares", ({ root }) =>
    Effect.gen(function* () {
      const { old } = yield* setUp(root)
      const unpacked = yield* UnpackedReleases
      yield* unpacked.ensure(old)
      const all = yield* Effect.scoped(Effect.flatMap(StoreIndex.open, ({ index }) => index.all))
      const [first] = all
      const twin = { ...first!, key: "f".repeat(64), usedAt: Date.now() }
      const plan = yield* asUser(StorePrune.plan([...all, twin], days(39)))
      assert.deepStrictEqual(plan.unpacked, [])
      assert.deepStrictEqual(labels(plan), ["old@1.0.0"])
    }))

  test("clears what killed processes have left: downloads after a week, removals at once", ({ root }) =>
    Effect.gen(function* () {
      yield* setUp(root)
      const { downloads, packages } = yield* Home
      const cut = Path.join(downloads, "ab".repeat(20))
      const arriving = Path.join(downloads, "cd".repeat(20))
      const gone = Path.join(packages, `${"e".repeat(64)}.gone`)
      const { root: files } = yield* UnpackedReleases
      const unfinished = Path.join(files, `${"a".repeat(64)}.new`)
      const unpacking = Path.join(files, `${"b".repeat(64)}.new`)
      for (const directory of [cut, arriving, gone, unfinished, unpacking]) {
        Fs.mkdirSync(directory, { recursive: true })
        Fs.writeFileSync(Path.join(directory, "part.tgz"), "12345")
      }
      const old = new Date(Date.now() - 8 * DAY_MS)
      Fs.utimesSync(Path.join(cut, "part.tgz"), old, old)
      Fs.utimesSync(cut, old, old)
      Fs.utimesSync(unfinished, old, old)
      const plan = yield* asUser(planned({ _tag: "Projects", projects: [] }))
      assert.deepStrictEqual(plan.downloads, [Path.basename(cut)])
      yield* StorePrune.carryOut({ ...plan, releases: [] })
      assert.deepStrictEqual(
        [cut, arriving, gone, unfinished, unpacking].map((path) => Fs.existsSync(path)),
        [false, true, false, false, true]
      )
    }))

  test("removes the places from which programs import what goes, and what was left half made of others", ({ root }) =>
    Effect.gen(function* () {
      const { old, used } = yield* setUp(root)
      const unpacked = yield* UnpackedReleases
      const { directory: home } = yield* Home
      const modules = Path.join(home, "modules")
      Fs.mkdirSync(modules)
      const integrity = (letter: string) => `sha512-${letter.repeat(86)}==`
      /** A link and a further place, as an import makes them. */
      const place = (letter: string, files: string) => {
        ModulePlaces.link(Path.join(modules, ModulePlaces.keyOf(integrity(letter))), Path.basename(files))
        const copy = Path.join(modules, ModulePlaces.copyOf(integrity(letter), 1))
        Fs.mkdirSync(copy)
        for (const name of ["index.js", "package.json"]) Fs.linkSync(Path.join(files, name), Path.join(copy, name))
      }
      const { directory: oldFiles } = yield* unpacked.ensure(old)
      place("A", oldFiles)
      place("B", (yield* unpacked.ensure(used)).directory)
      place("C", oldFiles)
      Fs.rmSync(Path.join(modules, "C".repeat(86)))
      const [abandoned, making, foreign] = [`${"B".repeat(86)}.2.123.456`, `${"B".repeat(86)}.2.124.457`, "notes"]
      for (const name of [abandoned, making, foreign]) Fs.mkdirSync(Path.join(modules, name!))
      const before = new Date(Date.now() - 2 * ModulePlaces.MAKING_TAKES_MS)
      Fs.utimesSync(Path.join(modules, abandoned), before, before)
      const plan = yield* asUser(planned(days(39)))
      // All names of the files go, so that their bytes come free.
      const bytes = ["index.js", "package.json"].reduce(
        (sum, name) => sum + Fs.statSync(Path.join(oldFiles, name)).size,
        0
      )
      const stored = Path.join((yield* Home).packages, keyOfStored(old))
      const ofStore = Fs.readdirSync(stored).reduce((sum, name) => sum + Fs.statSync(Path.join(stored, name)).size, 0)
      assert.strictEqual(plan.bytes, bytes + ofStore)
      yield* StorePrune.carryOut(plan)
      assert.deepStrictEqual(
        Fs.readdirSync(modules).toSorted(),
        ["B".repeat(86), `${"B".repeat(86)}.1`, making, foreign].toSorted()
      )
      assert.deepStrictEqual(Fs.readdirSync(Path.join(modules, `${"B".repeat(86)}.1`)), ["index.js", "package.json"])
    }))

  test("removes a release and its twin in memory of nobody else: the index agrees afterwards", ({ root }) =>
    Effect.gen(function* () {
      const { old } = yield* setUp(root)
      const plan = yield* asUser(planned(days(39)))
      yield* StorePrune.carryOut(plan)
      const all = yield* Effect.scoped(Effect.flatMap(StoreIndex.open, ({ index }) => index.all))
      assert.deepStrictEqual(
        all.map(({ name }) => String(name)),
        ["used"]
      )
      const store = yield* PackageStore
      assert.isTrue(Option.isNone(yield* store.find(old.publisher, old.release.n, old.release.v)))
    }))
})

describe("KnownProjects", () => {
  test("forgets projects without a lock file, and refuses to guess where one cannot be read", ({ project }) =>
    Effect.gen(function* () {
      yield* KnownProjects.note(project)
      yield* KnownProjects.note(project)
      assert.deepStrictEqual(yield* KnownProjects.list(), [])
      Fs.writeFileSync(Path.join(project, "libreseed.lock.json"), "{")
      assert.strictEqual((yield* Effect.flip(KnownProjects.list()))._tag, "DependencyError")
      Fs.rmSync(Path.join(project, "libreseed.lock.json"))
      Fs.mkdirSync(Path.join(project, "libreseed.lock.json"))
      assert.deepStrictEqual(yield* KnownProjects.list(), [])
    }))
})
