/**
 * One publisher asked for one package: its record, its revocation and, where one version alone is wanted,
 * that release, all at the same time. A key that revoked itself is never taken.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PublicKey from "../core/PublicKey.ts"
import * as Version from "../core/Version.ts"
import * as KeyString from "../dht/KeyString.ts"
import type { Candidate } from "./Candidate.ts"
import * as Evidence from "./Evidence.ts"
import type { Asked, Inquiry } from "./Inquiry.ts"
import * as PackageLookup from "./PackageLookup.ts"
import { PublisherTrust, refusalOf, type RevocationAnswer } from "./PublisherTrust.ts"
import { RegistryError } from "./RegistryError.ts"
import * as ReleaseLookup from "./ReleaseLookup.ts"
import type { Found, Wish } from "./ResolvePackage.ts"

/** Other publishers that an error names. */
export const NAMED_MAX = 8

export const fail = (reason: RegistryError["reason"]) => Effect.fail(new RegistryError({ reason }))

export const revocationAsked = (
  publisher: PublicKey.PublicKey,
  { look, revoked }: RevocationAnswer
): Asked | undefined => {
  const remembered = look === undefined && Option.isSome(revoked)
  // A layer that asks nobody says nothing about whether the key is revoked.
  if (!remembered && (look === undefined || look.asked === 0)) return undefined
  return {
    kind: "revocation",
    keyString: KeyString.REVOCATION,
    publicKey: publisher,
    seq: look === undefined ? undefined : Option.getOrUndefined(look.value)?.seq,
    found: Option.isSome(revoked),
    responders: look?.responders ?? [],
    source: remembered ? "memory" : Option.isSome(revoked) ? "network" : "none"
  }
}

/** Package, revocation, and the release where one version alone is wanted, at the same time. */
export const ask = Effect.fnUntraced(function* (
  inquiry: Inquiry,
  { name, range }: Wish,
  publisher: PublicKey.PublicKey
) {
  const trust = yield* PublisherTrust
  const version = Option.getOrUndefined(Version.exactOf(range))
  const [looked, revocation, release] = yield* Effect.all(
    [
      PackageLookup.look(publisher, name),
      trust.revocationOf(publisher),
      version === undefined ? Effect.undefined : ReleaseLookup.look({ publisher, name, version })
    ],
    { concurrency: "unbounded" }
  )
  inquiry.step(1, [looked.asked, revocationAsked(publisher, revocation), release?.asked])
  if (Option.isSome(revocation.revoked)) return yield* refusalOf(name, revocation.revoked.value)
  return { looked, release }
})

/** One verdict, and how many others there are behind it. */
export const alone = (verdict: Evidence.PublisherVerdict): Evidence.Considered<Evidence.PublisherVerdict> => ({
  count: 1,
  first: () => [verdict]
})

export type Asking = Effect.Success<ReturnType<typeof ask>>

/** The newest version that the publisher is seen to have. */
export const newestOf = ({ looked, release }: Asking): Version.Version | undefined =>
  looked.found?.value.l.v ?? release?.statements[0]?.release.v

export const namesOf = (candidates: ReadonlyArray<Candidate>): ReadonlyArray<string> =>
  candidates.slice(0, NAMED_MAX).map(({ claim }) => PublicKey.toBase64(claim.k))

/** The publisher that the caller gave. */
export const given = Effect.fnUntraced(function* (inquiry: Inquiry, wish: Wish, publisher: PublicKey.PublicKey) {
  const asking = yield* ask(inquiry, wish, publisher)
  const latestVersion = newestOf(asking)
  const verdict = { publisher, observedAt: undefined, verdict: "chosen", reason: "asked for by its key" } as const
  const publishers = latestVersion === undefined ? Evidence.nothing : alone({ ...verdict, latestVersion })
  return { ...asking, others: [], publishers } satisfies Found as Found
})
