/**
 * The publishers of a name as a policy judges them: their claims, this host's own
 * observations of them, and what else the policy needs to know. Ten thousand hostile claims cost
 * sorting and no look-ups: seeders are counted for a bounded number, within one deadline.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Instant from "../core/Instant.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Record } from "../dht/Record.ts"
import type { Candidate, Stated } from "./Candidate.ts"
import type { Asked, Inquiry } from "./Inquiry.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as NameClaim from "./NameClaim.ts"
import * as NameIndex from "./NameIndex.ts"
import { type FirstObserved, Observations } from "./Observations.ts"
import * as PackageLookup from "./PackageLookup.ts"
import * as Policy from "./Policy.ts"
import { PublisherTrust } from "./PublisherTrust.ts"
import { toRegistryError } from "./RegistryError.ts"
import * as Seeders from "./Seeders.ts"

/** Who publishes a name, judged. */
export interface Field {
  readonly judgement: Policy.Judgement
  /** Of everybody with a claim. */
  readonly size: number
  /** With those observed for the first time just now. */
  readonly observed: FirstObserved
  /** Package records that peers gave, by publisher (hex). */
  readonly handedOn: ReadonlyMap<string, Record>
  /** Packages that were looked up already, by publisher (hex). */
  readonly packages: ReadonlyMap<string, PackageLookup.Looked>
}

const noTrust: ReadonlySet<string> = new Set()

/** The keys that the user trusts, where the policy needs to know. */
const trustedFor = (policy: Policy.Policy) =>
  policy.needs.has("trust") ? Effect.flatMap(PublisherTrust, ({ trusted }) => trusted) : Effect.succeed(noTrust)

interface Counted {
  readonly asked: Asked
  readonly seeders: number | undefined
  readonly looked: PackageLookup.Looked | undefined
}

/** Distinct seeders of a candidate's newest release; unknown where that takes longer than the deadline, or cannot be told. */
const count = Effect.fnUntraced(function* (
  name: PackageName,
  publisher: PublicKey.PublicKey,
  known: PackageLookup.Looked | undefined,
  handedOn: Record | undefined
) {
  const service = yield* Seeders.current
  let looked = known
  const counting = Effect.gen(function* () {
    looked ??= yield* PackageLookup.look(publisher, name, handedOn)
    return looked.found === undefined ? undefined : yield* service.count(looked.found.value.l.ih)
  })
  const seeders = Option.getOrUndefined(
    Option.flatten(yield* Effect.option(Effect.timeoutOption(counting, Seeders.SEEDER_DEADLINE_MS)))
  )
  const infohash = looked?.found?.value.l.ih
  const asked: Asked = {
    kind: "seeders",
    keyString: infohash === undefined ? "" : Hex.encode(infohash),
    publicKey: publisher,
    seq: undefined,
    found: (seeders ?? 0) > 0,
    responders: [],
    source: seeders === undefined ? "none" : "network"
  }
  return { asked, seeders, looked } satisfies Counted
})

const isPostdated = ({ claim }: Candidate, now: number): boolean => claim.t > now + NameClaim.CLOCK_SKEW_MAX_MS

/** In the order given, but those whose claims are dated ahead of now come last. */
const postdatedLast = (ranked: ReadonlyArray<Candidate>, now: number): ReadonlyArray<Candidate> => {
  const late = ranked.filter((candidate) => isPostdated(candidate, now))
  return late.length === 0 ? ranked : [...ranked.filter((candidate) => !isPostdated(candidate, now)), ...late]
}

/**
 * What the policy says, but whoever is dated ahead of now stands behind all others that it takes. It is
 * not left out: a publisher whose clock was wrong once could never be found again, as its later claims
 * have to be dated later still.
 */
const judgeDated = (policy: Policy.Policy, candidates: ReadonlyArray<Candidate>, now: number): Policy.Judgement => {
  const { lost, ranked, refused } = policy.judge(candidates, now)
  return {
    ranked: postdatedLast(ranked, now),
    refused,
    lost: (loser, winner) =>
      isPostdated(loser, now) && !isPostdated(winner, now)
        ? `postdated: its claim is dated ahead of this clock, ${Instant.exact(loser.claim.t)}`
        : lost(loser, winner)
  }
}

/** Which to count where not all can be: trusted ones, then the first seen. */
const countedFirst = (candidates: ReadonlyArray<Candidate>, now: number): ReadonlyArray<Candidate> => {
  const ranked = postdatedLast(Policy.firstSeen.judge(candidates, now).ranked, now)
  return [...ranked.filter(({ isTrusted }) => isTrusted), ...ranked.filter(({ isTrusted }) => !isTrusted)].slice(
    0,
    Seeders.SEEDER_CANDIDATES_MAX
  )
}

const withSeeders = Effect.fnUntraced(function* (
  inquiry: Inquiry,
  name: PackageName,
  candidates: ReadonlyArray<Candidate>,
  handedOn: ReadonlyMap<string, Record>,
  now: number
) {
  const chosen = countedFirst(candidates, now)
  const counted = yield* Effect.forEach(
    chosen,
    ({ claim }) => count(name, claim.k, undefined, handedOn.get(PublicKey.toHex(claim.k))),
    { concurrency: "unbounded" }
  )
  inquiry.step(
    1,
    counted.map(({ looked }) => looked?.asked)
  )
  inquiry.step(
    1,
    counted.map(({ asked }) => asked)
  )
  const byPublisher = new Map(counted.map((each, at) => [PublicKey.toHex(chosen[at]!.claim.k), each]))
  return {
    candidates: candidates.map((candidate) => ({
      ...candidate,
      seeders: byPublisher.get(PublicKey.toHex(candidate.claim.k))?.seeders
    })),
    packages: new Map(
      [...byPublisher].flatMap(([key, { looked }]) => (looked === undefined ? [] : [[key, looked] as const]))
    )
  }
})

/** Observations before now, and with the publishers that are seen for the first time. */
const observe = Effect.fnUntraced(function* (
  name: PackageName,
  claims: ReadonlyArray<NameClaim.NameClaim>,
  now: number
) {
  const observations = yield* Observations
  const before = yield* Effect.mapError(observations.of(name), toRegistryError)
  const unseen = claims.filter(({ k }) => !before.has(PublicKey.toHex(k))).map(({ k }) => k)
  const after =
    unseen.length === 0 ? before : yield* observations.note(name, unseen, now).pipe(Effect.mapError(toRegistryError))
  return { before, after }
})

/** Reads the name index. Also what a pinned name asks, to tell who else there is. */
export const readIndex = Effect.fnUntraced(function* (name: PackageName, options?: NameIndex.ReadOptions) {
  const snapshot = yield* NameIndex.read(name, options)
  const keyString = KeyString.nameIndex(name)
  const record = Option.getOrUndefined(snapshot.record)
  const { publicKey } = record ?? (yield* KeyString.nameKeyOf(keyString))
  const asked: Asked = {
    kind: "nameIndex",
    keyString,
    publicKey,
    seq: record?.seq,
    found: record !== undefined,
    responders: snapshot.responders,
    source: record !== undefined ? "network" : snapshot.claims.size > 0 ? "memory" : "none"
  }
  return { snapshot, asked }
})

export type Index = Effect.Success<ReturnType<typeof readIndex>>

/** Notes everybody whose claim is not dated ahead of now, finds out what the policy needs, and lets it judge. */
export const judge = Effect.fnUntraced(function* (
  inquiry: Inquiry,
  name: PackageName,
  { snapshot }: Index,
  policy: Policy.Policy
) {
  const now = yield* Clock.currentTimeMillis
  const claims = [...snapshot.claims.values()]
  const { after, before } = yield* observe(name, NameClaim.believable(snapshot.claims, now), now)
  const trusted = yield* trustedFor(policy)
  const candidates = claims.map((claim): Candidate => {
    const key = PublicKey.toHex(claim.k)
    return { claim, observedAt: before.get(key), isTrusted: trusted.has(key), seeders: undefined }
  })
  const told =
    policy.needs.has("seeders") && candidates.length > 0
      ? yield* withSeeders(inquiry, name, candidates, snapshot.packages, now)
      : { candidates, packages: new Map<string, PackageLookup.Looked>() }
  const judgement = judgeDated(policy, told.candidates, now)
  const best = judgement.ranked[0]
  if (best !== undefined && isPostdated(best, now)) {
    const when = Instant.exact(best.claim.t)
    inquiry.warn("postdated", `Of ${name} there are only claims dated ahead of this clock; the best one says ${when}.`)
  }
  return {
    judgement,
    size: claims.length,
    observed: after,
    handedOn: snapshot.packages,
    packages: told.packages
  } satisfies Field
})

/**
 * Whether the policy would refuse a publisher that is settled otherwise, by a pin; how it ranks is of no
 * account. Seeders are counted only where the verdict hangs on them.
 */
export const refusalOf = Effect.fnUntraced(function* (
  inquiry: Inquiry,
  name: PackageName,
  claim: Stated,
  since: number,
  policy: Policy.Policy,
  looked: PackageLookup.Looked
) {
  const observations = yield* Observations
  const now = yield* Clock.currentTimeMillis
  const key = PublicKey.toHex(claim.k)
  const seen = (yield* observations.of(name).pipe(Effect.mapError(toRegistryError))).get(key) ?? since
  const trusted = yield* trustedFor(policy)
  const candidate: Candidate = {
    claim,
    observedAt: Math.min(seen, since),
    isTrusted: trusted.has(key),
    seeders: undefined
  }
  const verdictAt = (seeders: number | undefined) => {
    const told = { ...candidate, seeders }
    const { ranked, refused } = policy.judge([told], now)
    return { candidate: told, refusal: ranked.length > 0 ? undefined : (refused[0]?.reason ?? "it is refused") }
  }
  const [uncounted, countless] = [verdictAt(undefined), verdictAt(Number.POSITIVE_INFINITY)]
  if (!policy.needs.has("seeders") || uncounted.refusal === countless.refusal) return uncounted
  const { asked, seeders } = yield* count(name, claim.k, looked, undefined)
  inquiry.step(1, [asked])
  return verdictAt(seeders)
})
