/**
 * Asks who answers each dependency, from the wishes of a project to the end of its tree: every pair of
 * name and range once, many at a time, each as soon as something that was found asks for it.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { ExitCode, explain } from "../core/Errors.ts"
import * as PackageName from "../core/PackageName.ts"
import * as PackageSpec from "../core/PackageSpec.ts"
import {
  DependencyError,
  DependencyNotResolved,
  TooManyDependencies,
  UnsupportedDependency
} from "./DependencyError.ts"
import {
  type Aim,
  aimOf,
  type Edge,
  edgesOf,
  type Graph,
  isAlias,
  PACKAGES_MAX,
  type Source,
  specOf,
  SPECS_MAX,
  unbundled,
  type Wishes
} from "./DependencyGraph.ts"
import type { Manifest } from "./Manifest.ts"

/** Questions that are open at a time: the name, then the manifest of what was found. */
const CONCURRENCY = 24

/** How often those who help call others in turn, so that the calls do not go as deep as the tree does. */
const HELP_DEPTH_MAX = 100

/** How the project is called among those who ask. */
const PROJECT = "The project"

/** What a package brings an answer for; peers come from those who use it. */
const isFollowed = ({ kind }: Edge): boolean => kind === "required" || kind === "optional"

/** What a manifest asks for of others. */
export const wishesOf = (manifest: Manifest): Wishes =>
  unbundled(manifest, (path) => Object.hasOwn(manifest.files, path))

const parsed = (name: string, range: string) => PackageSpec.parse(`${name}@${range.trim() === "" ? "*" : range}`)

/** The package behind an alias, which stands under a name of its own. */
const aliasedOf = (edge: Aim): Result.Result<PackageSpec.PackageSpec, PackageSpec.InvalidSpec> => {
  const { name, range } = aimOf(edge)
  const refuse = (problem: string, hint = "Write an alias as npm, like: npm:semver@^7") =>
    Result.fail(PackageSpec.invalid(specOf(edge), problem, hint))
  if (name === "") return refuse("is an alias of nothing")
  if (isAlias({ range: name }) || isAlias({ range })) return refuse("is an alias of an alias")
  // The name becomes a place in node_modules, whatever it leads to.
  const place = PackageName.problem(edge.name)
  if (place !== undefined) return refuse(`is an alias with a name that ${place}`)
  const wanted = parsed(name, range)
  return Result.isSuccess(wanted)
    ? wanted
    : refuse(`is an alias of ${JSON.stringify(name)}, and that ${wanted.failure.problem}`, wanted.failure.hint)
}

/** What an edge asks for; an empty range is any, and an alias asks for the package behind it. */
export const wantedOf = (edge: Aim): Result.Result<PackageSpec.PackageSpec, PackageSpec.InvalidSpec> =>
  isAlias(edge) ? aliasedOf(edge) : parsed(edge.name, edge.range)

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

/** Why something cannot be had, told of whoever asks for it. */
type Problem = (question: Question) => DependencyError

const notFound =
  (error: unknown): Problem =>
  ({ dependent, edge }) =>
    failureOf(dependent, specOf(edge), error)

/**
 * Asks for everything that is reachable from `wishes`, for {@link CONCURRENCY} things at a time and for
 * each as soon as something that was found asks for it. Fails only when the network or the disk does, or
 * past {@link PACKAGES_MAX}: a dependency that does not exist is noted in `failures`, since it may turn out
 * to be optional.
 */
export const explore = Effect.fn("DependencyGraph.explore")(function* <E, R>(
  roots: ReadonlyArray<Edge>,
  source: Source<E, R>,
  known: Graph = { packages: new Map(), answers: new Map(), failures: new Map() }
) {
  const packages = new Map(known.packages)
  const answers = new Map(known.answers)
  const problems = new Map<string, Problem>([...known.failures].map(([spec, failure]) => [spec, () => failure]))
  const undescribed = new Map<string, Problem>()
  const asked = new Set([...answers.keys(), ...problems.keys()])
  const described = new Set(packages.keys())
  const questions: Array<Question> = []
  let working = 0

  const ask = Effect.fnUntraced(function* (question: Question) {
    const spec = specOf(question.edge)
    if (asked.has(spec)) return
    if (asked.size >= SPECS_MAX) {
      return yield* new DependencyError({ reason: new TooManyDependencies({ limit: SPECS_MAX, what: "ranges" }) })
    }
    asked.add(spec)
    questions.push(question)
  })

  /** The answer to a question, or why there is none. */
  const settled = <A>(question: Question, answer: Effect.Effect<A, E, R>) =>
    Effect.matchEffect(answer, {
      onSuccess: (value) => Effect.succeed(Result.succeed(value)),
      onFailure: (error) =>
        isPassing(error)
          ? Effect.fail(notFound(error)(question))
          : Effect.succeed(Result.fail<Problem>(notFound(error)))
    })

  const resolve = Effect.fnUntraced(function* (question: Question) {
    const { edge } = question
    const spec = wantedOf(edge)
    if (Result.isSuccess(spec)) return yield* settled(question, source.resolve(spec.success, specOf(edge)))
    const { problem } = spec.failure
    return Result.fail<Problem>(({ dependent, edge }) => {
      const reason = new UnsupportedDependency({ dependent, dependency: specOf(edge), problem })
      return new DependencyError({ reason })
    })
  })

  const follow = Effect.fnUntraced(function* (question: Question) {
    const spec = specOf(question.edge)
    const found = yield* resolve(question)
    if (Result.isFailure(found)) return void problems.set(spec, found.failure)
    const choice = found.success
    const id = `${choice.release.n}@${choice.release.v}`
    answers.set(spec, id)
    if (described.has(id)) return
    if (described.size >= PACKAGES_MAX) {
      return yield* new DependencyError({ reason: new TooManyDependencies({ limit: PACKAGES_MAX, what: "packages" }) })
    }
    described.add(id)
    const manifest = yield* settled(question, source.manifestOf(choice))
    if (Result.isFailure(manifest)) return void undescribed.set(id, manifest.failure)
    const edges = edgesOf(wishesOf(manifest.success))
    packages.set(id, { choice, manifest: manifest.success, id, edges })
    // Peers are looked for among those who use the package first; what nobody provides is asked for later.
    for (const edge of edges) if (isFollowed(edge)) yield* ask({ edge, dependent: id })
  })

  const next = Effect.suspend(() => follow(questions.pop()!))
  /** Answers what there is, and calls others to help where there is more than one can do. */
  const work = (depth: number): Effect.Effect<void, DependencyError, R> =>
    Effect.gen(function* () {
      working++
      while (questions.length > 0) {
        const helpers = Math.min(CONCURRENCY - working, questions.length - 1)
        if (helpers > 0 && depth < HELP_DEPTH_MAX) {
          working--
          const workers = Array.from({ length: helpers + 1 }, () => work(depth + 1))
          return yield* Effect.forEach(workers, (worker) => worker, { concurrency: "unbounded", discard: true })
        }
        yield* next
      }
      working--
    })
  for (const edge of roots) yield* ask({ edge, dependent: PROJECT })
  yield* work(0)
  for (const [spec, id] of undescribed.size === 0 ? [] : answers) {
    const problem = undescribed.get(id)
    if (problem === undefined) continue
    answers.delete(spec)
    problems.set(spec, problem)
  }
  return { packages, answers, failures: told(roots, packages, answers, problems) } satisfies Graph
})

/** Every problem, told of the one that comes first of those who ask, whatever order the answers came in. */
const told = (
  roots: ReadonlyArray<Edge>,
  packages: Graph["packages"],
  answers: Graph["answers"],
  problems: ReadonlyMap<string, Problem>
): Graph["failures"] => {
  const failures = new Map<string, DependencyError>()
  if (problems.size === 0) return failures
  const queue: Array<Question> = roots.map((edge) => ({ edge, dependent: PROJECT }))
  const seen = new Set<string>()
  for (let at = 0; at < queue.length; at++) {
    const question = queue[at]!
    const spec = specOf(question.edge)
    if (seen.has(spec)) continue
    seen.add(spec)
    const problem = problems.get(spec)
    if (problem !== undefined) failures.set(spec, problem(question))
    const id = answers.get(spec) ?? ""
    for (const edge of packages.get(id)?.edges ?? []) if (isFollowed(edge)) queue.push({ edge, dependent: id })
  }
  // Asked for in an earlier round, from other roots.
  for (const [spec, problem] of problems) {
    if (!failures.has(spec)) failures.set(spec, problem({ edge: roots[0]!, dependent: PROJECT }))
  }
  return failures
}
