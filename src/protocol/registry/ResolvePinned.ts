/**
 * The publisher that a name is pinned to. It changes by the user's word alone, so that whoever makes a
 * publisher's records disappear gains nothing by it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Instant from "../core/Instant.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Candidate, Stated } from "./Candidate.ts"
import * as Candidates from "./Candidates.ts"
import * as Evidence from "./Evidence.ts"
import type { Inquiry } from "./Inquiry.ts"
import * as PackageLookup from "./PackageLookup.ts"
import * as Policy from "./Policy.ts"
import { type Pin, PublisherTrust } from "./PublisherTrust.ts"
import { NoAcceptablePublisher, PublisherChanged } from "./RegistryError.ts"
import type { Found, Wish } from "./ResolvePackage.ts"
import { alone, ask, type Asking, fail, NAMED_MAX, namesOf, newestOf } from "./ResolvePublisher.ts"

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

/**
 * Those whom an error may offer instead, in base64: a key that is revoked would be refused as soon as the user
 * followed the advice. One of which that cannot be told is offered.
 */
const offerable = Effect.fnUntraced(function* (others: ReadonlyArray<Candidate>) {
  const trust = yield* PublisherTrust
  const named = yield* Effect.filter(
    others.slice(0, NAMED_MAX),
    ({ claim }) =>
      Effect.match(trust.revocationOf(claim.k), {
        onSuccess: ({ revoked }) => Option.isNone(revoked),
        onFailure: () => true
      }),
    { concurrency: "unbounded" }
  )
  return namesOf(named)
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
  const offered = yield* offerable(yield* alternatives(inquiry, name, index, policy, pin.publisher))
  if (offered.length === 0) return asking
  return yield* fail(
    new PublisherChanged({
      package: name,
      pinned: PublicKey.toBase64(pin.publisher),
      offered,
      problem: "it has no record of the package in the network, and others publish the name"
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
  const offered = yield* offerable(others)
  const pinned = PublicKey.toBase64(pin.publisher)
  if (offered.length === 0) {
    const refusal = { publisher: pinned, reason }
    return yield* fail(new NoAcceptablePublisher({ package: name, policy: policy.name, refused: [refusal] }))
  }
  const problem = `the policy ${policy.name} refuses it: ${reason}`
  return yield* fail(new PublisherChanged({ package: name, pinned, offered, problem }))
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
