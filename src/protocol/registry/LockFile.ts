/**
 * libreseed.lock.json: a tree of dependencies as it was resolved, so that it can be had again, byte
 * for byte, without asking who publishes what. For every package it has the publisher, the infohash
 * and npm's integrity string; a later install needs no more than the release record of each.
 *
 * The text is a function of the tree: keys sorted, two spaces, a line feed at the end.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ExitCode, explain } from "../core/Errors.ts"
import * as Infohash from "../core/Infohash.ts"
import * as JsonProblem from "../core/JsonProblem.ts"
import type { PackageName } from "../core/PackageName.ts"
import type { PackageSpec } from "../core/PackageSpec.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"
import { DependencyError, InvalidLockFile, LockedNotResolved, LockMismatch } from "./DependencyError.ts"
import type * as DependencyGraph from "./DependencyGraph.ts"
import type { Instance } from "./DependencyLayout.ts"
import type { DependencyTree } from "./DependencyTree.ts"
import * as LockConsistency from "./LockConsistency.ts"
import { LOCK_VERSION, type LockedPackage, LockFile } from "./LockShape.ts"
import * as LockedRange from "./LockedRange.ts"
import type { Manifest } from "./Manifest.ts"

export { LOCK_VERSION, LockedPackage, LockFile } from "./LockShape.ts"

export const FILE_NAME = "libreseed.lock.json"

/** Bytes of a lock file: the largest tree that there may be, at 1 KB for a package. */
export const MAX_BYTES = 32 * 1024 * 1024

const sorted = <V>(entries: Iterable<readonly [string, V]>): { readonly [key: string]: V } =>
  Object.fromEntries([...entries].toSorted(([self], [that]) => (self < that ? -1 : self > that ? 1 : 0)))

/** Names that an instance sees and can do without. */
const optionalOf = ({ dependencies, package: { edges } }: Instance): ReadonlyArray<PackageName> =>
  edges.flatMap(({ kind, name }) =>
    (kind === "optional" || kind === "optionalPeer") && dependencies.has(name) ? [name] : []
  )

const optionalPeersOf = ({ peerDependencies = {}, peerDependenciesMeta = {} }: DependencyGraph.Wishes) =>
  Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional === true)

const wishesOf = (wishes: DependencyGraph.Wishes): LockFile["wishes"] => {
  const optionalPeers = optionalPeersOf(wishes)
  return {
    ...(wishes.dependencies === undefined ? {} : { dependencies: sorted(Object.entries(wishes.dependencies)) }),
    ...(wishes.optionalDependencies === undefined
      ? {}
      : { optionalDependencies: sorted(Object.entries(wishes.optionalDependencies)) }),
    ...(wishes.peerDependencies === undefined
      ? {}
      : { peerDependencies: sorted(Object.entries(wishes.peerDependencies)) }),
    ...(optionalPeers.length === 0
      ? {}
      : { peerDependenciesMeta: sorted(optionalPeers.map((name) => [name, { optional: true }] as const)) })
  }
}

/** The lock of a tree. Trees that are equal have equal locks, whatever order they came together in. */
export const make = (wishes: DependencyGraph.Wishes, tree: DependencyTree): LockFile => ({
  lockfileVersion: LOCK_VERSION,
  wishes: wishesOf(wishes),
  project: sorted(tree.project),
  packages: sorted(
    [...tree.instances.values()].map((instance) => {
      const { choice, manifest } = instance.package
      const optional = optionalOf(instance)
      const locked: LockedPackage = {
        name: choice.release.n,
        version: choice.release.v,
        publisher: PublicKey.toBase64(choice.publisher),
        infohash: Infohash.toHex(choice.release.ih),
        integrity: manifest.tarball.sha512,
        contentHash: manifest.contentHash,
        dependencies: sorted(instance.dependencies),
        ...(optional.length === 0 ? {} : { optionalDependencies: optional }),
        ...(instance.isOptional ? { optional: true } : {}),
        ...(manifest.os === undefined ? {} : { os: manifest.os }),
        ...(manifest.cpu === undefined ? {} : { cpu: manifest.cpu })
      }
      return [instance.id, locked] as const
    })
  ),
  answers: sorted(tree.answers)
})

/** Sorted at every depth by `make` already; the order of the fields of one package is that of the schema. */
export const toText = (lock: LockFile): string => `${JSON.stringify(lock, null, 2)}\n`

const decodeJson = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))
const decode = Schema.decodeUnknownEffect(LockFile, { onExcessProperty: "error" })
const isVersioned = Schema.is(Schema.Struct({ lockfileVersion: Schema.Number }))

/** Chars of a decoder's sentence that are shown, the place in the file included. */
const PROBLEM_CHARS = 400

const problemOf = (error: Schema.SchemaError): string =>
  error.message
    .split("\n")
    .map((line) => line.trim())
    .join(" ")
    .slice(0, PROBLEM_CHARS)

/** Reads a lock file. `location` names it in the error. What it contradicts itself in is refused here, once. */
export const parse = Effect.fnUntraced(function* (text: string, location: string = FILE_NAME) {
  const refuse = (problem: string) => new DependencyError({ reason: new InvalidLockFile({ location, problem }) })
  if (text.length > MAX_BYTES) return yield* refuse(`it is longer than ${MAX_BYTES} bytes`)
  const json = yield* decodeJson(text).pipe(
    Effect.mapError((error) => refuse(JsonProblem.of(text) ?? problemOf(error)))
  )
  if (isVersioned(json) && json.lockfileVersion > LOCK_VERSION) {
    const problem = `it was made by a newer ls-cli: its lockfileVersion is ${json.lockfileVersion}`
    return yield* new DependencyError({ reason: new InvalidLockFile({ location, problem, isNewer: true }) })
  }
  const lock = yield* decode(json).pipe(Effect.mapError((error) => refuse(problemOf(error))))
  const contradiction = LockConsistency.contradictionOf(lock, LockedRange.admits)
  return contradiction === undefined ? lock : yield* refuse(contradiction)
})

/** Whether the lock answers exactly these wishes, so that nothing needs to be resolved. */
export const answers = (lock: LockFile, wishes: DependencyGraph.Wishes): boolean =>
  JSON.stringify(wishesOf(lock.wishes)) === JSON.stringify(wishesOf(wishes)) &&
  LockConsistency.missingPeers(lock).length === 0

/** The package that is locked for exactly this name and range. */
export const find = (
  lock: LockFile,
  spec: { readonly name: string; readonly range: string }
): LockedPackage | undefined => {
  const text = `${spec.name}@${spec.range}`
  const id = Object.hasOwn(lock.answers, text) ? lock.answers[text]! : undefined
  return id === undefined
    ? undefined
    : Object.values(lock.packages).find(({ name, version }) => `${name}@${version}` === id)
}

/** Fails where the publisher, infohash or tarball of a package are not the locked ones. */
export const verify = (
  locked: LockedPackage,
  { publisher, release }: DependencyGraph.Choice,
  manifest?: Manifest
): Effect.Effect<void, DependencyError> => {
  const first = [
    [locked.publisher, PublicKey.toBase64(publisher)],
    [locked.infohash, Infohash.toHex(release.ih)],
    [locked.integrity, manifest?.tarball.sha512 ?? locked.integrity],
    [locked.contentHash, locked.contentHash === undefined ? undefined : (manifest?.contentHash ?? locked.contentHash)]
  ].find(([expected, found]) => expected !== found)
  return first === undefined
    ? Effect.void
    : Effect.fail(
        new DependencyError({
          reason: new LockMismatch({
            package: `${locked.name}@${locked.version}`,
            locked: first[0]!,
            found: first[1]!
          })
        })
      )
}

/** Where a locked package's release comes from: at most one look-up of its release record. */
export type ReleaseOf<E, R> = (
  publisher: PublicKey.PublicKey,
  name: PackageName,
  version: Version,
  /** What is locked: a record that says so need not be compared with what others say. */
  infohash: Infohash.Infohash
) => Effect.Effect<DependencyGraph.Choice, E, R>

/** The lock may name a key that never published it: what is locked was changed, or is of another network. */
const NO_RECORD_HINT =
  "The lock file asks for this publisher. If it was changed by mistake, restore it from version control, or delete it and lock anew with: ls-cli lock; else ask the publisher to publish or seed again."

/** Says that the answer came from the lock, and that it is no answer to go without. */
const lockedFailure = ({ name, version }: LockedPackage, error: unknown): DependencyError => {
  const explained = explain(error)
  return new DependencyError({
    reason: new LockedNotResolved({
      package: `${name}@${version}`,
      problem: explained?.message ?? String(error),
      hint: explained?._tag === "PackageNotFound" ? NO_RECORD_HINT : (explained?.hint ?? "Try again."),
      exitCode: explained?.exitCode ?? ExitCode.internal
    })
  })
}

/**
 * Answers from the lock what it has an answer for, and asks `source` for the rest: adding one
 * dependency leaves all others where they are. Specs that `isAnew` holds of, with the text that they come from (the
 * names of which differ in an alias), are never answered from the lock. What is locked and cannot be had is `LockedNotResolved`, whether it is optional or not.
 */
export const prefer = <E, R, E2, R2>(
  lock: LockFile,
  source: DependencyGraph.Source<E, R>,
  releaseOf: ReleaseOf<E2, R2>,
  isAnew: (spec: PackageSpec, text: string) => boolean = () => false
): DependencyGraph.Source<E | DependencyError, R | R2> => {
  const byVersion = new Map(Object.values(lock.packages).map((locked) => [`${locked.name}@${locked.version}`, locked]))
  return {
    resolve: (spec, text) => {
      const id = Object.hasOwn(lock.answers, text) ? lock.answers[text]! : ""
      const locked = isAnew(spec, text) ? undefined : byVersion.get(id)
      return locked === undefined
        ? source.resolve(spec, text)
        : releaseOfLocked(locked, releaseOf).pipe(Effect.mapError((error) => lockedFailure(locked, error)))
    },
    manifestOf: (choice) => {
      const locked = byVersion.get(`${choice.release.n}@${choice.release.v}`)
      // The same version by another publisher is no mismatch here: it answers a range that is not locked.
      if (locked === undefined || locked.publisher !== PublicKey.toBase64(choice.publisher)) {
        return source.manifestOf(choice)
      }
      return source.manifestOf(choice).pipe(
        Effect.tap((manifest) => verify(locked, choice, manifest)),
        Effect.mapError((error) => lockedFailure(locked, error))
      )
    }
  }
}

/** The release of a locked package, which must be the locked one. */
export const releaseOfLocked = Effect.fnUntraced(function* <E, R>(locked: LockedPackage, releaseOf: ReleaseOf<E, R>) {
  const publisher = Option.getOrThrow(PublicKey.parse(locked.publisher))
  const infohash = Option.getOrThrow(Infohash.fromHex(locked.infohash))
  const choice = yield* releaseOf(publisher, locked.name, locked.version, infohash)
  yield* verify(locked, choice)
  return choice
})
