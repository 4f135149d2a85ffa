/**
 * Which packages a mirror has to have: those that are asked for and all that they depend on, as the
 * registry answers. Ranges are answered one by one, as npm picks; a peer that some chosen version is
 * already needs no other. What is optional and cannot be had is left out, with all that only it needs.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { ExitCode } from "../../protocol/core/Errors.ts"
import {
  DependencyError,
  DependencyNotResolved,
  TooManyDependencies,
  UnsupportedDependency
} from "../../protocol/registry/DependencyError.ts"
import * as DependencyGraph from "../../protocol/registry/DependencyGraph.ts"
import { satisfies } from "../../protocol/registry/DependencyPeers.ts"
import type { MirrorError } from "./MirrorError.ts"
import type { MirrorSource, Picked } from "./MirrorSource.ts"
import { type RegistryFailure, RegistryRefused } from "./RegistryFailure.ts"
import * as Wanted from "./Wanted.ts"

/** Ranges answered at a time; how many requests that is at a time, the client decides. */
const CONCURRENCY = 64

export interface Options {
  /** Whether to go on to what the packages depend on. */
  readonly dependencies: boolean
  /** Whether what is asked for itself brings its devDependencies. */
  readonly development: boolean
}

/** A name with a range, and the `name@version` that asks for it. */
export interface Question {
  readonly edge: DependencyGraph.Edge
  readonly dependent: string
}

export interface Tree {
  /** By `name@version`; what is asked for comes first. */
  readonly packages: ReadonlyMap<string, Picked>
  /** What was left out, and what is not as usual, in sentences. */
  readonly notes: ReadonlyArray<string>
}

/** An edge and what answers it: a `name@version`. */
interface Placed extends Question {
  readonly answer: Result.Result<string, DependencyError>
}

/** A registry that cannot be asked is no answer: a tree made without it would differ from tomorrow's. */
const isPassing = ({ reason }: MirrorError | RegistryFailure): boolean =>
  reason.exitCode === ExitCode.network && !(reason instanceof RegistryRefused && reason.isFinal)

const unanswered = ({ dependent, edge }: Question, error: MirrorError | RegistryFailure): DependencyError =>
  new DependencyError({
    reason: new DependencyNotResolved({
      dependent,
      dependency: DependencyGraph.specOf(edge),
      problem: error.message,
      hint: error.reason.hint,
      exitCode: error.reason.exitCode
    })
  })

const unsupported = ({ dependent, edge }: Question, problem: string): DependencyError =>
  new DependencyError({
    reason: new UnsupportedDependency({ dependent, dependency: DependencyGraph.specOf(edge), problem })
  })

const tooMany = (limit: number, what: string): DependencyError =>
  new DependencyError({ reason: new TooManyDependencies({ limit, what }) })

/** What a package asks for that has to be answered. An optional peer is for its user to bring. */
export const questionsOf = (dependent: string, wishes: DependencyGraph.Wishes): ReadonlyArray<Question> =>
  DependencyGraph.edgesOf(wishes)
    .filter(({ kind }) => kind !== "optionalPeer")
    .map((edge) => ({ edge, dependent }))

/** Packages that cannot be used, with the failure that it goes back to: it spreads along required edges. */
const brokenIn = (placed: ReadonlyArray<Placed>): ReadonlyMap<string, DependencyError> => {
  const required = placed.filter(({ edge }) => edge.kind === "required")
  const dependents = Map.groupBy(required, ({ answer }) => Result.getOrElse(answer, () => ""))
  const reasons = new Map<string, DependencyError>()
  const queue: Array<string> = []
  const mark = (id: string, reason: DependencyError) => {
    if (reasons.has(id)) return
    reasons.set(id, reason)
    queue.push(id)
  }
  for (const { answer, dependent } of required) if (Result.isFailure(answer)) mark(dependent, answer.failure)
  for (const id of queue) for (const { dependent } of dependents.get(id) ?? []) mark(dependent, reasons.get(id)!)
  return reasons
}

/** A tree that grows as it is asked for more. */
export const make = (source: MirrorSource, options: Options) => {
  /** By `name@range`. */
  const answers = new Map<string, Result.Result<string, DependencyError>>()
  const packages = new Map<string, Picked>()
  const placed: Array<Placed> = []
  const asked: Array<string> = []
  const aliases = new Set<string>()
  const peersSeen = new Set<string>()

  const answer = (request: Wanted.Request) =>
    Effect.map(source.answer(request), (picked) => {
      if (!packages.has(picked.id)) packages.set(picked.id, picked)
      return picked.id
    })

  /** The answer, or why there is none; fails where the registry cannot be asked. */
  const place = Effect.fnUntraced(function* (question: Question) {
    const { edge } = question
    const request = Wanted.dependency(edge.name, edge.range)
    if (Result.isFailure(request)) return Result.fail(unsupported(question, request.failure))
    return yield* answer(request.success).pipe(
      Effect.map((id) => Result.succeed(id)),
      Effect.catchIf(
        (error) => !isPassing(error),
        (error) => Effect.succeed(Result.fail(unanswered(question, error)))
      )
    )
  })

  const noteAlias = ({ answer, dependent, edge }: Placed) => {
    if (!/^\s*npm:/i.test(edge.range) || Result.isFailure(answer)) return
    aliases.add(`${dependent} asks for ${answer.success} under the name ${edge.name}: it is mirrored under its own`)
  }

  /** Everything that is reachable from `questions`, wave by wave. */
  const walk = Effect.fnUntraced(function* (questions: ReadonlyArray<Question>) {
    let wave = questions
    while (wave.length > 0) {
      const known = new Set(packages.keys())
      const fresh = new Map(wave.map((question) => [DependencyGraph.specOf(question.edge), question]))
      for (const spec of fresh.keys()) if (answers.has(spec)) fresh.delete(spec)
      if (answers.size + fresh.size > DependencyGraph.SPECS_MAX) {
        return yield* tooMany(DependencyGraph.SPECS_MAX, "ranges")
      }
      yield* Effect.forEach(
        fresh,
        ([spec, question]) => Effect.map(place(question), (result) => void answers.set(spec, result)),
        { concurrency: CONCURRENCY, discard: true }
      )
      if (packages.size > DependencyGraph.PACKAGES_MAX) {
        return yield* tooMany(DependencyGraph.PACKAGES_MAX, "packages")
      }
      for (const question of wave) {
        const found = { ...question, answer: answers.get(DependencyGraph.specOf(question.edge))! }
        placed.push(found)
        noteAlias(found)
      }
      const added = [...packages.values()].filter(({ id }) => !known.has(id))
      wave = added.flatMap(({ id, wishes }) => questionsOf(id, wishes)).filter(({ edge }) => edge.kind !== "peer")
    }
  })

  /** Peers that no chosen version is. */
  const missingPeers = (questions: ReadonlyArray<Question>): ReadonlyArray<Question> => {
    const own = [...packages.values()].flatMap(({ id, wishes }) => questionsOf(id, wishes))
    const byName = Map.groupBy(packages.values(), ({ name }): string => name)
    const missing: Array<Question> = []
    for (const question of [...own, ...questions].filter(({ edge }) => edge.kind === "peer")) {
      const { name, range } = DependencyGraph.aimOf(question.edge)
      const seen = `${question.dependent} ${DependencyGraph.specOf(question.edge)}`
      if (peersSeen.has(seen)) continue
      peersSeen.add(seen)
      const found = byName.get(name)?.find(({ version }) => satisfies(version, range))
      if (found === undefined) missing.push(question)
      else placed.push({ ...question, answer: Result.succeed(found.id) })
    }
    return missing
  }

  /** What packages turned out to ask for, such as their own package.json says. */
  const add = Effect.fn("MirrorTree.add")(function* (questions: ReadonlyArray<Question>) {
    if (!options.dependencies) return
    yield* walk(questions.filter(({ edge }) => edge.kind !== "peer"))
    for (let missing = missingPeers(questions); missing.length > 0; missing = missingPeers([])) yield* walk(missing)
  })

  /** What the user asks for. Fails where one of them cannot be had. */
  const ask = Effect.fn("MirrorTree.ask")(function* (requests: ReadonlyArray<Wanted.Request>) {
    const ids = yield* Effect.forEach(requests, answer, { concurrency: CONCURRENCY })
    asked.push(...ids)
    const roots = [...new Set(ids)].flatMap((id) => {
      const { devDependencies, wishes } = packages.get(id)!
      if (!options.development) return questionsOf(id, wishes)
      return questionsOf(id, { ...wishes, dependencies: { ...devDependencies, ...wishes.dependencies } })
    })
    yield* add(roots)
  })

  /** The tree so far. Fails where what is asked for cannot do without something that cannot be had. */
  const tree = Effect.fnUntraced(function* () {
    const broken = brokenIn(placed)
    const edges = Map.groupBy(placed, ({ dependent }) => dependent)
    const usable = new Map<string, Picked>()
    const notes = new Set(aliases)
    const queue = [...asked]
    for (const id of queue) {
      if (usable.has(id)) continue
      const failure = broken.get(id)
      if (failure !== undefined) return yield* failure
      usable.set(id, packages.get(id)!)
      for (const { answer, dependent, edge } of edges.get(id) ?? []) {
        const problem = Result.isFailure(answer) ? answer.failure : broken.get(answer.success)
        if (problem === undefined) queue.push(Result.getOrThrow(answer))
        else
          notes.add(
            `${dependent} goes without ${edge.name}, ${edge.kind === "peer" ? "a peer" : "which is optional"}: ${problem.message}`
          )
      }
    }
    return { packages: usable, notes: [...notes] } satisfies Tree
  })

  return { ask, add, tree }
}
