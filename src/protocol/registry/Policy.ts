/**
 * Which of several publishers of one name to take. A policy is a value: it ranks the candidates, best
 * first, and may refuse some with a reason. It is total and a function of the *set* of candidates;
 * whatever it compares first, the bytes of the publisher's key come last, so that two users with one
 * view of the network choose alike.
 */
import * as Order from "effect/Order"
import * as Result from "effect/Result"
import * as Instant from "../core/Instant.ts"
import type { PublicKey } from "../core/PublicKey.ts"
import * as Version from "../core/Version.ts"
import { byKey, type Candidate, type Fact } from "./Candidate.ts"
import * as Requirement from "./Requirement.ts"

export type { Candidate, Fact } from "./Candidate.ts"

/** Someone whom the policy does not take, and why. */
export interface Refusal {
  readonly candidate: Candidate
  readonly reason: string
}

export interface Judgement {
  /** Best first. */
  readonly ranked: ReadonlyArray<Candidate>
  /** In the order of their keys. */
  readonly refused: ReadonlyArray<Refusal>
  /** Why one of the ranked stands behind another, for people. */
  readonly lost: (loser: Candidate, winner: Candidate) => string
}

export interface Policy {
  readonly name: string
  /** What {@link Candidate} has to be told beyond claims and observations. */
  readonly needs: ReadonlySet<Fact>
  /** Every candidate is either ranked or refused. `now` is in Unix ms. */
  readonly judge: (candidates: ReadonlyArray<Candidate>, now: number) => Judgement
}

/** One thing to compare by. */
interface Criterion {
  readonly needs: ReadonlyArray<Fact>
  /** Less is better. Given all candidates first, for what is cheaper to find out for all at once. */
  readonly measure: (candidates: ReadonlyArray<Candidate>) => (candidate: Candidate) => number
  readonly lost: (loser: Candidate, winner: Candidate) => string
}

const ranking = (name: string, ...criteria: ReadonlyArray<Criterion>): Policy => ({
  name,
  needs: new Set(criteria.flatMap(({ needs }) => needs)),
  judge: (candidates) => {
    const measures = criteria.map(({ measure }) => measure(candidates))
    const orders = measures.map((measure) => Order.mapInput(Order.Number, measure))
    return {
      ranked: candidates.length < 2 ? candidates : candidates.toSorted(Order.combineAll([...orders, byKey])),
      refused: [],
      lost: (loser, winner) => {
        const decisive = measures.findIndex((measure) => measure(loser) !== measure(winner))
        return criteria[decisive]?.lost(loser, winner) ?? "all else is equal, and its key comes later"
      }
    }
  }
})

const observed: Criterion = {
  needs: [],
  measure:
    () =>
    ({ observedAt }) =>
      observedAt ?? Number.POSITIVE_INFINITY,
  lost: (loser, winner) =>
    loser.observedAt === undefined
      ? "this host had not seen it before, and had seen the chosen one"
      : `seen here since ${Instant.exact(loser.observedAt)}, the chosen one since ${Instant.exact(winner.observedAt ?? 0)}`
}

const claimed: Criterion = {
  needs: [],
  measure: () => (candidate) => candidate.claim.fs,
  lost: (loser, winner) =>
    `claims the name since ${Instant.exact(loser.claim.fs)}, the chosen one since ${Instant.exact(winner.claim.fs)}`
}

const newestVersion: Criterion = {
  needs: [],
  measure: (candidates) => {
    const places = Version.places(candidates.map(({ claim }) => claim.lv))
    return ({ claim }) => -(places.get(claim.lv) ?? -1)
  },
  lost: (loser, winner) => `its latest version is ${loser.claim.lv}, that of the chosen one ${winner.claim.lv}`
}

const seeded: Criterion = {
  needs: ["seeders"],
  measure: () => (candidate) => -(candidate.seeders ?? 0),
  lost: (loser, winner) =>
    loser.seeders === undefined
      ? `its seeders were not counted, the chosen one has ${winner.seeders ?? 0}`
      : `it has ${loser.seeders === 1 ? "1 seeder" : `${loser.seeders} seeders`}, the chosen one ${winner.seeders ?? 0}`
}

/** The publisher that was there first: by this host's own observation, and only then by what is claimed. */
export const firstSeen: Policy = ranking("firstSeen", observed, claimed)

/** The publisher whose latest version is the highest. */
export const latestVersion: Policy = ranking("latestVersion", newestVersion)

/** The publisher with the most distinct seeders; among equals the first seen. Who was not counted has none. */
export const seederCount: Policy = ranking("seederCount", seeded, observed, claimed)

const union = <A>(self: ReadonlySet<A>, that: ReadonlySet<A>): ReadonlySet<A> => new Set([...self, ...that])

const inOrder = (refused: ReadonlyArray<Refusal>): ReadonlyArray<Refusal> =>
  refused.toSorted((self, that) => byKey(self.candidate, that.candidate))

/** `policy` among those who meet the requirement; the others are refused. */
export const require = (policy: Policy, requirement: Requirement.Requirement): Policy => ({
  name: `${policy.name} (${requirement.name})`,
  needs: union(policy.needs, requirement.needs),
  judge: (candidates, now) => {
    const accepted: Array<Candidate> = []
    const failing: Array<Refusal> = []
    for (const candidate of candidates) {
      const reason = requirement.problem(candidate, now)
      if (reason === undefined) accepted.push(candidate)
      else failing.push({ candidate, reason })
    }
    const { lost, ranked, refused } = policy.judge(accepted, now)
    return { ranked, lost, refused: inOrder([...failing, ...refused]) }
  }
})

/** `policy` among all but these publishers. */
export const except = (policy: Policy, publishers: ReadonlyArray<PublicKey>): Policy =>
  require(policy, Requirement.notAmong(publishers))

/** `second` decides only where `first` leaves nobody. */
export const orElse = (first: Policy, second: Policy): Policy => ({
  name: `${first.name},${second.name}`,
  needs: union(first.needs, second.needs),
  judge: (candidates, now) => {
    const judgement = first.judge(candidates, now)
    return judgement.ranked.length > 0 ? judgement : second.judge(candidates, now)
  }
})

/**
 * Only publishers that the user trusts, the first seen among them. Fails closed: who trusts nobody
 * gets nothing from anybody, unless another policy is composed with `orElse`.
 */
export const userTrust: Policy = { ...require(firstSeen, Requirement.trusted), name: "userTrust" }

/** The policies that can be named on a command line. */
export const byName: ReadonlyMap<string, Policy> = new Map(
  [firstSeen, latestVersion, userTrust, seederCount].map((policy) => [policy.name, policy])
)

/** Reads names separated by commas, each to decide where those before it leave nobody. Fails with the name that is not known. */
export const parse = (text: string): Result.Result<Policy, string> => {
  let composed: Policy | undefined
  for (const name of text.split(",").map((part) => part.trim())) {
    const policy = byName.get(name)
    if (policy === undefined) return Result.fail(name)
    composed = composed === undefined ? policy : orElse(composed, policy)
  }
  return composed === undefined ? Result.fail(text) : Result.succeed(composed)
}
