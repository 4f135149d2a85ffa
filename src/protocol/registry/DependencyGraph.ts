/**
 * Which release answers each dependency, of a project's and of everything below it: the graph before
 * it is laid out. Every pair of name and range is answered once, by the highest version in range, so
 * the graph does not depend on the order in which answers come in.
 */
import type * as Effect from "effect/Effect"
import type { PackageName } from "../core/PackageName.ts"
import type { PublicKey } from "../core/PublicKey.ts"
import type * as PackageSpec from "../core/PackageSpec.ts"
import type { DependencyError } from "./DependencyError.ts"
import type { Manifest } from "./Manifest.ts"
import type { Release } from "./Release.ts"

/** Packages of one graph; express has 67, the largest projects some thousands. */
export const PACKAGES_MAX = 10_000

/** Names with ranges asked for in one graph; several ranges of one name mostly lead to one package. */
export const SPECS_MAX = 40_000

/** What a package.json or a manifest says of dependencies. */
export type Wishes = Partial<
  Pick<Manifest, "dependencies" | "optionalDependencies" | "peerDependencies" | "peerDependenciesMeta">
>

/** The release that was chosen for a dependency. */
export interface Choice {
  readonly publisher: PublicKey
  readonly release: Release
}

export interface Answer {
  readonly choice: Choice
  readonly manifest: Manifest
}

export type EdgeKind = "required" | "optional" | "peer" | "optionalPeer"

export interface Edge {
  readonly name: PackageName
  /** As it is written in the manifest. */
  readonly range: string
  readonly kind: EdgeKind
}

export interface Package extends Answer {
  /** `name@version`. */
  readonly id: string
  readonly edges: ReadonlyArray<Edge>
}

export interface Graph {
  /** By `name@version`. */
  readonly packages: ReadonlyMap<string, Package>
  /** Edges of the project, and of everything in `packages`: from `name@range` to `name@version`. */
  readonly answers: ReadonlyMap<string, string>
  /** Why an answer is missing, by `name@range`. */
  readonly failures: ReadonlyMap<string, DependencyError>
}

/** Where answers come from: the registry, a lock file, a test. */
export interface Source<E, R> {
  /** `text` is the spec as it is written in a manifest: `name@range`. */
  readonly resolve: (spec: PackageSpec.PackageSpec, text: string) => Effect.Effect<Choice, E, R>
  readonly manifestOf: (choice: Choice) => Effect.Effect<Manifest, E, R>
}

/** A source whose two ways of answering may fail in different ways. */
export const source = <E, R, E2, R2>(ways: {
  readonly resolve: (spec: PackageSpec.PackageSpec, text: string) => Effect.Effect<Choice, E, R>
  readonly manifestOf: (choice: Choice) => Effect.Effect<Manifest, E2, R2>
}): Source<E | E2, R | R2> => ways

export const specOf = (edge: Aim): string => `${edge.name}@${edge.range}`

/** How npm writes that another package is to stand under a name: `npm:real@range`. */
const ALIAS = /^npm:/i

export const isAlias = ({ range }: Pick<Edge, "range">): boolean => ALIAS.test(range.trim())

/** What an edge, or an answer, asks for once aliases are read. */
export interface Aim {
  /** Of the package itself. Where an alias makes no sense it is no name, and no package has it. */
  readonly name: string
  readonly range: string
}

/** The package that an edge leads to: its own name, or behind `npm:` another one; without a range that one in any. */
export const aimOf = ({ name, range }: Aim): Aim => {
  if (!isAlias({ range })) return { name, range }
  const text = range.trim().slice("npm:".length).trim()
  const at = text.indexOf("@", 1)
  return at < 0 ? { name: text, range: "*" } : { name: text.slice(0, at), range: text.slice(at + 1) }
}

/** The name and range of a {@link specOf}; `undefined` for what is none. */
export const edgeOfSpec = (spec: string): Aim | undefined => {
  // The first character of a scoped name is an @, too.
  const at = spec.indexOf("@", 1)
  return at < 0 ? undefined : { name: spec.slice(0, at), range: spec.slice(at + 1) }
}

/** Without what the package has in a `node_modules` of its own (`bundleDependencies`); `has` tells of its files. */
export const unbundled = (wishes: Wishes, has: (path: string) => boolean): Wishes => {
  const rest = (texts: Wishes["dependencies"]) =>
    texts === undefined
      ? undefined
      : Object.fromEntries(Object.entries(texts).filter(([name]) => !has(`node_modules/${name}/package.json`)))
  const dependencies = rest(wishes.dependencies)
  const optionalDependencies = rest(wishes.optionalDependencies)
  return {
    ...wishes,
    ...(dependencies === undefined ? {} : { dependencies }),
    ...(optionalDependencies === undefined ? {} : { optionalDependencies })
  }
}

/** `dependencies` first; as npm has it, an optional dependency of the same name takes its place. Sorted by name. */
export const edgesOf = (wishes: Wishes): ReadonlyArray<Edge> => {
  const edges = new Map<string, Edge>()
  const add = (texts: { readonly [name: string]: string } | undefined, kindOf: (name: string) => EdgeKind) => {
    for (const [name, range] of Object.entries(texts ?? {})) {
      edges.set(name, { name: name as PackageName, range, kind: kindOf(name) })
    }
  }
  add(wishes.peerDependencies, (name) =>
    wishes.peerDependenciesMeta?.[name]?.optional === true ? "optionalPeer" : "peer"
  )
  add(wishes.dependencies, () => "required")
  add(wishes.optionalDependencies, () => "optional")
  return [...edges.values()].toSorted((self, that) => (self.name < that.name ? -1 : self.name > that.name ? 1 : 0))
}

/**
 * Packages that cannot be used, because something they require cannot: a failure spreads from
 * dependency to dependent along required edges. By `name@version`, with the failure it goes back to.
 */
export const broken = (graph: Graph): ReadonlyMap<string, DependencyError> => {
  const dependents = new Map<string, Array<string>>()
  const reasons = new Map<string, DependencyError>()
  for (const { edges, id } of graph.packages.values()) {
    for (const edge of edges) {
      if (edge.kind !== "required") continue
      const spec = specOf(edge)
      const failure = graph.failures.get(spec)
      const target = graph.answers.get(spec)
      if (failure !== undefined && !reasons.has(id)) reasons.set(id, failure)
      if (target === undefined) continue
      const known = dependents.get(target)
      if (known === undefined) dependents.set(target, [id])
      else known.push(id)
    }
  }
  const queue = [...reasons.keys()]
  for (let at = 0; at < queue.length; at++) {
    const failure = reasons.get(queue[at]!)!
    for (const dependent of dependents.get(queue[at]!) ?? []) {
      if (reasons.has(dependent)) continue
      reasons.set(dependent, failure)
      queue.push(dependent)
    }
  }
  return reasons
}
