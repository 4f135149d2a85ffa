/**
 * A graph of dependencies laid out in isolation: every package sees exactly what it declares, and
 * two packages that share a peer see the same one. A package that is used beside different peers
 * stands once for each; its instances are told apart by `name@version(peer@version)…`.
 */
import * as Effect from "effect/Effect"
import type { PackageName } from "../core/PackageName.ts"
import * as Version from "../core/Version.ts"
import { DependencyError, TooManyDependencies } from "./DependencyError.ts"
import * as DependencyGraph from "./DependencyGraph.ts"
import { type Instance, layOut, requiredOf } from "./DependencyLayout.ts"
import { byText, missingPeers, suits, type Usable, usableOf } from "./DependencyPeers.ts"
import * as DependencyWalk from "./DependencyWalk.ts"

/** Times that peers are looked for again, because a peer that was added has peers of its own. */
export const PEER_ROUNDS_MAX = 32

export interface DependencyTree {
  /** What the project sees, by name: ids of instances. */
  readonly project: ReadonlyMap<PackageName, string>
  /** In the order of their ids. */
  readonly instances: ReadonlyMap<string, Instance>
  /** The answers that led here, by `name@range`, to `name@version`. */
  readonly answers: ReadonlyMap<string, string>
  /** What was left out or does not fit well, in sentences. */
  readonly warnings: ReadonlyArray<string>
}

/** Of the answers to several ranges of one name: one that satisfies all, else the highest. */
const bestOf = (edges: ReadonlyArray<DependencyGraph.Edge>, usable: Usable): DependencyGraph.Edge | undefined => {
  const answered = edges
    .flatMap((edge) => {
      const choice = usable.targetOf(edge)?.choice
      return choice === undefined ? [] : [{ edge, choice }]
    })
    .toSorted((self, that) => Version.compare(that.choice.release.v, self.choice.release.v))
  return (answered.find(({ choice }) => edges.every((edge) => suits(choice, edge))) ?? answered[0])?.edge
}

/** What the project asks for itself. Its own peers are for those who use it; while it is worked on, it needs them too. */
const ownEdgesOf = (wishes: DependencyGraph.Wishes): ReadonlyArray<DependencyGraph.Edge> =>
  DependencyGraph.edgesOf(wishes).flatMap(({ kind, name, range }) =>
    kind === "optionalPeer" ? [] : [{ name, range, kind: kind === "optional" ? kind : "required" }]
  )

/** Adds the peers that nobody provides to the project, and the peers of those peers. */
const withPeers = Effect.fnUntraced(function* <E, R>(
  asked: ReadonlyArray<DependencyGraph.Edge>,
  source: DependencyGraph.Source<E, R>
) {
  const roots = [...asked]
  let graph = yield* DependencyWalk.explore(roots, source)
  for (let round = 0; ; round++) {
    const missing = [...(yield* missingPeers(roots, usableOf(graph)))].map(([name, ranges]) =>
      ranges.map((range): DependencyGraph.Edge => ({ name, range, kind: "required" }))
    )
    if (missing.length === 0) break
    if (round >= PEER_ROUNDS_MAX) {
      return yield* new DependencyError({
        reason: new TooManyDependencies({ limit: PEER_ROUNDS_MAX, what: "peers that bring peers of their own" })
      })
    }
    graph = yield* DependencyWalk.explore(missing.flat(), source, graph)
    const usable = usableOf(graph)
    roots.push(...missing.map((edges) => bestOf(edges, usable) ?? edges[0]!))
  }
  return { roots, graph }
})

/** Fails with what is behind the first required edge of the project that has no answer. */
const refuseIncomplete = (
  roots: ReadonlyArray<DependencyGraph.Edge>,
  usable: Usable
): Effect.Effect<void, DependencyError> => {
  const { answers, failures } = usable.graph
  for (const edge of roots) {
    if (edge.kind !== "required" || usable.targetOf(edge) !== undefined) continue
    const spec = DependencyGraph.specOf(edge)
    const failure = failures.get(spec) ?? DependencyGraph.broken(usable.graph).get(answers.get(spec) ?? "")
    if (failure !== undefined) return Effect.fail(failure)
  }
  return Effect.void
}

/**
 * The whole tree of what a project wishes for. Peers that nobody provides are added to the project,
 * as npm does. Fails when something required cannot be had.
 */
export const resolveTree = Effect.fn("DependencyTree.resolveTree")(function* <E, R>(
  wishes: DependencyGraph.Wishes,
  source: DependencyGraph.Source<E, R>
) {
  const asked = ownEdgesOf(wishes)
  const { graph, roots } = yield* withPeers(asked, source)
  const usable = usableOf(graph)
  yield* refuseIncomplete(roots, usable)
  const { around, layout } = yield* layOut(roots, usable)
  const required = requiredOf(roots, around, layout.instances)
  const left = asked
    .filter((edge) => !around.has(edge.name))
    .map((edge) => `The project goes without its optional dependency ${DependencyGraph.specOf(edge)}`)
  const placed = new Set([...layout.instances.values()].map((instance) => instance.package.id))
  return {
    project: new Map([...around].map(([name, { instance }]) => [name, instance])),
    instances: new Map(
      [...layout.instances]
        .toSorted(([self], [that]) => byText(self, that))
        .map(([id, instance]) => [id, Object.assign(instance, { isOptional: !required.has(id) })])
    ),
    answers: new Map([...graph.answers].filter(([, id]) => placed.has(id))),
    warnings: [...left, ...layout.warnings]
  } satisfies DependencyTree
})
