/**
 * Takes packages out of an npm registry with all that they depend on, and publishes each, byte for byte
 * as it is there, under a key of the user's own. One after another is fetched, checked and published
 * while others are on their way. A run that was cut off goes on where it was: what is published is not
 * fetched again, and what is stored is published from the store.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Deadline from "../../protocol/core/Deadline.ts"
import { ExitCode, explain } from "../../protocol/core/Errors.ts"
import type { KeyPair } from "../../protocol/core/KeyPair.ts"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import { Dht } from "../../protocol/dht/Dht.ts"
import type { DependencyError } from "../../protocol/registry/DependencyError.ts"
import type * as DependencyGraph from "../../protocol/registry/DependencyGraph.ts"
import * as NameClaim from "../../protocol/registry/NameClaim.ts"
import * as NameIndexRecord from "../../protocol/registry/NameIndexRecord.ts"
import * as PublicationLog from "../../protocol/registry/PublicationLog.ts"
import { toRegistryError } from "../../protocol/registry/RegistryError.ts"
import type { StoredRelease } from "../../protocol/swarm/PackageStore.ts"
import type { Published } from "../../protocol/swarm/PublishPackage.ts"
import * as PublishMany from "../../protocol/swarm/PublishMany.ts"
import * as MirrorOrigins from "./MirrorOrigins.ts"
import * as MirrorSource from "./MirrorSource.ts"
import * as MirrorTarball from "./MirrorTarball.ts"
import * as MirrorTree from "./MirrorTree.ts"
import * as NameOwnership from "./NameOwnership.ts"
import * as RegistryClient from "./RegistryClient.ts"
import { RegistryRefused } from "./RegistryFailure.ts"
import * as RegistryKeys from "./RegistryKeys.ts"
import type { Request } from "./Wanted.ts"

export interface Options extends RegistryClient.Options, MirrorTree.Options {
  /** Version of Node, without a `v`, that packages are chosen for. */
  readonly node: string
  /** As for the client; and for each package, from the first byte to its claim in the network. */
  readonly limit: Duration.Input
}

/** What became of a package: it was published, its publication was finished, or it had been published before. */
export type State = "published" | "resumed" | "unchanged"

export interface Mirrored {
  readonly picked: MirrorSource.Picked
  readonly state: State
  readonly stored: StoredRelease
  /** Others who claim to publish the name. */
  readonly rivals: ReadonlyArray<PublicKey.PublicKey>
}

export interface Failed {
  readonly picked: MirrorSource.Picked
  readonly problem: string
  readonly exitCode: ExitCode
}

export interface Outcome {
  readonly mirrored: ReadonlyArray<Mirrored>
  readonly failed: ReadonlyArray<Failed>
  /** What the tarballs turned out to need, and cannot be had. */
  readonly lacking: DependencyError | undefined
  readonly notes: ReadonlyArray<string>
}

export interface Progress {
  /** `name@version` that was done last. */
  readonly last: string
  readonly done: number
  readonly total: number
}

/** Exit codes of what goes on happening to the other packages, too. */
const ENDS_ALL: ReadonlySet<ExitCode> = new Set([ExitCode.network, ExitCode.storage, ExitCode.internal])

const endsAll = (error: unknown): boolean => {
  const reason = explain(error)
  if (reason === undefined) return true
  return ENDS_ALL.has(reason.exitCode) && !(reason instanceof RegistryRefused && reason.isFinal)
}

/** What the tarball's own package.json asks for, and the registry does not say. */
const untold = (picked: MirrorSource.Picked, wishes: DependencyGraph.Wishes): ReadonlyArray<MirrorTree.Question> => {
  const told = new Set(MirrorTree.questionsOf(picked.id, picked.wishes).map(({ edge }) => JSON.stringify(edge)))
  return MirrorTree.questionsOf(picked.id, wishes).filter(({ edge }) => !told.has(JSON.stringify(edge)))
}

const rivalsOf = Effect.fnUntraced(function* ({ publication, publisher, release }: Published) {
  const { claims } = NameIndexRecord.parse(publication.records[3].value)
  const others = claims.filter(({ k }) => !PublicKey.equals(k, publisher))
  if (others.length === 0) return []
  return NameClaim.toSorted(yield* NameClaim.verifyAll(release.n, others)).map(({ k }) => k)
})

/** Opens a registry, until the scope closes. */
export const open = Effect.fn("Mirror.open")(function* (options: Options) {
  const client = yield* RegistryClient.make(options)
  const source = yield* MirrorSource.make(client, options.node)
  const said = yield* client.keys
  const keys: RegistryKeys.RegistryKeys = Option.isNone(said)
    ? new Map()
    : yield* RegistryKeys.parse(client.registry, said.value.json)
  const registry: MirrorTarball.Registry = { client, source, keys }
  const tree = MirrorTree.make(source, options)

  /** What `requests` come to; nothing but what the registry says of packages is fetched. */
  const plan = Effect.fn("Mirror.plan")(function* (requests: ReadonlyArray<Request>) {
    yield* tree.ask(requests)
    return yield* tree.tree()
  })

  /** Whether a package is published, and nothing is left to do; fails where the registry has other bytes by now. */
  const isDone = Effect.fnUntraced(function* (publisher: PublicKey.PublicKey, picked: MirrorSource.Picked) {
    const known = yield* MirrorTarball.stored(publisher, picked)
    const log = yield* PublicationLog.current
    const draft = yield* log.find(publisher, picked.name, picked.version).pipe(Effect.mapError(toRegistryError))
    return { known, isDone: Option.isSome(known) && Option.isNone(draft) }
  })

  /** Fails with `NameConflict` where a name must not be mirrored under the key. Writes nothing. */
  const checkNames = (publisher: PublicKey.PublicKey, packages: Iterable<MirrorSource.Picked>) =>
    NameOwnership.check(
      registry,
      publisher,
      Array.from(packages, ({ name }) => name),
      options.limit
    )

  /** Mirrors what {@link plan} came to. What cannot be mirrored does not stop the others; a network that is gone does. */
  const run = Effect.fn("Mirror.run")(function* (
    keyPair: KeyPair,
    planned: MirrorTree.Tree,
    onProgress: (progress: Progress) => Effect.Effect<void> = () => Effect.void
  ) {
    const { publicKey } = keyPair
    const scope = yield* Scope.Scope
    const many = yield* PublishMany.make(keyPair)
    const origins = yield* MirrorOrigins.make(publicKey)
    const mirrored = new Map<string, Mirrored>()
    const failed: Array<Failed> = []
    /** Names that this run was the first to note, and those of which a release went out. */
    const noted = new Set<PackageName>()
    const out = new Set<PackageName>()
    const notes = new Set(planned.notes)
    let lacking: DependencyError | undefined
    let total = planned.packages.size

    /** The package's own record follows when its release is in the network. */
    const going = ({ name }: MirrorSource.Picked, step: PublicationLog.Step) =>
      Effect.sync(() => void (step === "package" && out.add(name)))

    /** What the package asks for that the registry did not tell. */
    const publish = Effect.fnUntraced(function* (picked: MirrorSource.Picked) {
      const { isDone: done, known } = yield* isDone(publicKey, picked)
      if (done && Option.isSome(known)) {
        out.add(picked.name)
        mirrored.set(picked.id, { picked, state: "unchanged", stored: known.value, rivals: [] })
        return untold(picked, known.value.manifest)
      }
      const packed = yield* MirrorTarball.read(registry, picked, known)
      // What is published is served for as long as the run lasts, not only until it is published.
      const published = yield* Scope.provide(many.publish(packed, { onStep: (step) => going(picked, step) }), scope)
      const state = published.publication.resumed.length > 0 || published.publication.wasOut ? "resumed" : "published"
      mirrored.set(picked.id, { picked, state, stored: published, rivals: yield* rivalsOf(published) })
      return untold(picked, packed.metadata)
    }, Effect.scoped)

    const one = (picked: MirrorSource.Picked) =>
      publish(picked).pipe(
        Deadline.within(options.limit),
        Effect.catchIf(
          (error) => !endsAll(error),
          (error) =>
            Effect.sync(() => {
              const { exitCode = ExitCode.internal, message = String(error) } = explain(error) ?? {}
              failed.push({ picked, problem: message, exitCode })
              return []
            })
        ),
        Effect.tap(() => onProgress({ last: picked.id, done: mirrored.size + failed.length, total }))
      )

    const all = Effect.gen(function* () {
      let packages = [...planned.packages.values()]
      while (packages.length > 0) {
        yield* checkNames(publicKey, packages).pipe(Effect.provideService(Dht, many.dht))
        const names = yield* origins.note(
          packages.map(({ name }) => name),
          client.registry
        )
        for (const name of names) noted.add(name)
        // What others depend on comes last in the plan, and is published first.
        const asked = yield* Effect.forEach(packages.toReversed(), one, { concurrency: options.concurrency })
        const tried = new Set([...mirrored.keys(), ...failed.map(({ picked }) => picked.id)])
        yield* tree.add(asked.flat())
        const grown = yield* Effect.result(tree.tree())
        if (Result.isFailure(grown)) {
          lacking = grown.failure
          break
        }
        for (const note of grown.success.notes) notes.add(note)
        packages = [...grown.success.packages.values()].filter(({ id }) => !tried.has(id))
        total += packages.length
      }
    })
    // A mistaken address would else hold names that were never taken from there.
    const forget = Effect.suspend(() =>
      origins.forget(
        [...noted].filter((name) => !out.has(name)),
        client.registry
      )
    )
    yield* Effect.ensuring(all, Effect.ignore(forget))
    return { mirrored: [...mirrored.values()], failed, lacking, notes: [...notes] } satisfies Outcome
  })

  return { registry: client.registry, isSigned: keys.size > 0, size: client.size, plan, isDone, checkNames, run }
})
