/**
 * The publisher that a policy puts first, among those who have not revoked their keys and have a record of
 * the package: claiming a name costs nothing, so a claim alone takes it from nobody.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Candidate } from "./Candidate.ts"
import * as Candidates from "./Candidates.ts"
import * as Evidence from "./Evidence.ts"
import type { Asked, Inquiry } from "./Inquiry.ts"
import * as PackageLookup from "./PackageLookup.ts"
import type * as Policy from "./Policy.ts"
import { PublisherTrust, type Revoked } from "./PublisherTrust.ts"
import { NameNotFound, NoAcceptablePublisher, type RegistryError } from "./RegistryError.ts"
import type { Found, Wish } from "./ResolvePackage.ts"
import { fail, NAMED_MAX, namesOf, revocationAsked } from "./ResolvePublisher.ts"

/** Revocations asked for at a time: of the best candidate, and of those who would come next. */
export const REVOCATIONS_AT_ONCE = 4

/** Candidates tried, best first, before a name whose publishers all revoked their keys is given up. */
export const CANDIDATES_TRIED_MAX = 32

const whyRevoked = ({ reason, successor }: Revoked): string =>
  `it revoked its key (${reason})${successor === undefined ? "" : `, and names ${PublicKey.toBase64(successor)} as its successor`}`

const notAcceptable = (name: PackageName, policy: Policy.Policy, refused: ReadonlyArray<Policy.Refusal>) =>
  fail(
    new NoAcceptablePublisher({
      package: name,
      policy: policy.name,
      refused: refused
        .slice(0, NAMED_MAX)
        .map(({ candidate, reason }) => ({ publisher: PublicKey.toBase64(candidate.claim.k), reason }))
    })
  )

const WITHOUT_PACKAGE = "it has no record of the package in the network"

type LookedUp = Result.Result<PackageLookup.Looked, RegistryError>

/** Whether the network was asked and has no such record: a look-up that failed says nothing about that. */
const isMissing = (looked: LookedUp): boolean => Result.isSuccess(looked) && looked.success.found === undefined

/**
 * The best candidate that has not revoked its key and has a record of the package, and those better that have
 * revoked (`revoked`) or have none (`without`). Where nobody has one it is the best that has not revoked.
 */
const standing = Effect.fnUntraced(function* (
  inquiry: Inquiry,
  name: PackageName,
  { handedOn, judgement, packages }: Candidates.Field
) {
  const trust = yield* PublisherTrust
  const revoked: Array<Policy.Refusal> = []
  const without: Array<Policy.Refusal> = []
  let fallback: { readonly chosen: Candidate; readonly looked: PackageLookup.Looked } | undefined
  const lookUp = ({ claim }: Candidate) => {
    const key = PublicKey.toHex(claim.k)
    const known = packages.get(key)
    const looking = known === undefined ? PackageLookup.look(claim.k, name, handedOn.get(key)) : Effect.succeed(known)
    return Effect.map(Effect.result(looking), (looked) => ({ looked, isNew: known === undefined }))
  }
  const askedOf = ({ isNew, looked }: Effect.Success<ReturnType<typeof lookUp>>): Asked | undefined =>
    isNew && Result.isSuccess(looked) ? looked.success.asked : undefined

  const tried = judgement.ranked.slice(0, CANDIDATES_TRIED_MAX)
  for (let at = 0; at < tried.length; at += REVOCATIONS_AT_ONCE) {
    const group = tried.slice(at, at + REVOCATIONS_AT_ONCE)
    // The package of the best alone, until a claim without a package was met: then the next may be as empty.
    const early = without.length === 0 ? group.slice(0, 1) : group
    const [looks, answers] = yield* Effect.all(
      [
        Effect.forEach(early, lookUp, { concurrency: "unbounded" }),
        Effect.forEach(group, ({ claim }) => Effect.result(trust.revocationOf(claim.k)), { concurrency: "unbounded" })
      ],
      { concurrency: "unbounded" }
    )
    const asked = [
      ...looks.map(askedOf),
      ...answers.map((answer, i) =>
        Result.isSuccess(answer) ? revocationAsked(group[i]!.claim.k, answer.success) : undefined
      )
    ]
    const isAsked = asked.some((look) => look !== undefined && look.source !== "memory")
    inquiry.step(isAsked || looks.some(({ isNew }) => isNew) ? 1 : 0, asked)
    const found = new Map(looks.map((look, i) => [group[i]!, look]))
    const left: Array<readonly [Candidate, (typeof answers)[number]]> = []
    for (const [i, answer] of answers.entries()) {
      const candidate = group[i]!
      const revocation = Result.isSuccess(answer) ? Option.getOrUndefined(answer.success.revoked) : undefined
      if (revocation === undefined) left.push([candidate, answer])
      else revoked.push({ candidate, reason: whyRevoked(revocation) })
    }
    for (const [i, [candidate, answer]] of left.entries()) {
      // Whether a candidate is revoked has to be known before it is taken; of the others it is only nice to know.
      if (Result.isFailure(answer) && fallback === undefined) return yield* Effect.fail(answer.failure)
      if (!found.has(candidate)) {
        const next = without.length === 0 ? [candidate] : left.slice(i).map(([each]) => each)
        const more = yield* Effect.forEach(next, lookUp, { concurrency: "unbounded" })
        for (const [j, each] of next.entries()) found.set(each, more[j]!)
        inquiry.step(more.some(({ isNew }) => isNew) ? 1 : 0, more.map(askedOf))
      }
      const { looked } = found.get(candidate)!
      if (isMissing(looked)) {
        without.push({ candidate, reason: WITHOUT_PACKAGE })
        fallback ??= { chosen: candidate, looked: yield* Effect.fromResult(looked) }
        continue
      }
      if (Result.isFailure(answer)) return yield* Effect.fail(answer.failure)
      return { chosen: candidate, looked: yield* Effect.fromResult(looked), revoked, without }
    }
  }
  return { chosen: fallback?.chosen, looked: fallback?.looked, revoked, without }
})

/** The publisher that the policy puts first among those who have not revoked their keys. */
export const byPolicy = Effect.fnUntraced(function* (inquiry: Inquiry, wish: Wish, policy: Policy.Policy) {
  const { name } = wish
  const index = yield* Candidates.readIndex(name)
  inquiry.step(index.snapshot.depth, [index.asked])
  const field = yield* Candidates.judge(inquiry, name, index, policy)
  if (field.size === 0) return yield* fail(new NameNotFound({ package: name }))
  const { judgement } = field
  const { chosen, looked, revoked, without } = yield* standing(inquiry, name, field)
  if (chosen === undefined || looked === undefined)
    return yield* notAcceptable(name, policy, [...revoked, ...judgement.refused])
  const others = judgement.ranked.filter((candidate) => candidate !== chosen)
  const reasons = new Map([...revoked, ...without].map(({ candidate, reason }) => [candidate, reason]))
  const isPassedOver = without.length > 0 && looked.found !== undefined
  if (isPassedOver) {
    const keys = namesOf(without.map(({ candidate }) => candidate)).join(", ")
    inquiry.warn("packageMissing", `Passed over, for they claim ${name} but have no record of the package: ${keys}.`)
  }
  const best = field.size === 1 ? "the only publisher" : `the best of ${field.size} by ${policy.name}`
  const why = isPassedOver ? `${best} with a record of the package` : best
  const publishers: Found["publishers"] = {
    count: field.size,
    first: (max) => [
      Evidence.verdictOf(chosen, "chosen", why),
      ...others
        .slice(0, max - 1)
        .map((other) => Evidence.verdictOf(other, "lost", reasons.get(other) ?? judgement.lost(other, chosen))),
      ...judgement.refused
        .slice(0, Math.max(0, max - 1 - others.length))
        .map(({ candidate, reason }) => Evidence.verdictOf(candidate, "lost", reason))
    ]
  }
  const isRevoked = new Set(revoked.map(({ candidate }) => candidate))
  const acceptable = others.filter((other) => !isRevoked.has(other))
  return { looked, release: undefined, others: namesOf(acceptable), publishers } satisfies Found as Found
})
