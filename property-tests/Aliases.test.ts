import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Version from "../src/protocol/core/Version.ts"
import * as DependencyGraph from "../src/protocol/registry/DependencyGraph.ts"
import * as DependencyTree from "../src/protocol/registry/DependencyTree.ts"
import * as LockConsistency from "../src/protocol/registry/LockConsistency.ts"
import * as LockedRange from "../src/protocol/registry/LockedRange.ts"
import * as LockFile from "../src/protocol/registry/LockFile.ts"
import * as SignedEdges from "../src/runtime/install/SignedEdges.ts"
import { type Packages, source, split, type Wishes } from "../test/protocol/registry/Dependencies.ts"
import { runsUpTo } from "./Runs.ts"

const names = ["a", "b", "c", "@s/e"]
const versions = ["1.0.0", "2.0.0"]
const range = fc.constantFrom("1.0.0", "*", "2.x", ">=1")
const alias = fc.tuple(fc.constantFrom(...names), range).map(([name, of]) => `npm:${name}@${of}`)
/** Names that no package has, and names that some have. */
const links = fc.constantFrom(...names, "alias", "@s/alias")
const either = fc.oneof(range, alias, alias)
const texts = fc.dictionary(links, either, { maxKeys: 3, noNullPrototype: true })
const peers = fc.dictionary(links, fc.oneof({ weight: 4, arbitrary: range }, { weight: 1, arbitrary: alias }), {
  maxKeys: 2,
  noNullPrototype: true
})
const wishes: fc.Arbitrary<Wishes> = fc.record({
  dependencies: texts,
  optionalDependencies: fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: texts }),
  peerDependencies: fc.oneof(fc.constant({}), peers),
  peerDependenciesMeta: fc.constantFrom({}, { a: { optional: true } }, { alias: { optional: true } })
})

const ids = names.flatMap((name) => versions.map((version) => `${name}@${version}`))
const registry: fc.Arbitrary<Packages> = fc
  .tuple(...ids.map((id) => wishes.map((each) => [id, each] as const)))
  .map((entries) => Object.fromEntries(entries))

const treeOf = (of: Wishes, packages: Packages): DependencyTree.DependencyTree | undefined =>
  Effect.runSync(
    DependencyTree.resolveTree(of, source(packages)).pipe(
      Effect.match({ onSuccess: (tree) => tree, onFailure: () => undefined })
    )
  )

const parsed = (lock: object): LockFile.LockFile | undefined =>
  Option.getOrUndefined(Effect.runSync(Effect.option(LockFile.parse(JSON.stringify(lock)))))

const problemOf = (lock: LockFile.LockFile, packages: Packages): string | undefined => {
  const plan = { instances: new Map(Object.entries(lock.packages)), project: new Map(Object.entries(lock.project)) }
  const signedOf = (id: string) => packages[id.replace(/\(.*/, "")]
  return SignedEdges.problemOf(lock, plan as never, signedOf, LockedRange.admits)
}

const isPeer = ({ kind }: DependencyGraph.Edge): boolean => kind === "peer" || kind === "optionalPeer"

describe("aliases", () => {
  it("every package sees under each name that it declares the highest version of the package that is meant", () => {
    fc.assert(
      fc.property(registry, wishes, (packages, project) => {
        const tree = treeOf(project, packages)
        if (tree === undefined) return
        const seen = [...tree.instances.values()].map((each) => [each.package.edges, each.dependencies] as const)
        const own = DependencyGraph.edgesOf({ ...project, peerDependencies: {} })
        for (const [edges, dependencies] of [[own, tree.project] as const, ...seen]) {
          for (const edge of edges) {
            const target = dependencies.get(edge.name)
            if (isPeer(edge) || target === undefined) {
              assert.notStrictEqual(edge.kind, "required")
              continue
            }
            const aim = DependencyGraph.aimOf(edge)
            const found = tree.instances.get(target)!.package.choice.release
            const available = Object.keys(packages).flatMap((id) =>
              split(id)[0] === aim.name ? [Version.Version.make(split(id)[1])] : []
            )
            assert.strictEqual(found.n, aim.name)
            assert.strictEqual(
              Option.getOrUndefined(Version.maxSatisfying(available, Version.Range.make(aim.range))),
              found.v
            )
          }
        }
      }),
      runsUpTo(200)
    )
  })

  it("a peer is the instance that whoever brings the package sees under that name", () => {
    fc.assert(
      fc.property(registry, wishes, (packages, project) => {
        const tree = treeOf(project, packages)
        if (tree === undefined) return
        for (const user of tree.instances.values()) {
          for (const brought of user.package.edges) {
            const id = isPeer(brought) ? undefined : user.dependencies.get(brought.name)
            if (id === undefined) continue
            const { dependencies, package: each } = tree.instances.get(id)!
            for (const edge of each.edges) {
              const around = user.dependencies.get(edge.name)
              if (!isPeer(edge) || around === undefined || edge.name === each.choice.release.n) continue
              assert.strictEqual(dependencies.get(edge.name), around, `${user.id}: ${id} has ${edge.name}`)
            }
          }
        }
      }),
      runsUpTo(200)
    )
  })

  it("the lock of a tree makes sense, in itself and beside what was signed", () => {
    fc.assert(
      fc.property(registry, wishes, (packages, project) => {
        const tree = treeOf(project, packages)
        if (tree === undefined) return
        const lock = LockFile.make(project, tree)
        assert.isUndefined(LockConsistency.contradictionOf(lock, LockedRange.admits))
        assert.deepStrictEqual(parsed(lock), lock)
        assert.isUndefined(problemOf(lock, packages))
      }),
      runsUpTo(400)
    )
  })

  it("a lock that puts a package under the name of another, which nobody signed or asked for, is refused", () => {
    fc.assert(
      fc.property(registry, wishes, fc.nat(), fc.nat(), (packages, project, from, to) => {
        const tree = treeOf(project, packages)
        if (tree === undefined) return
        const lock = LockFile.make(project, tree)
        const all = Object.keys(lock.packages)
        const places = [undefined, ...all].flatMap((user) =>
          Object.keys(user === undefined ? lock.project : lock.packages[user]!.dependencies).map((name) => ({
            name,
            user
          }))
        )
        if (places.length === 0) return
        const { name, user } = places[from % places.length]!
        const target = all[to % all.length]!
        const other = lock.packages[target]!
        const asked = [project, ...all.map((id) => packages[id.replace(/\(.*/, "")]!)].some((each) =>
          DependencyGraph.edgesOf(each).some(
            (edge) => edge.name === name && DependencyGraph.aimOf(edge).name === other.name
          )
        )
        if (other.name === name || asked) return
        const label = `${other.name}@${other.version}`
        const draft = JSON.parse(LockFile.toText(lock))
        draft.answers[`${name}@npm:${label}`] = label
        if (user === undefined) draft.project[name] = target
        else draft.packages[user].dependencies[name] = target
        const forged = parsed(draft)
        if (forged !== undefined) assert.isDefined(problemOf(forged, packages))
      }),
      runsUpTo(400)
    )
  })
})
