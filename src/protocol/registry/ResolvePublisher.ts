/**
 * From a name to the publisher to take it from, with its package looked up: the one that the caller
 * gave, the one that the name is pinned to, or the one that the policy puts first.
 *
 * A key that revoked itself is never taken. For a pinned name nobody is: its publisher changes by the
 * user's word alone, so that whoever makes a publisher's records disappear gains nothing by it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Instant from "../core/Instant.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import * as Version from "../core/Version.ts"
import * as KeyString from "../dht/KeyString.ts"
import type { Candidate, Stated } from "./Candidate.ts"
import * as Candidates from "./Candidates.ts"
import * as Evidence from "./Evidence.ts"
import type { Asked, Inquiry } from "./Inquiry.ts"
import * as PackageLookup from "./PackageLookup.ts"
import * as Policy from "./Policy.ts"
import { type Pin, PublisherTrust, type RevocationAnswer, type Revoked } from "./PublisherTrust.ts"
import {
  NameNotFound,
  NoAcceptablePublisher,
  PublisherChanged,
  PublisherRevoked,
  RegistryError
} from "./RegistryError.ts"
import * as ReleaseLookup from "./ReleaseLookup.ts"
import type { Found, Wish } from "./ResolvePackage.ts"

/** Revocations asked for at a time: of the best candidate, and of those who would come next. */
export const REVOCATIONS_AT_ONCE = 4

/** Candidates tried, best first, before a name whose publishers all revoked their keys is given up. */
export const CANDIDATES_TRIED_MAX = 32

/** Other publishers that an error names. */
const NAMED_MAX = 8

const fail = (reason: RegistryError["reason"]) => Effect.fail(new RegistryError({ reason }))

const revocationAsked = (publisher: PublicKey.PublicKey, { look, revoked }: RevocationAnswer): Asked | undefined => {
  const remembered = look === undefined && Option.isSome(revoked)
  if (look === undefined && !remembered) return undefined
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
const ask = Effect.fnUntraced(function* (inquiry: Inquiry, { name, range }: Wish, publisher: PublicKey.PublicKey) {
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
  if (Option.isSome(revocation.revoked)) return yield* fail(revokedError(name, revocation.revoked.value))
  return { looked, release }
})

const revokedError = (name: PackageName, { publisher, reason, successor }: Revoked) =>
  new PublisherRevoked({
    package: name,
    publisher: PublicKey.toBase64(publisher),
    because: reason,
    ...(successor === undefined ? {} : { successor: PublicKey.toBase64(successor) })
  })

/** One verdict, and how many others there are behind it. */
const alone = (verdict: Evidence.PublisherVerdict): Evidence.Considered<Evidence.PublisherVerdict> => ({
  count: 1,
  first: () => [verdict]
})

type Asking = Effect.Success<ReturnType<typeof ask>>

/** The newest version that the publisher is seen to have. */
const newestOf = ({ looked, release }: Asking): Version.Version | undefined =>
  looked.found?.value.l.v ?? release?.statements[0]?.release.v

/** The publisher that the caller gave. */
export const given = Effect.fnUntraced(function* (inquiry: Inquiry, wish: Wish, publisher: PublicKey.PublicKey) {
  const asking = yield* ask(inquiry, wish, publisher)
  const latestVersion = newestOf(asking)
  const verdict = { publisher, observedAt: undefined, verdict: "chosen", reason: "asked for by its key" } as const
  const publishers = latestVersion === undefined ? Evidence.nothing : alone({ ...verdict, latestVersion })
  return { ...asking, others: [], publishers } satisfies Found as Found
})

const namesOf = (candidates: ReadonlyArray<Candidate>): ReadonlyArray<string> =>
  candidates.slice(0, NAMED_MAX).map(({ claim }) => PublicKey.toBase64(claim.k))

/** Who else the policy would take. None where the name index cannot be read: what is wrong with the pinned one stands. */
const alternatives = Effect.fnUntraced(function* (
  inquiry: Inquiry,
  name: PackageName,
  index: Candidates.Index,
  policy: Policy.Policy,
  pinned: PublicKey.PublicKey
) {
  const { judgement } = yield* Candidates.judge(inquiry, name, index, policy)
  return judgement.ranked.filter(({ claim }) => !PublicKey.equals(claim.k, pinned))
})

/** The pinned publisher's package out of what peers hand on, where the network lost it; else the error that its loss comes to. */
const lost = Effect.fnUntraced(function* (
  inquiry: Inquiry,
  wish: Wish,
  pin: Pin,
  policy: Policy.Policy,
  asking: Asking
) {
  const { name } = wish
  const index = Option.getOrUndefined(yield* Effect.option(Candidates.readIndex(name)))
  if (index === undefined) return asking
  inquiry.step(index.snapshot.depth, [index.asked])
  const handedOn = index.snapshot.packages.get(PublicKey.toHex(pin.publisher))
  if (handedOn !== undefined) {
    const looked = yield* PackageLookup.look(pin.publisher, name, handedOn)
    inquiry.step(1, [looked.asked])
    if (looked.found !== undefined) return { ...asking, looked }
  }
  const others = yield* alternatives(inquiry, name, index, policy, pin.publisher)
  if (others.length === 0) return asking
  return yield* fail(
    new PublisherChanged({
      package: name,
      pinned: PublicKey.toBase64(pin.publisher),
      offered: namesOf(others),
      problem: "its record of the package is gone from the network, and others publish the name"
    })
  )
})

/** The pinned publisher is refused by the policy: by naming the ones that it would take, if there are any. */
const refused = Effect.fnUntraced(function* (
  inquiry: Inquiry,
  name: PackageName,
  pin: Pin,
  policy: Policy.Policy,
  reason: string,
  index: Candidates.Index | undefined
) {
  const others = index === undefined ? [] : yield* alternatives(inquiry, name, index, policy, pin.publisher)
  const pinned = PublicKey.toBase64(pin.publisher)
  if (others.length === 0) {
    const refusal = { publisher: pinned, reason }
    return yield* fail(new NoAcceptablePublisher({ package: name, policy: policy.name, refused: [refusal] }))
  }
  const problem = `the policy ${policy.name} refuses it: ${reason}`
  return yield* fail(new PublisherChanged({ package: name, pinned, offered: namesOf(others), problem }))
})

/**
 * The publisher that the name is pinned to. The name index is asked at the same time, to tell who else
 * there is, but nothing waits for it and its failure is none.
 */
export const pinned = Effect.fnUntraced(function* (inquiry: Inquiry, wish: Wish, pin: Pin, policy: Policy.Policy) {
  const { name } = wish
  const { publisher, since } = pin
  const indexing = yield* Effect.forkScoped(Effect.option(Candidates.readIndex(name, { askPeers: false })))
  const first = yield* ask(inquiry, wish, publisher)
  const asking = newestOf(first) === undefined ? yield* lost(inquiry, wish, pin, policy, first) : first
  const lv = newestOf(asking)
  if (lv === undefined) return { ...asking, others: [], publishers: Evidence.nothing } satisfies Found as Found
  const claim: Stated = { k: publisher, lv, fs: since, t: asking.looked.found?.value.t ?? since }
  const { candidate, refusal } = yield* Candidates.refusalOf(inquiry, name, claim, since, policy, asking.looked)
  if (refusal !== undefined) {
    const index = Option.getOrUndefined(yield* Fiber.join(indexing))
    return yield* refused(inquiry, name, pin, policy, refusal, index)
  }
  const exit = indexing.pollUnsafe()
  const index = exit !== undefined && Exit.isSuccess(exit) ? Option.getOrUndefined(exit.value) : undefined
  const verdict = Evidence.verdictOf(candidate, "chosen", `the name is pinned to it since ${Instant.day(since)}`)
  if (index === undefined) return { ...asking, others: [], publishers: alone(verdict) } satisfies Found as Found
  inquiry.aside(1, index.asked)
  const others = yield* alternatives(inquiry, name, index, Policy.firstSeen, publisher)
  const publishers: Found["publishers"] = {
    count: 1 + others.length,
    first: (max) => [
      verdict,
      ...others.slice(0, max - 1).map((other) => Evidence.verdictOf(other, "lost", "the name is pinned to another"))
    ]
  }
  return { ...asking, others: namesOf(others), publishers } satisfies Found as Found
}, Effect.scoped)

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
