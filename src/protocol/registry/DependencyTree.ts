/**
 * A graph of dependencies laid out in isolation: every package sees exactly what it declares, and
 * two packages that share a peer see the same one. A package that is used beside different peers
 * stands once for each; its instances are told apart by `name@version(peer@version)…`.
 */
import * as Effect from "effect/Effect"
import type { PackageName } from "../core/PackageName.ts"
import * as Version from "../core/Version.ts"
import { DependencyError, PeerConflict, TooManyDependencies } from "./DependencyError.ts"
import * as DependencyGraph from "./DependencyGraph.ts"

/** Packages laid out, counting each instance. */
export const INSTANCES_MAX = 20_000

/** Times that peers are looked for again, because a peer that was added has peers of its own. */
const PEER_ROUNDS_MAX = 32

export interface Instance {
  readonly id: string
  readonly package: DependencyGraph.Package
  /** What it sees, by name: ids of instances. */
  readonly dependencies: ReadonlyMap<PackageName, string>
  /** Whether the project works without it. */
  readonly isOptional: boolean
}

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

const byText = (self: string, that: string): number => (self < that ? -1 : self > that ? 1 : 0)

/** Edges that a package brings its own answer for. */
const isOwn = ({ kind }: DependencyGraph.Edge): boolean => kind === "required" || kind === "optional"

interface Usable {
  readonly graph: DependencyGraph.Graph
  /** The package that answers an edge; `undefined` where it cannot be had. */
  readonly targetOf: (edge: DependencyGraph.Edge) => DependencyGraph.Package | undefined
}

const usableOf = (graph: DependencyGraph.Graph): Usable => {
  const broken = DependencyGraph.broken(graph)
  return {
    graph,
    targetOf: (edge) => {
      const id = graph.answers.get(DependencyGraph.specOf(edge))
      return id === undefined || broken.has(id) ? undefined : graph.packages.get(id)
    }
  }
}

/**
 * The names of peers that each package, or something below it, takes from whoever uses it. By
 * `name@version`; a fixed point, since dependencies may go in circles.
 */
const needsOf = ({ graph, targetOf }: Usable): ReadonlyMap<string, ReadonlySet<PackageName>> => {
  const needs = new Map<string, Set<PackageName>>()
  const users = new Map<string, Array<DependencyGraph.Package>>()
  const provided = new Map<string, Set<PackageName>>()
  for (const each of graph.packages.values()) {
    needs.set(each.id, new Set(each.edges.filter((edge) => !isOwn(edge)).map(({ name }) => name)))
    const names = new Set<PackageName>([each.choice.release.n])
    for (const edge of each.edges.filter(isOwn)) {
      const target = targetOf(edge)
      if (target === undefined) continue
      names.add(edge.name)
      users.set(target.id, [...(users.get(target.id) ?? []), each])
    }
    provided.set(each.id, names)
  }
  const queue = [...graph.packages.values()]
  for (let at = 0; at < queue.length; at++) {
    const { id } = queue[at]!
    for (const user of users.get(id) ?? []) {
      const known = needs.get(user.id)!
      const before = known.size
      for (const name of needs.get(id)!) if (!provided.get(user.id)!.has(name)) known.add(name)
      if (known.size > before) queue.push(user)
    }
  }
  return needs
}

/** Who stands where: a provider of a name, seen from some place in the tree. */
interface Provider {
  readonly package: DependencyGraph.Package
  readonly instance: string
}

type Surroundings = ReadonlyMap<PackageName, Provider>

/** Adds what a package provides to its dependencies: the answers to its own edges, told apart by the peers around them. */
const surround = (
  outer: Surroundings,
  targets: ReadonlyMap<PackageName, DependencyGraph.Package>,
  needs: ReadonlyMap<string, ReadonlySet<PackageName>>
): Surroundings => {
  const peerOf = (name: PackageName) => targets.get(name)?.id ?? outer.get(name)?.package.id
  const inner = new Map(outer)
  for (const [name, target] of targets) {
    const peers = [...needs.get(target.id)!]
      .toSorted(byText)
      .flatMap((peer) => (peer === target.choice.release.n ? [] : (peerOf(peer) ?? [])))
    inner.set(name, { package: target, instance: target.id + peers.map((peer) => `(${peer})`).join("") })
  }
  return inner
}

const targetsOf = (
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

const satisfies = (version: Version.Version, range: string): boolean => {
  const parsed = Version.parseRange(range.trim() === "" ? "*" : range)
  return parsed._tag === "None" || Version.satisfies(version, parsed.value)
}

interface Layout {
  readonly instances: Map<string, Omit<Instance, "isOptional">>
  readonly warnings: Set<string>
}

const layOut = Effect.fnUntraced(function* (roots: ReadonlyArray<DependencyGraph.Edge>, usable: Usable) {
  const needs = needsOf(usable)
  const layout: Layout = { instances: new Map(), warnings: new Set() }
  const around = surround(new Map(), targetsOf(roots, usable), needs)
  const asked = new Set(roots.map(({ name }) => name))
  const queue = [...around.values()].map((provider) => ({ provider, outer: around, depth: 0 }))
  for (let at = 0; at < queue.length; at++) {
    const { depth, outer, provider } = queue[at]!
    const { instance, package: each } = provider
    if (layout.instances.has(instance)) continue
    if (layout.instances.size >= INSTANCES_MAX) {
      return yield* new DependencyError({ reason: new TooManyDependencies({ limit: INSTANCES_MAX }) })
    }
    const self = new Map(outer).set(each.choice.release.n, provider)
    const targets = targetsOf(each.edges, usable)
    const inner = surround(self, targets, needs)
    const dependencies = new Map<PackageName, string>()
    for (const edge of each.edges) {
      const found = isOwn(edge) ? inner.get(edge.name) : self.get(edge.name)
      if (isOwn(edge) && !targets.has(edge.name)) {
        layout.warnings.add(`${each.id} goes without its optional dependency ${DependencyGraph.specOf(edge)}`)
        continue
      }
      if (found === undefined) continue
      if (!isOwn(edge) && !satisfies(found.package.choice.release.v, edge.range)) {
        const conflict = { dependent: each.id, peer: edge.name, range: edge.range, found: found.package.id }
        // As npm has it: what the project itself asked for must fit, deeper down it is a warning.
        if (depth === 0 && asked.has(edge.name) && edge.kind === "peer") {
          return yield* new DependencyError({ reason: new PeerConflict(conflict) })
        }
        layout.warnings.add(new PeerConflict(conflict).message)
      }
      dependencies.set(edge.name, found.instance)
    }
    layout.instances.set(instance, { id: instance, package: each, dependencies })
    for (const name of targets.keys()) queue.push({ provider: inner.get(name)!, outer: inner, depth: depth + 1 })
  }
  return { layout, around }
})

/** Instances that the project cannot do without: those reached along required edges and their peers. */
const requiredOf = (
  roots: ReadonlyArray<DependencyGraph.Edge>,
  around: Surroundings,
  instances: Layout["instances"]
): ReadonlySet<string> => {
  const required = new Set<string>()
  const queue = roots.flatMap((edge) => (edge.kind === "required" ? (around.get(edge.name)?.instance ?? []) : []))
  for (let at = 0; at < queue.length; at++) {
    const id = queue[at]!
    if (required.has(id)) continue
    required.add(id)
    const { dependencies, package: each } = instances.get(id)!
    for (const edge of each.edges) {
      const target = edge.kind === "optional" ? undefined : dependencies.get(edge.name)
      if (target !== undefined) queue.push(target)
    }
  }
  return required
}

/** Names that packages want to share with the project and that it does not have, with all ranges asked for. */
const missingPeers = (
  roots: ReadonlyArray<DependencyGraph.Edge>,
  usable: Usable
): ReadonlyMap<PackageName, ReadonlyArray<string>> => {
  const needs = needsOf(usable)
  const present = new Set(roots.map(({ name }) => name))
  const wanted = new Set<PackageName>()
  for (const target of targetsOf(roots, usable).values()) {
    for (const name of needs.get(target.id)!) if (!present.has(name)) wanted.add(name)
  }
  const ranges = new Map<PackageName, Set<string>>()
  for (const { edges } of usable.graph.packages.values()) {
    for (const edge of edges) {
      if (edge.kind !== "peer" || !wanted.has(edge.name)) continue
      ranges.set(edge.name, (ranges.get(edge.name) ?? new Set()).add(edge.range))
    }
  }
  return new Map([...ranges].map(([name, all]) => [name, [...all].toSorted(byText)]))
}

/** Of the answers to several ranges of one name: one that satisfies all, else the highest. */
const bestOf = (edges: ReadonlyArray<DependencyGraph.Edge>, usable: Usable): DependencyGraph.Edge | undefined => {
  const answered = edges
    .flatMap((edge) => {
      const version = usable.targetOf(edge)?.choice.release.v
      return version === undefined ? [] : [{ edge, version }]
    })
    .toSorted((self, that) => Version.compare(that.version, self.version))
  return (answered.find(({ version }) => edges.every(({ range }) => satisfies(version, range))) ?? answered[0])?.edge
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
  let graph = yield* DependencyGraph.explore(roots, source)
  for (let round = 0; round < PEER_ROUNDS_MAX; round++) {
    const missing = [...missingPeers(roots, usableOf(graph))].map(([name, ranges]) =>
      ranges.map((range): DependencyGraph.Edge => ({ name, range, kind: "required" }))
    )
    if (missing.length === 0) break
    graph = yield* DependencyGraph.explore(missing.flat(), source, graph)
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
