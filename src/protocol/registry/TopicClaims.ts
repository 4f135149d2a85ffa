/**
 * The asking side of a name's topic: what peers hand on of its claims and packages, when the shared
 * record is missing or somebody keeps overwriting it. The peers may be anybody: what they give counts
 * by its own signatures, and every peer has the same share of the work that is spent on them all.
 */
import * as Bytes from "effect/Bytes"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as PublicKey from "../core/PublicKey.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"
import { type TopicAnswer, TopicPeers } from "../dht/TopicPeers.ts"
import * as NameClaim from "./NameClaim.ts"
import * as NameIndexMemory from "./NameIndexMemory.ts"

/** The longest that a reading waits for peers. A little over what asking them may take by itself. */
export const TOPIC_DEADLINE: Duration.Duration = Duration.seconds(2)

/** Claims of peers that one reading verifies: 40 ms with the faster backend, half a second with the slower. */
export const VERIFY_MAX = 1_000

/** Different claims of peers that one reading parses, most of them known to it already. */
export const PARSE_MAX = 10_000

/** Package records of peers that one reading looks into. */
export const PACKAGES_MAX = 64

/** What peers hold of a name. */
export interface Question {
  /** Asks, ends in time, and never fails: that nobody can be asked is no failure, since the network is asked too. */
  readonly answers: Effect.Effect<ReadonlyArray<TopicAnswer>>
  /** Whether the answer is there already, as where there is no way to reach peers: then nothing has to run beside it. */
  readonly isImmediate: boolean
}

const nobody = (): ReadonlyArray<TopicAnswer> => []

/** Nobody is asked. */
export const unasked: Question = { answers: Effect.sync(nobody), isImmediate: true }

export const question = ({ salt }: NameIndexMemory.Place): Effect.Effect<Question, never, TopicPeers> =>
  Effect.map(TopicPeers, (peers) => {
    const asking = peers.ask(KeyString.topicOfSalt(salt))
    const isImmediate = Exit.isExit(asking)
    const inTime = isImmediate
      ? asking
      : Effect.map(Effect.timeoutOption(asking, TOPIC_DEADLINE), Option.getOrElse(nobody))
    const answers = Effect.catchCause(inTime, (cause) =>
      Cause.hasInterruptsOnly(cause) ? Effect.interrupt : Effect.sync(nobody)
    )
    return { answers, isImmediate }
  })

/** The first item of each, then the second of each, … so that no peer's items come only after all of another's. */
function* inTurns<A>(lists: ReadonlyArray<ReadonlyArray<A>>): Generator<A> {
  const longest = Math.max(0, ...lists.map(({ length }) => length))
  for (let at = 0; at < longest; at++) {
    for (const list of lists) if (at < list.length) yield list[at]!
  }
}

/** `known` with the claims of the answers that hold and are not older, at most {@link VERIFY_MAX} of them. */
export const withAnswers = Effect.fnUntraced(function* (
  { name }: NameIndexMemory.Place,
  known: NameClaim.VerifiedClaims,
  answers: ReadonlyArray<TopicAnswer>
) {
  const isNews = (claim: NameClaim.NameClaim) => {
    const verified = known.get(PublicKey.toHex(claim.k))
    return verified === undefined || NameClaim.compare(claim, verified) > 0
  }
  const seen = new Set<string>()
  const news: Array<NameClaim.NameClaim> = []
  for (const bytes of inTurns(answers.map(({ claims }) => claims))) {
    if (news.length >= VERIFY_MAX || seen.size >= PARSE_MAX) break
    // Honest peers have the same claims in the same bytes: each is looked at once.
    const key = Hex.encode(bytes)
    if (seen.has(key)) continue
    seen.add(key)
    const claim = NameClaim.decode(bytes)
    if (Result.isSuccess(claim) && isNews(claim.success)) news.push(claim.success)
  }
  if (news.length === 0) return known
  return NameClaim.merge(known, yield* NameIndexMemory.verifyAll(name, news))
})

/** Where nobody answered. */
export const noPackages: ReadonlyMap<string, Record.Record> = new Map()

/** The newest package record that the answers have of each of the publishers, verified. */
export const packagesFrom = Effect.fnUntraced(function* (
  { name }: NameIndexMemory.Place,
  claims: NameClaim.ClaimSet,
  answers: ReadonlyArray<TopicAnswer>
) {
  const found = new Map<string, Record.Record>()
  const keyString = KeyString.packageOf(name)
  const salt = KeyString.saltOf(keyString)
  let looked = 0
  for (const bytes of inTurns(answers.map(({ records }) => records))) {
    if (looked++ >= PACKAGES_MAX) break
    const record = Option.getOrUndefined(yield* Effect.option(Record.fromBytes(bytes, keyString)))
    if (record === undefined || !Bytes.Equivalence(record.salt, salt)) continue
    const publisher = PublicKey.toHex(record.publicKey)
    const known = found.get(publisher)
    if (claims.has(publisher)) found.set(publisher, known === undefined ? record : Record.newer(known, record))
  }
  return found
})
