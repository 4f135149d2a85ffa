import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { KeyName, Keystore } from "../../../src/protocol/core/Keystore.ts"
import * as Revocation from "../../../src/protocol/trust/Revocation.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as LightTrust from "../../../src/runtime/install/LightTrust.ts"
import * as WarmTree from "../../../src/runtime/install/WarmTree.ts"
import * as FileRecordStore from "../../../src/runtime/store/FileRecordStore.ts"
import * as FileTrustBook from "../../../src/runtime/store/FileTrustBook.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import { UnpackedReleases } from "../../../src/runtime/store/UnpackedReleases.ts"
import { tree } from "./Packages.ts"
import { test } from "./Project.ts"
import { install, publish, readText, type Source, writeProject } from "./Registry.ts"

const REQUEST = { production: false, engineStrict: false }

const sources: ReadonlyArray<Source> = [
  { json: { name: "dev", version: "1.0.0" } },
  { json: { name: "leaf", version: "1.0.0", engines: { node: ">= 4 || <1" } } },
  { json: { name: "top", version: "1.0.0", dependencies: { leaf: "1" }, bin: "index.js" } }
]

const wishes = { dependencies: { top: "^1.0.0" }, devDependencies: { dev: "1" } }

/** A project that was installed, and the store that it was installed from, with a trust book on the disk. */
const prepared = Effect.fnUntraced(function* (root: string, project: string) {
  yield* publish(root, ...sources)
  writeProject(project, wishes)
  yield* install(project).pipe(Effect.provide(FileTrustBook.layer))
})

const again = (project: string, at: string): string => {
  Fs.mkdirSync(at)
  for (const name of ["package.json", "libreseed.lock.json"]) {
    Fs.copyFileSync(Path.join(project, name), Path.join(at, name))
  }
  return at
}

describe("WarmTree", () => {
  test("installs just what the long way installs", ({ project, root }) =>
    Effect.gen(function* () {
      yield* prepared(root, project)
      const warm = again(project, Path.join(root, "warm"))
      const report = yield* WarmTree.install(warm, yield* Home, REQUEST)
      assert.strictEqual(report?.packages, 3)
      assert.deepStrictEqual(tree(warm), tree(project))
      assert.isTrue((yield* WarmTree.install(warm, yield* Home, REQUEST))?.upToDate)
      const production = yield* WarmTree.install(warm, yield* Home, { ...REQUEST, production: true })
      assert.deepStrictEqual(production?.removed, ["dev@1.0.0"])
    }))

  const unusual: ReadonlyArray<
    readonly [string, (project: string, home: Home, key: string) => Effect.Effect<unknown, unknown, UnpackedReleases>]
  > = [
    ["there is no lock file", (project) => Effect.sync(() => Fs.rmSync(Path.join(project, "libreseed.lock.json")))],
    [
      "package.json asks for something else",
      (project) => Effect.sync(() => writeProject(project, { dependencies: { top: "*" } }))
    ],
    [
      "package.json cannot be read",
      (project) => Effect.sync(() => Fs.writeFileSync(Path.join(project, "package.json"), "{"))
    ],
    [
      "a release is not unpacked",
      () =>
        Effect.flatMap(UnpackedReleases, ({ list, remove }) =>
          Effect.flatMap(list, ([first]) => remove(first!.contentHash))
        )
    ],
    [
      "a file of the store was changed",
      () =>
        Effect.flatMap(UnpackedReleases, ({ list }) =>
          Effect.map(list, ([first]) => Fs.appendFileSync(Path.join(first!.directory, "index.js"), "//"))
        )
    ],
    [
      "the lock leads out of node_modules",
      (project) =>
        Effect.sync(() => {
          const text = readText(project, "libreseed.lock.json").replaceAll('"leaf"', '"../leaf"')
          Fs.writeFileSync(Path.join(project, "libreseed.lock.json"), text)
        })
    ],
    [
      "a name is pinned to another publisher",
      (_project, { trust }) =>
        Effect.sync(() => {
          const book = JSON.parse(Fs.readFileSync(trust, "utf8"))
          book.pins[0].publisher = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
          Fs.writeFileSync(trust, JSON.stringify(book))
        })
    ],
    [
      "a publisher is known to be revoked",
      (_project, { trust }, publisher) =>
        Effect.sync(() => {
          const book = JSON.parse(Fs.readFileSync(trust, "utf8"))
          book.revoked = [{ publisher, reason: "", timestamp: 1, since: 1 }]
          Fs.writeFileSync(trust, JSON.stringify(book))
        })
    ]
  ]
  for (const [title, change] of unusual) {
    test(`leaves it to the long way where ${title}`, ({ project, root }) =>
      Effect.gen(function* () {
        yield* prepared(root, project)
        const warm = again(project, Path.join(root, "warm"))
        const home = yield* Home
        const key = Object.values(
          JSON.parse(readText(project, "libreseed.lock.json")).packages as Record<
            string,
            { readonly publisher: string }
          >
        )[0]!
        yield* change(warm, home, key.publisher)
        assert.isUndefined(yield* WarmTree.install(warm, home, REQUEST))
        assert.isFalse(Fs.existsSync(Path.join(warm, "node_modules")))
      }))
  }

  test("leaves it to the long way where a revocation is remembered as a record alone", ({ project, root }) =>
    Effect.gen(function* () {
      yield* prepared(root, project)
      const home = yield* Home
      const keystore = yield* Keystore
      const key = yield* keystore.load(KeyName.make("publisher"))
      const uses = [{ name: "top", publisher: Buffer.from(key.publicKey).toString("base64") }]
      assert.isTrue(LightTrust.isSettled(home.trust, home.records, uses))
      yield* Effect.gen(function* () {
        const records = yield* RecordStore
        yield* records.remember(
          Revocation.sign(key, { reason: Revocation.DEFAULT_REASON, timestamp: 1, successor: undefined })
        )
      }).pipe(Effect.provide(FileRecordStore.layer))
      assert.isFalse(LightTrust.isSettled(home.trust, home.records, uses))
    }))
})
