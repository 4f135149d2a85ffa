/**
 * A graph of dependencies laid out as instances. What an instance sees is a function of its id: the
 * package, and every peer that it, or a peer beside it, looks for. Peers from further out that were
 * told apart by peers of their own are named in full where the names alone would not tell them apart,
 * and with the name under which they are seen where that is not their own (`npm:` aliases).
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Digest from "../core/Digest.ts"
import type { PackageName } from "../core/PackageName.ts"
import { DependencyError, PeerConflict, TooManyDependencies } from "./DependencyError.ts"
import * as DependencyGraph from "./DependencyGraph.ts"
import { breathe, byText, isOwn, needsOf, type Needs, suits, targetsOf, type Usable } from "./DependencyPeers.ts"

/** Packages laid out, counting each instance. */
export const INSTANCES_MAX = 20_000

/** Names of peers looked for, summed over the places where they are looked for. */
export const PEERS_PLACED_MAX = 4_000_000

/** Characters that the peers take in an id; a digest stands for longer lists. */
const PEERS_CHARS = 200

/** Hex digits of that digest: 64 bits tell the instances of one tree apart, which nobody gains from confusing. */
const DIGEST_CHARS = 16

export interface Instance {
  readonly id: string
  readonly package: DependencyGraph.Package
  /** What it sees, by name: ids of instances. */
  readonly dependencies: ReadonlyMap<PackageName, string>
  /** Whether the project works without it. */
  readonly isOptional: boolean
}

/** Who stands where: a provider of a name, seen from some place in the tree. */
interface Provider {
  readonly package: DependencyGraph.Package
  readonly instance: string
  /** Every name that was looked for to tell the instance apart, with what was found; `""` for nothing. */
  readonly peers: ReadonlyMap<PackageName, string>
}

type Scope = ReadonlyMap<PackageName, Provider>

const nothing: ReadonlyMap<PackageName, never> = new Map<PackageName, never>()

/** A peer in an id. Under the own name of a package is the package itself where nothing else is said. */
const peerText = (each: DependencyGraph.Package, name: PackageName, peer: string): string => {
  const isOwnName = name === each.choice.release.n
  if (peer === "") return isOwnName ? `(${name}@)` : ""
  if (isOwnName && peer === each.id) return ""
  return peer.startsWith(`${name}@`) ? `(${peer})` : `(${name}@npm:${peer})`
}

const idOf = (each: DependencyGraph.Package, peers: ReadonlyMap<PackageName, string>): string => {
  const text = [...peers]
    .toSorted(([self], [that]) => byText(self, that))
    .map(([name, peer]) => peerText(each, name, peer))
    .join("")
  if (text.length <= PEERS_CHARS) return each.id + text
  const digest = Hex.encode(Digest.sha256(new TextEncoder().encode(text)))
  return `${each.id}(…${digest.slice(0, DIGEST_CHARS)})`
}

/** An instance from further out, so that it cannot be taken for a package that looks for its peers here. */
const inFull = ({ instance, package: each, peers }: Provider): string =>
  peers.size > 0 && instance === each.id ? `${instance}()` : instance

/** The package that stands under `link` beside the other `targets`, inside of `outer`. */
const place = (
  link: PackageName,
  target: DependencyGraph.Package,
  targets: ReadonlyMap<PackageName, DependencyGraph.Package>,
  outer: Scope,
  needs: Needs
): Provider => {
  const own = target.choice.release.n
  if (needs.get(target.id)!.size === 0) return { package: target, instance: target.id, peers: nothing }
  const names = new Set<PackageName>()
  const found = new Map<PackageName, string>()
  const outside = new Map<PackageName, Provider>()
  const queue: Array<DependencyGraph.Package> = [target]
  for (let at = 0; at < queue.length; at++) {
    for (const name of needs.get(queue[at]!.id)!) {
      if (names.has(name)) continue
      names.add(name)
      const beside = targets.get(name)
      const around = beside === undefined ? outer.get(name) : undefined
      found.set(name, (beside ?? around?.package)?.id ?? "")
      if (beside !== undefined) queue.push(beside)
      if (around !== undefined && around.peers.size > 0) outside.set(name, around)
    }
  }
  // Where those from outside found what is found from here, their names are enough, and places share instances.
  const flat = new Map([...found, [link, target.id]])
  let agrees = true
  let isNamed = found.has(link)
  for (const { peers } of outside.values()) {
    for (const [name, peer] of peers) {
      if (name === link) isNamed = true
      const known = flat.get(name)
      if (known === undefined) flat.set(name, peer)
      else if (known !== peer) agrees = false
    }
  }
  if (!agrees) for (const [name, provider] of outside) found.set(name, inFull(provider))
  const peers = agrees ? flat : found
  // A package under its own name is what is found there; under another one that has to be said where somebody looks.
  if (link === own || !isNamed) peers.delete(link)
  return { package: target, instance: idOf(target, peers), peers }
}

/**
 * What is seen from inside of a package: its own dependencies, and of what is around it no more than
 * it needs, so that a scope does not grow with the depth at which it stands.
 */
const layOutTargets = (targets: ReadonlyMap<PackageName, DependencyGraph.Package>, outer: Scope, needs: Needs): Scope =>
  new Map([...targets].map(([name, target]) => [name, place(name, target, targets, outer, needs)]))

const within = (self: Provider, outer: ReadonlyArray<Scope>, needs: Needs): Scope => {
  const scope = new Map<PackageName, Provider>()
  for (const name of needs.get(self.package.id)!) {
    const provider = outer.map((each) => each.get(name)).find((each) => each !== undefined)
    if (provider !== undefined) scope.set(name, provider)
  }
  return scope.set(self.package.choice.release.n, self)
}

interface Layout {
  readonly instances: Map<string, Omit<Instance, "isOptional">>
  readonly warnings: Set<string>
}

/** All instances, and what the project sees of them. */
export const layOut = Effect.fnUntraced(function* (roots: ReadonlyArray<DependencyGraph.Edge>, usable: Usable) {
  const needs = yield* needsOf(usable)
  const layout: Layout = { instances: new Map(), warnings: new Set() }
  const around = layOutTargets(targetsOf(roots, usable), nothing, needs)
  const asked = new Set(roots.map(({ name }) => name))
  const queue = [...around.values()].map((provider) => ({ provider, outer: [around], depth: 0 }))
  let placed = 0
  for (let at = 0; at < queue.length; at++) {
    yield* breathe(at)
    const { depth, outer, provider } = queue[at]!
    const { instance, package: each } = provider
    if (layout.instances.has(instance)) continue
    if (layout.instances.size >= INSTANCES_MAX) {
      return yield* new DependencyError({ reason: new TooManyDependencies({ limit: INSTANCES_MAX, what: "packages" }) })
    }
    const self = within(provider, outer, needs)
    const targets = targetsOf(each.edges, usable)
    const inner = layOutTargets(targets, self, needs)
    for (const { peers } of inner.values()) placed += peers.size
    if (placed > PEERS_PLACED_MAX) {
      return yield* new DependencyError({
        reason: new TooManyDependencies({ limit: PEERS_PLACED_MAX, what: "shared peers" })
      })
    }
    const dependencies = new Map<PackageName, string>()
    for (const edge of each.edges) {
      const found = isOwn(edge) ? inner.get(edge.name) : self.get(edge.name)
      if (isOwn(edge) && !targets.has(edge.name)) {
        layout.warnings.add(`${each.id} goes without its optional dependency ${DependencyGraph.specOf(edge)}`)
        continue
      }
      if (found === undefined) continue
      if (!isOwn(edge) && !suits(found.package.choice, edge)) {
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
    for (const name of inner.keys()) queue.push({ provider: inner.get(name)!, outer: [inner, self], depth: depth + 1 })
  }
  return { layout, around }
})

/** Instances that the project cannot do without: those reached along required edges and their peers. */
export const requiredOf = (
  roots: ReadonlyArray<DependencyGraph.Edge>,
  around: Scope,
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
