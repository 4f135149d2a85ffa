import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as DependencyTree from "../../../src/protocol/registry/DependencyTree.ts"
import * as LockConsistency from "../../../src/protocol/registry/LockConsistency.ts"
import * as LockDifference from "../../../src/protocol/registry/LockDifference.ts"
import * as LockedRange from "../../../src/protocol/registry/LockedRange.ts"
import * as LockFile from "../../../src/protocol/registry/LockFile.ts"
import { type Packages, source, type Wishes } from "./Dependencies.ts"

const packages: Packages = {
  "app@2.0.0": {
    dependencies: { leaf: "^2" },
    optionalDependencies: { extra: "1" },
    peerDependencies: { host: ">=3", other: "*" },
    peerDependenciesMeta: { other: { optional: true } }
  },
  "extra@1.0.0": {},
  "host@3.1.0": {},
  "leaf@2.0.0": {},
  "leaf@1.0.0": {},
  "old@1.0.0": { dependencies: { leaf: "1" } }
}
const wishes: Wishes = { dependencies: { app: "^2.0.0", old: "*", leaf: "^2.0.0" } }

const lockOf = (of: Wishes, from: Packages = packages) =>
  Effect.map(DependencyTree.resolveTree(of, source(from)), (tree) => LockFile.make(of, tree))

interface Draft {
  wishes: { dependencies: Record<string, string>; optionalDependencies?: Record<string, string> }
  project: Record<string, string>
  packages: Record<string, { dependencies: Record<string, string>; optionalDependencies?: Array<string> }>
  answers: Record<string, string>
}

/** The text of a lock that somebody edited. */
const edited = (lock: LockFile.LockFile, edit: (draft: Draft) => void): string => {
  const draft: Draft = JSON.parse(LockFile.toText(lock))
  edit(draft)
  return JSON.stringify(draft)
}

const appOf = (packages: Draft["packages"]) => packages[Object.keys(packages).find((id) => id.startsWith("app@"))!]!

describe("a lock file", () => {
  const refused: ReadonlyArray<readonly [string, (draft: Draft) => void, string]> = [
    [
      "has nothing for what the project asks for",
      ({ project }) => void delete project["leaf"],
      "the project asks for leaf@^2.0.0, and has nothing for it"
    ],
    [
      "has a version that the project does not ask for",
      ({ project }) => void (project["leaf"] = "leaf@1.0.0"),
      "the project asks for leaf@^2.0.0, and has leaf@1.0.0"
    ],
    [
      "answers a range with a version that is not in it",
      ({ answers }) => void (answers["leaf@^2"] = "leaf@1.0.0"),
      "leaf@^2 is answered by leaf@1.0.0, which is not in that range"
    ],
    [
      "has an optional dependency in another version",
      (draft) => {
        draft.wishes = { dependencies: { app: "^2.0.0", old: "*" }, optionalDependencies: { leaf: "^3" } }
      },
      "the project asks for leaf@^3, and has leaf@2.0.0"
    ]
  ]
  for (const [title, edit, problem] of refused) {
    it.effect(`is refused where it ${title}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(LockFile.parse(edited(yield* lockOf(wishes), edit)))
        assert.strictEqual(error.reason._tag, "InvalidLockFile")
        assert.include(error.message, problem)
      })
    )
  }

  const departures: ReadonlyArray<readonly [string, (draft: Draft) => void, string | undefined]> = [
    ["nothing was changed", () => undefined, undefined],
    [
      "a dependency is missing",
      (draft) => void delete appOf(draft.packages).dependencies["leaf"],
      "app@2.0.0 depends on leaf@^2, and is locked without it"
    ],
    [
      "a dependency is out of range",
      (draft) => void (appOf(draft.packages).dependencies["leaf"] = "leaf@1.0.0"),
      "app@2.0.0 depends on leaf@^2, and is locked to 1.0.0"
    ],
    [
      "a dependency was made optional",
      (draft) => void (appOf(draft.packages).optionalDependencies = ["leaf"]),
      "app@2.0.0 needs leaf@^2, which is locked as optional"
    ],
    [
      "an optional dependency is missing",
      (draft) => void delete appOf(draft.packages).dependencies["extra"],
      undefined
    ],
    [
      "a peer is missing",
      (draft) => void delete appOf(draft.packages).dependencies["host"],
      "app@2.0.0 depends on host@>=3, and is locked without it"
    ],
    [
      "there is a dependency more",
      (draft) => void (appOf(draft.packages).dependencies["old"] = "old@1.0.0"),
      "app@2.0.0 does not depend on old, which is locked for it"
    ]
  ]
  for (const [title, edit, expected] of departures) {
    it.effect(`is compared with what was signed where ${title}`, () =>
      Effect.gen(function* () {
        const lock = yield* LockFile.parse(edited(yield* lockOf(wishes), edit))
        const app = Object.values(lock.packages).find(({ name }) => name === "app")!
        const departure = LockConsistency.departureOf(lock, app, packages["app@2.0.0"]!, LockedRange.admits)
        assert.strictEqual(departure, expected)
      })
    )
  }

  it.effect("is refused where the project sees what nothing asks for, and not where a peer was added", () =>
    Effect.gen(function* () {
      const lock = yield* lockOf(wishes)
      const signedOf = (id: string) => packages[id.replace(/\(.*/, "")]
      const planned = (project: LockFile.LockFile["project"]) => ({
        instances: new Map(Object.entries(lock.packages)),
        project: new Map(Object.entries(project)) as never
      })
      assert.property(lock.project, "host")
      assert.isUndefined(LockConsistency.uninvitedOf(lock, planned(lock.project), signedOf))
      const more = { ...lock.project, extra: "extra@1.0.0" } as typeof lock.project
      assert.strictEqual(
        LockConsistency.uninvitedOf(lock, planned(more), signedOf),
        "the project has extra, for which nothing asks"
      )
    })
  )

  it.effect("has another package for a peer only as the very instance that somebody signed under that name", () =>
    Effect.gen(function* () {
      const from: Packages = {
        "dom@1.0.0": { peerDependencies: { react: "*" } },
        "evil@1.0.0": {},
        "mid@1.0.0": { dependencies: { react: "npm:preact@1", dom: "1" } },
        "preact@1.0.0": {},
        "preact@2.0.0": {}
      }
      const of: Wishes = { dependencies: { mid: "1", evil: "1", preact: "2" } }
      const lock = yield* lockOf(of, from)
      const dom = Object.values(lock.packages).find(({ name }) => name === "dom")!
      const signedOf = (id: string) => from[id.replace(/\(.*/, "")]
      const instances = new Map(Object.entries(lock.packages))
      const aliased = LockConsistency.aliasedIn(lock, instances, signedOf)
      assert.deepStrictEqual([...aliased], [["react", new Set(["preact@1.0.0"])]])
      const departureWith = (id: string) => {
        const dependencies = { react: id } as typeof dom.dependencies
        return LockConsistency.departureOf(
          lock,
          { ...dom, dependencies },
          from["dom@1.0.0"]!,
          LockedRange.admits,
          aliased
        )
      }
      assert.isUndefined(departureWith("preact@1.0.0"))
      for (const id of ["preact@2.0.0", "evil@1.0.0"]) {
        assert.strictEqual(departureWith(id), `dom@1.0.0 depends on react@*, and is locked to ${id}`)
      }
    })
  )

  it.effect("says where a peer does not fit", () =>
    Effect.gen(function* () {
      const deep: Packages = { ...packages, "mid@1.0.0": { dependencies: { app: "2", host: "3" } } }
      const lock = yield* lockOf({ dependencies: { mid: "1" } }, deep)
      const app = Object.values(lock.packages).find(({ name }) => name === "app")!
      const signed = { ...packages["app@2.0.0"]!, peerDependencies: { host: ">=4" } }
      assert.deepStrictEqual(LockConsistency.peerConflicts(lock, app, signed, LockedRange.admits), [
        "app@2.0.0 has to share host@>=4 with the project, which has host@3.1.0"
      ])
    })
  )

  it.effect("tells optional peers from those that are needed", () =>
    Effect.gen(function* () {
      const needed: Wishes = { peerDependencies: { leaf: "2" } }
      const optional: Wishes = { ...needed, peerDependenciesMeta: { leaf: { optional: true } } }
      const lock = yield* lockOf(optional)
      assert.deepStrictEqual(Object.keys(lock.packages), [])
      assert.isTrue(LockFile.answers(yield* LockFile.parse(LockFile.toText(lock)), optional))
      assert.isFalse(LockFile.answers(lock, needed))
      assert.strictEqual(LockDifference.of(lock, needed), "the peer leaf is needed, and locked as optional")
      assert.isFalse(LockFile.answers(yield* lockOf(needed), optional))
      assert.isTrue(LockFile.answers(lock, { ...optional, peerDependenciesMeta: { leaf: { optional: true }, x: {} } }))
      const { peerDependenciesMeta: _, ...older } = lock.wishes
      assert.isFalse(LockFile.answers({ ...lock, wishes: older }, needed))
      assert.include(LockDifference.of({ ...lock, wishes: older }, needed), "leaf@2 is asked for and not locked")
    })
  )
})
