/**
 * When this host first saw a publisher under a name. The policy `firstSeen` believes this before
 * any date that a publisher claims, so that a squatter who turns up later cannot date himself back.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { ExitCode } from "../core/Errors.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"

export class ObservationsError extends Schema.TaggedError<ObservationsError>()("ObservationsError", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  readonly hint = "Check that the file can be read and written. If it is damaged, move it away to start anew."
  override get message() {
    return `What was observed so far, in ${this.location}, cannot be used: ${this.problem}`
  }
}

/** First observation by publisher (hex), Unix milliseconds. */
export type FirstObserved = ReadonlyMap<string, number>

export class Observations extends Context.Service<
  Observations,
  {
    /** What is known of the name; nothing is written. */
    readonly of: (name: PackageName) => Effect.Effect<FirstObserved, ObservationsError>
    /** Notes publishers that were not seen under the name before, at `now`. Earlier notes stay as they are. */
    readonly note: (
      name: PackageName,
      publishers: ReadonlyArray<PublicKey.PublicKey>,
      now: number
    ) => Effect.Effect<FirstObserved, ObservationsError>
  }
>()("@libreseed/protocol/registry/Observations") {
  static readonly layerMemory: Layer.Layer<Observations> = Layer.sync(Observations, () => {
    const names = new Map<PackageName, FirstObserved>()
    return Observations.of({
      of: (name) => Effect.sync(() => names.get(name) ?? new Map()),
      note: (name, publishers, now) =>
        Effect.sync(() => {
          const seen = extend(names.get(name) ?? new Map(), publishers, now)
          names.set(name, seen)
          return seen
        })
    })
  })
}

/** Publishers remembered for one name: as many as may have a claim on it. Later ones count as never seen. */
export const OBSERVED_MAX = 10_000

/** `known` with the publishers that it lacks, observed at `now`; at most {@link OBSERVED_MAX}. */
export const extend = (
  known: FirstObserved,
  publishers: ReadonlyArray<PublicKey.PublicKey>,
  now: number
): FirstObserved => {
  const seen = new Map(known)
  for (const publisher of publishers) {
    if (seen.size >= OBSERVED_MAX) break
    const key = PublicKey.toHex(publisher)
    if (!seen.has(key)) seen.set(key, now)
  }
  return seen
}
