import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as DependencyTree from "../../../src/protocol/registry/DependencyTree.ts"
import * as LockDifference from "../../../src/protocol/registry/LockDifference.ts"
import * as LockFile from "../../../src/protocol/registry/LockFile.ts"
import { choiceOf, type Counted, type Packages, source, type Wishes } from "./Dependencies.ts"

const packages: Packages = {
  "a@1.0.0": { dependencies: { b: "^1", c: "*" }, os: ["linux"] },
  "b@1.1.0": { peerDependencies: { c: ">=1" } },
  "c@1.0.0": {}
}
const wishes: Wishes = { dependencies: { a: "^1", c: "1.x" }, optionalDependencies: { gone: "^9" } }

const lockOf = (of: Wishes, from: Packages) =>
  Effect.map(DependencyTree.resolveTree(of, source(from)), (tree) => LockFile.make(of, tree))

const releaseOf = (_publisher: unknown, name: string, version: string) => Effect.succeed(choiceOf(`${name}@${version}`))

describe("a lock file", () => {
  it.effect("has for every package where its bytes come from", () =>
    Effect.gen(function* () {
      const lock = yield* lockOf(wishes, packages)
      assert.deepStrictEqual(Object.keys(lock.packages), ["a@1.0.0", "b@1.1.0(c@1.0.0)", "c@1.0.0"])
      const a = lock.packages["a@1.0.0"]!
      assert.match(a.infohash, /^[0-9a-f]{40}$/)
      assert.match(a.integrity, /^sha512-/)
      assert.deepStrictEqual(a.os, ["linux"])
      assert.deepStrictEqual({ ...a.dependencies }, { b: "b@1.1.0(c@1.0.0)", c: "c@1.0.0" })
      assert.deepStrictEqual(
        { ...lock.answers },
        { "a@^1": "a@1.0.0", "b@^1": "b@1.1.0", "c@*": "c@1.0.0", "c@1.x": "c@1.0.0" }
      )
    })
  )

  it.effect("reads back as what was written", () =>
    Effect.gen(function* () {
      const lock = yield* lockOf(wishes, packages)
      const text = LockFile.toText(lock)
      assert.strictEqual(LockFile.toText(yield* LockFile.parse(text)), text)
      assert.isTrue(LockFile.answers(yield* LockFile.parse(text), wishes))
      assert.isFalse(LockFile.answers(lock, { dependencies: { a: "^1" } }))
    })
  )

  it.effect("keeps a tree where it was while newer versions come out", () =>
    Effect.gen(function* () {
      const lock = yield* lockOf(wishes, packages)
      const later: Packages = {
        ...packages,
        "b@1.2.0": {},
        "c@1.5.0": {},
        "a@1.9.0": {},
        "d@1.0.0": { dependencies: { c: "^1.2" } }
      }
      const counted: Counted = { resolved: 0, described: 0 }
      const again = yield* DependencyTree.resolveTree(wishes, LockFile.prefer(lock, source(later, counted), releaseOf))
      assert.strictEqual(LockFile.toText(LockFile.make(wishes, again)), LockFile.toText(lock))
      // Only what is not locked is asked for by name: the optional dependency that does not exist.
      assert.strictEqual(counted.resolved, 1)

      const more = { ...wishes, dependencies: { ...wishes.dependencies, d: "1" } }
      const extended = LockFile.make(
        more,
        yield* DependencyTree.resolveTree(more, LockFile.prefer(lock, source(later), releaseOf))
      )
      assert.isTrue("c@1.5.0" in extended.packages)
      assert.strictEqual(extended.packages["a@1.0.0"]!.infohash, lock.packages["a@1.0.0"]!.infohash)
    })
  )

  it.effect("refuses a release with other bytes than the locked ones", () =>
    Effect.gen(function* () {
      const lock = yield* lockOf(wishes, packages)
      const other = (_publisher: unknown, name: string, version: string) =>
        Effect.succeed(choiceOf(`${name}@${version}`, "other bytes"))
      const error = yield* Effect.flip(
        DependencyTree.resolveTree(wishes, LockFile.prefer(lock, source(packages), other))
      )
      assert.strictEqual(error.reason._tag, "DependencyNotResolved")
      assert.include(error.message, "is locked to")
    })
  )

  it.effect("has what the unpacked files are called, and which dependencies a package can do without", () =>
    Effect.gen(function* () {
      const some: Packages = {
        "a@1.0.0": {
          dependencies: { c: "1" },
          optionalDependencies: { b: "1", gone: "1" },
          peerDependencies: { c: "*", d: "*" },
          peerDependenciesMeta: { d: { optional: true } }
        },
        "b@1.0.0": {},
        "c@1.0.0": {},
        "d@1.0.0": {}
      }
      const lock = yield* lockOf({ dependencies: { a: "1", d: "1" } }, some)
      const a = Object.values(lock.packages).find(({ name }) => name === "a")!
      assert.strictEqual(a.contentHash, "0".repeat(64))
      assert.deepStrictEqual<unknown>(a.optionalDependencies, ["b", "d"])
      const text = LockFile.toText(lock)
      assert.strictEqual(LockFile.toText(yield* LockFile.parse(text)), text)
      const older = text.replaceAll(/\n *"contentHash": "0+",/g, "")
      assert.notStrictEqual(older, text)
      assert.strictEqual(LockFile.toText(yield* LockFile.parse(older)), older)
    })
  )

  it.effect("is told apart from what package.json asks for, in words", () =>
    Effect.gen(function* () {
      const lock = yield* lockOf(wishes, packages)
      assert.isUndefined(LockDifference.of(lock, wishes))
      assert.strictEqual(
        LockDifference.of(lock, { dependencies: { a: "^2", d: "1" }, optionalDependencies: { gone: "^9" } }),
        "a is asked for as ^2 and locked for ^1; c@1.x is locked and not asked for; d@1 is asked for and not locked"
      )
      assert.isDefined(LockDifference.of(lock, { ...wishes, peerDependencies: {} }))
    })
  )

  it.effect("is refused when it is damaged", () =>
    Effect.gen(function* () {
      const lock = yield* lockOf(wishes, packages)
      const text = LockFile.toText(lock)
      const damaged = [
        "",
        "[]",
        "{",
        text.replace('"lockfileVersion": 1', '"lockfileVersion": 2'),
        text.replace('"c": "c@1.0.0"', '"c": "c@9.0.0"'),
        text.replace('"c": "c@1.0.0"', '"c": "b@1.1.0(c@1.0.0)"'),
        text.replace(/"infohash": "../, '"infohash": "ZZ'),
        text.replace("sha512-", "sha1-"),
        text.replace('"answers"', '"extra": {}, "answers"'),
        text.replace('"name": "a"', '"name": "../a"'),
        text.replace('"version": "1.1.0"', '"version": "1.1.1"'),
        text.replace('"c@*": "c@1.0.0"', '"c@*": "c@1.0.7"'),
        text.replace('"c@*": "c@1.0.0"', '"c@*": "a@1.0.0"')
      ]
      for (const each of damaged) {
        assert.notStrictEqual(each, text)
        const error = yield* Effect.flip(LockFile.parse(each))
        assert.strictEqual(error.reason._tag, "InvalidLockFile", each)
      }
    })
  )

  it.effect("of a newer version is said to be one, and damage is said where it is", () =>
    Effect.gen(function* () {
      const text = LockFile.toText(yield* lockOf(wishes, packages))
      const newer = yield* Effect.flip(LockFile.parse(text.replace('"lockfileVersion": 1', '"lockfileVersion": 2')))
      assert.include(newer.message, "newer ls-cli")
      const damaged = yield* Effect.flip(LockFile.parse(text.replace("sha512-", "sha1-")))
      assert.include(damaged.message, "integrity")
    })
  )

  it.effect("has every answer again, those for optional dependencies too, or fails", () =>
    Effect.gen(function* () {
      const optional: Wishes = { optionalDependencies: { c: "*" } }
      const lock = yield* lockOf(optional, packages)
      const missing = { _tag: "PackageNotFound", exitCode: 3 as const, hint: "", message: "it is gone" }
      const error = yield* Effect.flip(
        DependencyTree.resolveTree(
          optional,
          LockFile.prefer(lock, source(packages), () => Effect.fail(missing))
        )
      )
      assert.include(error.message, "the lock file has c@1.0.0, and it is gone")
    })
  )

  it.effect("is not asked for what is to be had anew", () =>
    Effect.gen(function* () {
      const of: Wishes = { dependencies: { c: "*" } }
      const lock = yield* lockOf(of, packages)
      const later = { ...packages, "c@1.5.0": {} }
      const tree = yield* DependencyTree.resolveTree(
        of,
        LockFile.prefer(lock, source(later), releaseOf, ({ name }) => name === "c")
      )
      assert.deepStrictEqual([...tree.instances.keys()], ["c@1.5.0"])
    })
  )

  it.effect("may be empty", () =>
    Effect.gen(function* () {
      const text = LockFile.toText(yield* lockOf({}, packages))
      assert.strictEqual(LockFile.toText(yield* LockFile.parse(text)), text)
    })
  )
})
