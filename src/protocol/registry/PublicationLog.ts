/**
 * Notes about publications that are under way, so that one that was cut off goes on as it began: with
 * the same release, date included, and therefore with the same bytes in every record.
 *
 * A note is made before anything of a publication is stored, and taken away after its last step. What
 * it says was done is for people; every step is done again by a run that goes on, since each of them
 * changes nothing where it was done already.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"
import type { PublicationLogUnavailable } from "./RegistryError.ts"
import type { Release } from "./Release.ts"

/** In the order in which they are done: nothing is announced before it is stored and seeded. */
export const STEPS = ["prepared", "stored", "seeded", "release", "package", "announce", "claim"] as const

export type Step = (typeof STEPS)[number]

/** A publication that has begun and has not ended. */
export interface Draft {
  readonly publisher: PublicKey.PublicKey
  readonly release: Release
  /** Unix ms. The date of every record that this publication signs. */
  readonly startedAt: number
  /** In the order of {@link STEPS}. */
  readonly done: ReadonlyArray<Step>
}

/** The draft with a step more done. */
export const withStep = (draft: Draft, step: Step): Draft => ({
  ...draft,
  done: STEPS.filter((each) => each === step || draft.done.includes(each))
})

/** The same for one `(publisher, name, version)`. */
export const keyOf = (publisher: PublicKey.PublicKey, name: PackageName, version: Version): string =>
  `${PublicKey.toHex(publisher)} ${name}@${version}`

export class PublicationLog extends Context.Service<
  PublicationLog,
  {
    readonly find: (
      publisher: PublicKey.PublicKey,
      name: PackageName,
      version: Version
    ) => Effect.Effect<Option.Option<Draft>, PublicationLogUnavailable>
    /** Keeps the draft in place of an earlier one of the same `(publisher, name, version)`. */
    readonly note: (draft: Draft) => Effect.Effect<void, PublicationLogUnavailable>
    /** Forgets the draft, since all is done. One that is not there is fine. */
    readonly finish: (
      publisher: PublicKey.PublicKey,
      name: PackageName,
      version: Version
    ) => Effect.Effect<void, PublicationLogUnavailable>
    /** Publications that were cut off, oldest first. */
    readonly all: Effect.Effect<ReadonlyArray<Draft>, PublicationLogUnavailable>
  }
>()("@libreseed/protocol/registry/PublicationLog") {
  static readonly layerMemory: Layer.Layer<PublicationLog> = Layer.sync(PublicationLog, () => {
    const drafts = new Map<string, Draft>()
    return PublicationLog.of({
      find: (publisher, name, version) =>
        Effect.sync(() => Option.fromUndefinedOr(drafts.get(keyOf(publisher, name, version)))),
      note: (draft) =>
        Effect.sync(() => void drafts.set(keyOf(draft.publisher, draft.release.n, draft.release.v), draft)),
      finish: (publisher, name, version) => Effect.sync(() => void drafts.delete(keyOf(publisher, name, version))),
      all: Effect.sync(() => oldestFirst(drafts.values()))
    })
  })
}

/** Remembers nothing: for hosts without a log, on which a publication that was cut off begins anew, with a new date. */
const forgetful: PublicationLog["Service"] = {
  find: () => Effect.succeedNone,
  note: () => Effect.void,
  finish: () => Effect.void,
  all: Effect.succeed([])
}

/** The host's log. */
export const current: Effect.Effect<PublicationLog["Service"]> = Effect.map(
  Effect.serviceOption(PublicationLog),
  Option.getOrElse(() => forgetful)
)

export const oldestFirst = (drafts: Iterable<Draft>): ReadonlyArray<Draft> =>
  [...drafts].toSorted((self, that) => self.startedAt - that.startedAt)
