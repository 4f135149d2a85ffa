/**
 * Which names a package takes from whoever uses it: its peers, and those of everything below it that
 * nothing on the way provides. Names are followed one by one and counted, since a chain of packages
 * below which many peers are asked for needs all of them at every link.
 */
import * as Effect from "effect/Effect"
import type { PackageName } from "../core/PackageName.ts"
import * as Version from "../core/Version.ts"
import { DependencyError, TooManyDependencies } from "./DependencyError.ts"
import * as DependencyGraph from "./DependencyGraph.ts"

/** Names of peers, summed over all packages that need them; large projects have some thousands. */
export const NEEDS_MAX = 1_000_000

/** Steps between two chances for a deadline to interrupt: well under a millisecond's work each. */
const STEPS_PER_TURN = 256

/** Lets others run, every {@link STEPS_PER_TURN} steps. */
export const breathe = (step: number): Effect.Effect<void> =>
  step % STEPS_PER_TURN === STEPS_PER_TURN - 1 ? Effect.yieldNow : Effect.void

export const byText = (self: string, that: string): number => (self < that ? -1 : self > that ? 1 : 0)

/** Edges that a package brings its own answer for. */
export const isOwn = ({ kind }: DependencyGraph.Edge): boolean => kind === "required" || kind === "optional"

export interface Usable {
  readonly graph: DependencyGraph.Graph
  /** The package that answers an edge; `undefined` where it cannot be had. */
  readonly targetOf: (edge: DependencyGraph.Edge) => DependencyGraph.Package | undefined
}

export const usableOf = (graph: DependencyGraph.Graph): Usable => {
  const broken = DependencyGraph.broken(graph)
  return {
    graph,
    targetOf: (edge) => {
      const id = graph.answers.get(DependencyGraph.specOf(edge))
      return id === undefined || broken.has(id) ? undefined : graph.packages.get(id)
    }
  }
}

/** What a package, or the project, brings for itself, by name. */
export const targetsOf = (
  edges: ReadonlyArray<DependencyGraph.Edge>,
  { targetOf }: Usable
): ReadonlyMap<PackageName, DependencyGraph.Package> => {
  const targets = new Map<PackageName, DependencyGraph.Package>()
  for (const edge of edges.filter(isOwn)) {
    const target = targetOf(edge)
    if (target !== undefined) targets.set(edge.name, target)
  }
  return targets
}

export const satisfies = (version: Version.Version, range: string): boolean => {
  const parsed = Version.parseRange(range.trim() === "" ? "*" : range)
  return parsed._tag === "None" || Version.satisfies(version, parsed.value)
}

/**
 * Whether a package suits an edge. As npm has it, what stands under the name of a peer counts, whatever package that
 * is; whoever asks for another package under a name gets no other.
 */
export const suits = (
  { release }: DependencyGraph.Choice,
  edge: Pick<DependencyGraph.Edge, "name" | "range">
): boolean => {
  const aim = DependencyGraph.aimOf(edge)
  return satisfies(release.v, aim.range) && (aim.name === edge.name || aim.name === release.n)
}

/** By `name@version`: names of peers. */
export type Needs = ReadonlyMap<string, ReadonlySet<PackageName>>

/** A fixed point, since dependencies may go in circles. */
export const needsOf = Effect.fnUntraced(function* ({ graph, targetOf }: Usable) {
  const needs = new Map<string, Set<PackageName>>()
  const users = new Map<string, Array<string>>()
  const provided = new Map<string, Set<PackageName>>()
  const queue: Array<{ readonly id: string; readonly name: PackageName }> = []
  const need = (id: string, name: PackageName) => {
    const known = needs.get(id)!
    if (known.has(name)) return
    known.add(name)
    queue.push({ id, name })
  }
  for (const each of graph.packages.values()) {
    needs.set(each.id, new Set())
    const names = new Set<PackageName>([each.choice.release.n])
    for (const edge of each.edges) {
      if (!isOwn(edge)) {
        need(each.id, edge.name)
        continue
      }
      const target = targetOf(edge)
      if (target === undefined) continue
      names.add(edge.name)
      const known = users.get(target.id)
      if (known === undefined) users.set(target.id, [each.id])
      else known.push(each.id)
    }
    provided.set(each.id, names)
  }
  for (let at = 0; at < queue.length; at++) {
    yield* breathe(at)
    const { id, name } = queue[at]!
    for (const user of users.get(id) ?? []) if (!provided.get(user)!.has(name)) need(user, name)
    if (queue.length > NEEDS_MAX) {
      return yield* new DependencyError({ reason: new TooManyDependencies({ limit: NEEDS_MAX, what: "shared peers" }) })
    }
  }
  return needs satisfies Needs
})

/** Names that packages want to share with the project and that it does not have, with all ranges asked for. */
export const missingPeers = Effect.fnUntraced(function* (roots: ReadonlyArray<DependencyGraph.Edge>, usable: Usable) {
  const needs = yield* needsOf(usable)
  const present = new Set(roots.map(({ name }) => name))
  const wanted = new Set<PackageName>()
  for (const target of targetsOf(roots, usable).values()) {
    for (const name of needs.get(target.id)!) if (!present.has(name)) wanted.add(name)
  }
  const ranges = new Map<PackageName, Set<string>>()
  for (const { edges } of usable.graph.packages.values()) {
    for (const edge of edges) {
      if (edge.kind !== "peer" || !wanted.has(edge.name)) continue
      const known = ranges.get(edge.name)
      if (known === undefined) ranges.set(edge.name, new Set([edge.range]))
      else known.add(edge.range)
    }
  }
  return new Map([...ranges].map(([name, all]) => [name, [...all].toSorted(byText)]))
})
