import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { DependencyError } from "../src/protocol/registry/DependencyError.ts"
import type * as DependencyGraph from "../src/protocol/registry/DependencyGraph.ts"
import * as DependencyTree from "../src/protocol/registry/DependencyTree.ts"
import * as LockFile from "../src/protocol/registry/LockFile.ts"
import * as Version from "../src/protocol/core/Version.ts"
import { choiceOf, type Packages, source, split, type Wishes } from "../test/protocol/registry/Dependencies.ts"
import { runsUpTo } from "./Runs.ts"

const names = ["a", "b", "c", "d", "@s/e"]
const versions = ["1.0.0", "1.1.0", "2.0.0"]
const range = fc.constantFrom("^1.0.0", "1.0.0", "*", "", "2.x", ">=1.1.0", "^1.1.0 || ^2")
const texts = fc.dictionary(fc.constantFrom(...names), range, { maxKeys: 3, noNullPrototype: true })

const wishes: fc.Arbitrary<Wishes> = fc.record({
  dependencies: texts,
  optionalDependencies: fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: texts }),
  peerDependencies: fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: texts })
})

const registry: fc.Arbitrary<Packages> = fc
  .uniqueArray(
    fc.tuple(fc.constantFrom(...names), fc.constantFrom(...versions)).map((parts) => parts.join("@")),
    {
      minLength: 3,
      maxLength: 12
    }
  )
  .chain((ids) => fc.tuple(...ids.map((id) => wishes.map((each) => [id, each] as const))))
  .map((entries) => Object.fromEntries(entries))

type Outcome = { readonly tree: DependencyTree.DependencyTree } | { readonly error: DependencyError }

const run = <E>(of: Wishes, from: DependencyGraph.Source<E, never>): Outcome =>
  Effect.runSync(
    DependencyTree.resolveTree(of, from).pipe(
      Effect.match({ onSuccess: (tree) => ({ tree }), onFailure: (error) => ({ error }) })
    )
  )

const lockText = (of: Wishes, outcome: Outcome): string =>
  "tree" in outcome ? LockFile.toText(LockFile.make(of, outcome.tree)) : outcome.error.reason._tag

const edgesOf = (each: Wishes) => Object.entries({ ...each.dependencies, ...each.optionalDependencies })

/** Whether the instance that sees `seen` brings `id` itself. */
const isOwnOf = (
  seen: ReadonlyMap<string, string>,
  instances: DependencyTree.DependencyTree["instances"],
  id: string
): boolean => {
  const user = [...instances.values()].find(({ dependencies }) => dependencies === seen)
  const name = instances.get(id)!.package.choice.release.n
  return user?.package.edges.some((edge) => edge.name === name && !edge.kind.toLowerCase().includes("peer")) ?? false
}

describe("trees of dependencies", () => {
  it("every edge leads to the highest version in its range, or is optional and missing", () => {
    fc.assert(
      fc.property(registry, wishes, (packages, project) => {
        const outcome = run(project, source(packages))
        if ("error" in outcome) return
        for (const { dependencies, package: each } of outcome.tree.instances.values()) {
          const manifest = packages[each.id]!
          for (const [name, wanted] of edgesOf(manifest)) {
            const target = dependencies.get(choiceOf(`${name}@1.0.0`).release.n)
            if (target === undefined) {
              assert.isTrue(Object.hasOwn(manifest.optionalDependencies ?? {}, name))
              continue
            }
            const found = outcome.tree.instances.get(target)!.package.choice.release
            const available = Object.keys(packages).flatMap((id) =>
              split(id)[0] === name ? [Version.Version.make(split(id)[1])] : []
            )
            const best = Version.maxSatisfying(available, Version.Range.make(wanted === "" ? "*" : wanted))
            assert.strictEqual(Option.getOrUndefined(best), found.v)
          }
        }
      }),
      runsUpTo(250)
    )
  })

  it("everything that is seen is there, under its own name", () => {
    fc.assert(
      fc.property(registry, wishes, (packages, project) => {
        const outcome = run(project, source(packages))
        if ("error" in outcome) return
        const { instances, project: seen } = outcome.tree
        for (const dependencies of [seen, ...[...instances.values()].map((each) => each.dependencies)]) {
          for (const [name, id] of dependencies) {
            assert.strictEqual(instances.get(id)?.package.choice.release.n, name)
          }
        }
      }),
      runsUpTo(500)
    )
  })

  it("a peer is the instance that whoever uses the package sees under that name", () => {
    fc.assert(
      fc.property(registry, wishes, (packages, project) => {
        const outcome = run(project, source(packages))
        if ("error" in outcome) return
        const { instances, project: seen } = outcome.tree
        for (const user of [seen, ...[...instances.values()].map((each) => each.dependencies)]) {
          for (const id of user.values()) {
            const { dependencies, package: each } = instances.get(id)!
            for (const { kind, name } of each.edges) {
              if ((kind !== "peer" && kind !== "optionalPeer") || !user.has(name)) continue
              // Where the user has it for a peer of its own, it may have the package from further out.
              if (user !== seen && !isOwnOf(user, instances, id)) continue
              assert.strictEqual(dependencies.get(name), name === each.choice.release.n ? id : user.get(name))
            }
          }
        }
      }),
      runsUpTo(250)
    )
  })

  it("the lock does not depend on the order of wishes, nor on the order in which answers come", () => {
    const reversed = (each: Wishes): Wishes =>
      Object.fromEntries(
        Object.entries(each).map(([field, of]) => [field, Object.fromEntries(Object.entries(of ?? {}).toReversed())])
      )
    fc.assert(
      fc.property(registry, wishes, (packages, project) => {
        const shuffled = Object.fromEntries(
          Object.entries(packages)
            .toReversed()
            .map(([id, each]) => [id, reversed(each)])
        )
        assert.strictEqual(
          lockText(project, run(reversed(project), source(shuffled))),
          lockText(project, run(project, source(packages)))
        )
      }),
      runsUpTo(250)
    )
  })

  it("resolving again with the lock gives the same lock, whatever was published since", () => {
    fc.assert(
      fc.property(registry, registry, wishes, (packages, published, project) => {
        const first = run(project, source(packages))
        // What was missing may be there later, and change the tree.
        if ("error" in first || first.tree.warnings.length > 0) return
        const lock = LockFile.make(project, first.tree)
        const later = source({ ...published, ...packages })
        const again = run(
          project,
          LockFile.prefer(lock, later, (_key, name, version) => Effect.succeed(choiceOf(`${name}@${version}`)))
        )
        assert.strictEqual(lockText(project, again), LockFile.toText(lock))
      }),
      runsUpTo(250)
    )
  })

  it("lock files round trip", () => {
    fc.assert(
      fc.property(registry, wishes, (packages, project) => {
        const outcome = run(project, source(packages))
        if ("error" in outcome) return
        const text = lockText(project, outcome)
        assert.strictEqual(LockFile.toText(Effect.runSync(LockFile.parse(text))), text)
      }),
      runsUpTo(500)
    )
  })
})
