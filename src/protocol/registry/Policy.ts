/**
 * Which of several publishers of one name to take. A policy is a value: it ranks the candidates,
 * best first, and may leave some out. Every ranking ends with the publisher's key as tie-break, so
 * that two users with one view of the network choose alike.
 */
import * as Order from "effect/Order"
import * as PublicKey from "../core/PublicKey.ts"
import * as Version from "../core/Version.ts"
import type { NameClaim } from "./NameClaim.ts"

export interface Candidate {
  readonly claim: NameClaim
  /** When this host first saw the publisher under the name, Unix ms; `undefined` when it never did before. */
  readonly observedAt: number | undefined
}

export interface Policy {
  readonly name: string
  /** Best first; a function of the set of candidates, not of their order. */
  readonly rank: (candidates: ReadonlyArray<Candidate>) => ReadonlyArray<Candidate>
}

const byKey: Order.Order<Candidate> = (self, that) => PublicKey.compare(self.claim.k, that.claim.k)

const ranking = (name: string, ...orders: ReadonlyArray<Order.Order<Candidate>>): Policy => {
  const order = Order.combineAll([...orders, byKey])
  return { name, rank: (candidates) => candidates.toSorted(order) }
}

const byNumber = (value: (candidate: Candidate) => number): Order.Order<Candidate> =>
  Order.mapInput(Order.Number, value)

const byVersionDescending: Order.Order<Candidate> = (self, that) => Version.compare(that.claim.lv, self.claim.lv)

/** The publisher that was there first: by this host's own observation, and only then by what is claimed. */
export const firstSeen: Policy = ranking(
  "firstSeen",
  byNumber(({ observedAt }) => observedAt ?? Number.POSITIVE_INFINITY),
  byNumber(({ claim }) => claim.fs)
)

/** The publisher whose latest version is the highest. */
export const latestVersion: Policy = ranking("latestVersion", byVersionDescending)

/** The policies that can be named on a command line. */
export const byName: ReadonlyMap<string, Policy> = new Map(
  [firstSeen, latestVersion].map((policy) => [policy.name, policy])
)
