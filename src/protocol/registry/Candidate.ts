/**
 * One of the publishers that a name has, with everything that a policy may judge it by: what it
 * claims, what this host has seen of it, whether the user trusts it, and how many seeders it has.
 */
import * as PublicKey from "../core/PublicKey.ts"
import type { NameClaim } from "./NameClaim.ts"

/** What a publisher says of itself: a claim, its signature already checked. */
export type Stated = Omit<NameClaim, "s">

export interface Candidate {
  readonly claim: Stated
  /** When this host first saw the publisher under the name, Unix ms; `undefined` when it never did before. */
  readonly observedAt: number | undefined
  /** Whether its key is one that the user trusts. False where no policy asked. */
  readonly isTrusted: boolean
  /** Distinct seeders of its newest release; `undefined` where they were not counted, or not in time. */
  readonly seeders: number | undefined
}

/** What costs something to find out, so that it is gathered only for policies that need it. */
export type Fact = "trust" | "seeders"

/** By the bytes of the key: the last tie-break of every order of candidates. */
export const byKey = (self: Candidate, that: Candidate): -1 | 0 | 1 => PublicKey.compare(self.claim.k, that.claim.k)
