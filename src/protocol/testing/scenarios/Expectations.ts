/**
 * What people expect of a registry, as goals and steps of scenarios say it: who sees what, and that a
 * command which failed is run again. Each fails with a sentence that says what is lacking.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { PackageName } from "../../core/PackageName.ts"
import * as PublicKey from "../../core/PublicKey.ts"
import * as Version from "../../core/Version.ts"
import * as Resolve from "../../registry/Resolve.ts"
import type { Person } from "./Actors.ts"

/** Something is not as it should be, perhaps not yet. */
export class Unexpected extends Schema.TaggedError<Unexpected>()("Unexpected", { problem: Schema.String }) {
  override get message() {
    return this.problem
  }
}

/** Fails with the problem, where there is one. */
export const refuse = (problem: string | undefined): Effect.Effect<void, Unexpected> =>
  problem === undefined ? Effect.void : Effect.fail(new Unexpected({ problem }))

/** Pause before somebody runs a command again, ms. */
const PAUSE_MS = 20_000

/** The command, run again after each typed failure, `times` times in all. */
export const again = <A, E>(command: Effect.Effect<A, E>, times: number): Effect.Effect<A, E> =>
  Effect.retry(command, Schedule.spaced(PAUSE_MS).pipe(Schedule.upTo({ times: times - 1 })))

/** The newest version of a publisher that somebody is given, and all that they are told of. */
export const newestOf = (who: Person, name: string, publisher: Person) =>
  Effect.map(who.resolve(name, "latest", { publisher: publisher.publicKey }), ({ evidence, release }) => ({
    newest: release.v as string,
    listed: evidence.versions.map(({ version }) => version as string)
  }))

const sameTexts = (some: ReadonlyArray<string>, others: ReadonlyArray<string>): boolean =>
  some.length === others.length && some.toSorted().join() === others.toSorted().join()

/** Somebody is given `newest`, and told of exactly `versions`. */
export const sees = Effect.fnUntraced(function* (
  who: Person,
  name: string,
  publisher: Person,
  { newest, versions }: { readonly newest: string; readonly versions: ReadonlyArray<string> }
) {
  const found = yield* newestOf(who, name, publisher)
  const whose = `${name} by ${publisher.host.name}`
  yield* refuse(
    found.newest === newest ? undefined : `${who.host.name} gets ${found.newest} of ${whose}, not ${newest}`
  )
  yield* refuse(
    sameTexts(found.listed, versions)
      ? undefined
      : `${who.host.name} sees ${found.listed.join(", ")} of ${whose}, not ${versions.join(", ")}`
  )
})

/** Somebody is told of every one of the publishers. */
export const seesPublishers = Effect.fnUntraced(function* (
  who: Person,
  name: string,
  publishers: ReadonlyArray<Person>
) {
  const found = yield* who.host.run(Resolve.publishersOf(PackageName.make(name)))
  const seen = new Set(found.map(({ claim }) => PublicKey.toHex(claim.k)))
  const unseen = publishers.filter(({ publicKey }) => !seen.has(PublicKey.toHex(publicKey)))
  yield* refuse(
    unseen.length === 0
      ? undefined
      : `${who.host.name} does not see the claim of ${unseen.map(({ host }) => host.name).join(", ")} on ${name}`
  )
})

/** Of one version or more. */
export const highest = (versions: ReadonlyArray<string>): string =>
  versions
    .map((version) => Version.Version.make(version))
    .toSorted(Version.compare)
    .at(-1)!
