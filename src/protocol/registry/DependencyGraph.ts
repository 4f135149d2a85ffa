/**
 * Which release answers each dependency, of a project's and of everything below it: the graph before
 * it is laid out. Every pair of name and range is answered once, by the highest version in range, so
 * the graph does not depend on the order in which answers come in.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { ExitCode, explain } from "../core/Errors.ts"
import type { PackageName } from "../core/PackageName.ts"
import type { PublicKey } from "../core/PublicKey.ts"
import * as PackageSpec from "../core/PackageSpec.ts"
import {
  DependencyError,
  DependencyNotResolved,
  TooManyDependencies,
  UnsupportedDependency
} from "./DependencyError.ts"
import type { Manifest } from "./Manifest.ts"
import type { Release } from "./Release.ts"

/** Packages of one graph; express has 67, the largest projects some thousands. */
export const PACKAGES_MAX = 10_000

/** Names with ranges asked for in one graph; several ranges of one name mostly lead to one package. */
export const SPECS_MAX = 40_000

/** Answers waited for at a time. */
const CONCURRENCY = 16

/** What npm reads as another package under this name. */
const ALIAS = /^\s*npm:/i

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

export const specOf = (edge: Pick<Edge, "name" | "range">): string => `${edge.name}@${edge.range}`

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

const failureOf = (dependent: string, dependency: string, error: unknown): DependencyError => {
  const explained = explain(error)
  return new DependencyError({
    reason: new DependencyNotResolved({
      dependent,
      dependency,
      problem: explained?.message ?? String(error),
      hint: explained?.hint ?? "Try again.",
      exitCode: explained?.exitCode ?? ExitCode.internal
    })
  })
}

/**
 * A network that cannot be asked is no answer: a graph made without it would differ from the one made
 * tomorrow. Nor is one that has not what is locked, since that was there once.
 */
const isPassing = (error: unknown): boolean => {
  if (error instanceof DependencyError && error.reason._tag === "LockedNotResolved") return true
  const exitCode = explain(error)?.exitCode
  return exitCode === ExitCode.network || exitCode === ExitCode.storage
}

interface Question {
  readonly edge: Edge
  readonly dependent: string
}

/**
 * Asks for everything that is reachable from `wishes`, wave by wave. Fails only when the network or
 * the disk does, or past {@link PACKAGES_MAX}: a dependency that does not exist is noted in
 * `failures`, since it may turn out to be optional.
 */
export const explore = Effect.fn("DependencyGraph.explore")(function* <E, R>(
  roots: ReadonlyArray<Edge>,
  source: Source<E, R>,
  known: Graph = { packages: new Map(), answers: new Map(), failures: new Map() }
) {
  const packages = new Map(known.packages)
  const answers = new Map(known.answers)
  const failures = new Map(known.failures)

  const resolve = Effect.fnUntraced(function* ({ dependent, edge }: Question) {
    const spec = PackageSpec.parse(`${edge.name}@${edge.range.trim() === "" ? "*" : edge.range}`)
    if (Result.isFailure(spec)) {
      const problem = ALIAS.test(edge.range)
        ? "is an alias of another package: aliases cannot be resolved here"
        : spec.failure.problem
      return Result.fail(
        new DependencyError({ reason: new UnsupportedDependency({ dependent, dependency: specOf(edge), problem }) })
      )
    }
    return yield* source.resolve(spec.success, specOf(edge)).pipe(
      Effect.map((choice) => Result.succeed(choice)),
      Effect.catch((error: E) => {
        const failure = failureOf(dependent, specOf(edge), error)
        return isPassing(error) ? Effect.fail(failure) : Effect.succeed(Result.fail(failure))
      })
    )
  })

  const describe = Effect.fnUntraced(function* (choice: Choice, { dependent, edge }: Question) {
    return yield* source.manifestOf(choice).pipe(
      Effect.map((manifest) => Result.succeed({ choice, manifest })),
      Effect.catch((error: E) => {
        const failure = failureOf(dependent, specOf(edge), error)
        return isPassing(error) ? Effect.fail(failure) : Effect.succeed(Result.fail(failure))
      })
    )
  })

  let wave: ReadonlyArray<Question> = roots.map((edge) => ({ edge, dependent: "The project" }))
  while (wave.length > 0) {
    const questions = new Map<string, Question>()
    for (const question of wave) {
      const spec = specOf(question.edge)
      if (!answers.has(spec) && !failures.has(spec) && !questions.has(spec)) questions.set(spec, question)
    }
    if (answers.size + failures.size + questions.size > SPECS_MAX) {
      return yield* new DependencyError({ reason: new TooManyDependencies({ limit: SPECS_MAX, what: "ranges" }) })
    }
    const found = yield* Effect.forEach(
      questions,
      ([spec, question]) => Effect.map(resolve(question), (result) => ({ spec, question, result })),
      { concurrency: CONCURRENCY }
    )
    const fresh = new Map<string, { readonly choice: Choice; readonly question: Question }>()
    for (const { question, result, spec } of found) {
      if (Result.isFailure(result)) {
        failures.set(spec, result.failure)
        continue
      }
      const id = `${result.success.release.n}@${result.success.release.v}`
      answers.set(spec, id)
      if (!packages.has(id) && !fresh.has(id)) fresh.set(id, { choice: result.success, question })
    }
    if (packages.size + fresh.size > PACKAGES_MAX) {
      return yield* new DependencyError({ reason: new TooManyDependencies({ limit: PACKAGES_MAX, what: "packages" }) })
    }
    const described = yield* Effect.forEach(
      fresh,
      ([id, { choice, question }]) => Effect.map(describe(choice, question), (result) => ({ id, result })),
      { concurrency: CONCURRENCY }
    )
    const next: Array<Question> = []
    const undescribed = new Map<string, DependencyError>()
    for (const { id, result } of described) {
      if (Result.isFailure(result)) {
        undescribed.set(id, result.failure)
        continue
      }
      const edges = edgesOf(result.success.manifest)
      packages.set(id, { ...result.success, id, edges })
      // Peers are looked for among those who use the package first; what nobody provides is asked for later.
      for (const edge of edges) {
        if (edge.kind === "required" || edge.kind === "optional") next.push({ edge, dependent: id })
      }
    }
    for (const [spec, id] of undescribed.size === 0 ? [] : answers) {
      const failure = undescribed.get(id)
      if (failure === undefined) continue
      answers.delete(spec)
      failures.set(spec, failure)
    }
    wave = next
  }
  return { packages, answers, failures } satisfies Graph
})

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
