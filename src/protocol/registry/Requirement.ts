/**
 * Conditions that a publisher has to meet whatever the policy prefers, as values for `Policy.require`.
 * A requirement never orders candidates; it refuses some, and says why.
 */
import * as Duration from "effect/Duration"
import type { PublicKey } from "../core/PublicKey.ts"
import * as Keys from "../core/PublicKey.ts"
import type { Candidate, Fact } from "./Candidate.ts"

export interface Requirement {
  readonly name: string
  readonly needs: ReadonlySet<Fact>
  /** Why the candidate is refused at `now` (Unix ms); `undefined` where it is not. A function of that one candidate. */
  readonly problem: (candidate: Candidate, now: number) => string | undefined
}

/** Only keys that the user trusts. */
export const trusted: Requirement = {
  name: "trusted",
  needs: new Set(["trust"]),
  problem: ({ isTrusted }) => (isTrusted ? undefined : "its key is not one that you trust")
}

/** At least so many distinct seeders. Who was not counted has none. */
export const seeders = (min: number): Requirement => ({
  name: `seeders>=${min}`,
  needs: new Set(["seeders"]),
  problem: ({ seeders: count }) =>
    (count ?? 0) >= min
      ? undefined
      : count === undefined
        ? `its seeders could not be counted in time, and ${min} are required`
        : `it has ${count} ${count === 1 ? "seeder" : "seeders"}, and ${min} are required`
})

/** Seen under the name by this host itself at least that long ago: no claimed date counts. */
export const observedFor = (duration: Duration.Input): Requirement => {
  const min = Duration.fromInputUnsafe(duration)
  const text = Duration.format(min)
  return {
    name: `observedFor>=${text.replaceAll(" ", "")}`,
    needs: new Set(),
    problem: ({ observedAt }, now) =>
      observedAt !== undefined && now - observedAt >= Duration.toMillis(min)
        ? undefined
        : `this host has not known it under the name for ${text}`
  }
}

/** Anybody but these. */
export const notAmong = (publishers: ReadonlyArray<PublicKey>): Requirement => {
  const excluded = new Set(publishers.map(Keys.toHex))
  return {
    name: `except ${publishers.map(Keys.short).join(" ")}`,
    needs: new Set(),
    problem: ({ claim }) => (excluded.has(Keys.toHex(claim.k)) ? "it was excluded" : undefined)
  }
}
