import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { explain } from "../../../src/protocol/core/Errors.ts"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import * as WarmTree from "../../../src/runtime/install/WarmTree.ts"
import * as FileTrustBook from "../../../src/runtime/store/FileTrustBook.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import { test } from "./Project.ts"
import { install, installOffline, publish, readText, type Source, writeProject } from "./Registry.ts"

const lib = (name: string, version: string, more: object = {}): Source => ({ json: { name, version, ...more } })

const REQUEST = { production: false, engineStrict: false }

const wishes = { dependencies: { top: "^2.0.0", leaf: "^2.0.0" } }

interface Draft {
  project: Record<string, string>
  packages: Record<string, { dependencies: Record<string, string> }>
  answers: Record<string, string>
}

/** A project with `leaf` in two versions in its store, and the lock of the older one. */
const prepared = Effect.fnUntraced(function* (root: string, project: string) {
  yield* publish(
    root,
    lib("leaf", "1.0.0"),
    lib("leaf", "2.0.0"),
    lib("evil", "1.0.0", { bin: "index.js" }),
    lib("top", "2.0.0", { dependencies: { leaf: ">=2.0.0 <3 || 2.0.0 - 2.9.0" } })
  )
  writeProject(project, { dependencies: { leaf: "^1.0.0", evil: "1" } })
  yield* install(project).pipe(Effect.provide(FileTrustBook.layer))
  const others: Draft = JSON.parse(readText(project, "libreseed.lock.json"))
  writeProject(project, wishes)
  yield* install(project).pipe(Effect.provide(FileTrustBook.layer))
  return others
})

/** Somebody's checkout, with a lock file that was edited. */
const checkOut = (project: string, at: string, edit: (draft: Draft) => void): string => {
  Fs.mkdirSync(at)
  Fs.copyFileSync(Path.join(project, "package.json"), Path.join(at, "package.json"))
  const draft: Draft = JSON.parse(readText(project, "libreseed.lock.json"))
  edit(draft)
  Fs.writeFileSync(Path.join(at, "libreseed.lock.json"), `${JSON.stringify(draft, null, 2)}\n`)
  return at
}

describe("a lock that somebody edited", () => {
  const edits: ReadonlyArray<readonly [string, (draft: Draft, others: Draft) => void, string]> = [
    [
      "gives the project an older version than it asks for",
      (draft, others) => {
        Object.assign(draft.packages, { "leaf@1.0.0": others.packages["leaf@1.0.0"] })
        draft.project["leaf"] = "leaf@1.0.0"
      },
      "the project asks for leaf@^2.0.0, and has leaf@1.0.0"
    ],
    [
      "takes from the project what it asks for",
      (draft) => void delete draft.project["leaf"],
      "the project asks for leaf@^2.0.0, and has nothing for it"
    ],
    [
      "gives a package an older version than it asks for",
      (draft, others) => {
        Object.assign(draft.packages, { "leaf@1.0.0": others.packages["leaf@1.0.0"] })
        draft.packages["top@2.0.0"]!.dependencies["leaf"] = "leaf@1.0.0"
      },
      "and is locked to 1.0.0"
    ],
    [
      "takes from a package what it asks for",
      (draft) => void delete draft.packages["top@2.0.0"]!.dependencies["leaf"],
      "and is locked without it"
    ],
    [
      "gives a package what it does not ask for",
      (draft, others) => {
        Object.assign(draft.packages, { "evil@1.0.0": others.packages["evil@1.0.0"] })
        draft.packages["leaf@2.0.0"]!.dependencies["evil"] = "evil@1.0.0"
      },
      "leaf@2.0.0 does not depend on evil"
    ],
    [
      "gives the project what nothing asks for",
      (draft, others) => {
        Object.assign(draft.packages, { "evil@1.0.0": others.packages["evil@1.0.0"] })
        draft.project["evil"] = "evil@1.0.0"
      },
      "the project has evil, for which nothing asks"
    ]
  ]
  for (const [title, edit, problem] of edits) {
    test(`is refused where it ${title}, by every way to install`, ({ project, root }) =>
      Effect.gen(function* () {
        const others = yield* prepared(root, project)
        const other = checkOut(project, Path.join(root, "other"), (draft) => edit(draft, others))
        assert.isUndefined(yield* WarmTree.install(other, yield* Home, REQUEST))
        for (const frozen of [true, false]) {
          const error = explain(yield* Effect.flip(install(other, { frozen })))
          assert.strictEqual(error?._tag, "InvalidLockFile")
          assert.include(error?.message, problem)
        }
        assert.isFalse(Fs.existsSync(Path.join(other, "node_modules")))
      }))
  }

  test("and put back again is installed, by the short way too", ({ project, root }) =>
    Effect.gen(function* () {
      yield* prepared(root, project)
      const other = checkOut(project, Path.join(root, "other"), () => undefined)
      const report = yield* WarmTree.install(other, yield* Home, REQUEST)
      assert.strictEqual(report?.packages, 2)
      assert.deepStrictEqual(report?.warnings, [])
      const third = checkOut(project, Path.join(root, "third"), () => undefined)
      // What was signed is known of unpacked files too, where the tarballs are gone.
      const store = yield* PackageStore
      for (const release of yield* store.list) yield* store.remove(release)
      assert.strictEqual((yield* installOffline(third, { frozen: true })).packages, 2)
    }))

  test("may have peers that were added, and optional ones", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(
        root,
        lib("host", "3.0.0"),
        lib("plugin", "1.0.0", {
          peerDependencies: { host: ">=3", other: "1" },
          peerDependenciesMeta: { other: { optional: true } }
        })
      )
      writeProject(project, {
        dependencies: { plugin: "1" },
        peerDependencies: { host: "3" },
        peerDependenciesMeta: { host: { optional: true } }
      })
      yield* install(project).pipe(Effect.provide(FileTrustBook.layer))
      const other = checkOut(project, Path.join(root, "other"), () => undefined)
      assert.strictEqual((yield* installOffline(other, { frozen: true })).packages, 2)
      const warm = checkOut(project, Path.join(root, "warm"), () => undefined)
      assert.strictEqual((yield* WarmTree.install(warm, yield* Home, REQUEST))?.packages, 2)
      writeProject(other, { dependencies: { plugin: "1" }, peerDependencies: { host: "3" } })
      const error = explain(yield* Effect.flip(install(other, { frozen: true })))
      assert.strictEqual(error?._tag, "LockOutdated")
      assert.include(error?.message, "the peer host is needed, and locked as optional")
    }))
})
