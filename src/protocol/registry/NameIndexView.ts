/**
 * A reader's own view of the claims on a name: those of publishers that turned out to be revoked,
 * idle or unseeded are left out of it. It is for display and for policies. It is a list and no claim
 * set, since what is written is always the whole set: what looks dead from here may be alive elsewhere.
 */
import * as NameClaim from "./NameClaim.ts"

/** What the reader found out about a claim's publisher. Rules that are not given prune nothing. */
export interface Rules {
  /** The publisher revoked its key. */
  readonly isRevoked?: ((claim: NameClaim.NameClaim) => boolean) | undefined
  /** The publisher has no catalogue in the network. */
  readonly hasNoAnnounce?: ((claim: NameClaim.NameClaim) => boolean) | undefined
  /** Nobody seeds the publisher's latest release. */
  readonly hasNoSeeders?: ((claim: NameClaim.NameClaim) => boolean) | undefined
}

export type Reason = "revoked" | "unannounced" | "unseeded"

export interface Pruned {
  readonly claim: NameClaim.NameClaim
  readonly because: Reason
}

export interface ClaimsView {
  readonly kept: ReadonlyArray<NameClaim.NameClaim>
  readonly pruned: ReadonlyArray<Pruned>
}

/** Both lists in the order of the publishers' keys. Claims with bad signatures never get into a set in the first place. */
export const prune = (claims: NameClaim.ClaimSet, rules: Rules): ClaimsView => {
  const reasonFor = (claim: NameClaim.NameClaim): Reason | undefined =>
    rules.isRevoked?.(claim) === true
      ? "revoked"
      : rules.hasNoAnnounce?.(claim) === true
        ? "unannounced"
        : rules.hasNoSeeders?.(claim) === true
          ? "unseeded"
          : undefined
  const kept: Array<NameClaim.NameClaim> = []
  const pruned: Array<Pruned> = []
  for (const claim of NameClaim.toSorted(claims)) {
    const because = reasonFor(claim)
    if (because === undefined) kept.push(claim)
    else pruned.push({ claim, because })
  }
  return { kept, pruned }
}
