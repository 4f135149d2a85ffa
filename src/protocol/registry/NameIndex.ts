/**
 * The shared record of a name: the claims of everybody who publishes it, signed by the name key
 * that anyone can derive.
 *
 * Since anyone may overwrite it, nothing in it is believed that is not a claim signed by its own
 * publisher. Readers unite it with the claims that they remember; writers read, merge, put with
 * compare-and-swap and read again; and whoever knows a claim that is missing can put it back.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Bencode from "../core/Bencode.ts"
import type { KeyPair } from "../core/KeyPair.ts"
import type { PackageName } from "../core/PackageName.ts"
import { Dht } from "../dht/Dht.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"
import * as Lookup from "./Lookup.ts"
import * as NameClaim from "./NameClaim.ts"
import { NameIndexBlocked, RegistryError } from "./RegistryError.ts"

/** Tries of a write that others race. */
export const WRITE_TRIES = 6

const encodeClaims = Schema.encodeSync(
  Bencode.fromBytes(Schema.Struct({ c: Schema.Array(NameClaim.NameClaim), k: Bencode.Integer }))
)

/** The value of a name index with these claims, in the order of their publishers' keys. */
export const toBytes = (claims: NameClaim.ClaimSet): Uint8Array =>
  encodeClaims({ c: NameClaim.toSorted(claims), k: claims.size })

interface Listing {
  readonly claims: ReadonlyArray<NameClaim.NameClaim>
  /** Whether there are claims elsewhere that only a later version of this protocol can read. */
  readonly hasMore: boolean
}

const decodeClaim = Schema.decodeUnknownOption(NameClaim.NameClaim, { onExcessProperty: "error" })

/** Reads claim by claim: one that makes no sense, whoever put it there, does not take the others with it. */
export const parse = (value: Uint8Array): Listing => {
  const decoded = Result.getOrUndefined(Bencode.decode(value))
  if (!isDictionary(decoded) || !Array.isArray(decoded["c"])) return { claims: [], hasMore: false }
  const entries: ReadonlyArray<Bencode.Value> = decoded["c"]
  const claims = entries.flatMap((entry) => Option.toArray(decodeClaim(entry)))
  return { claims, hasMore: decoded["r"] !== undefined }
}

const isDictionary = (value: Bencode.Value | undefined): value is Bencode.Dictionary =>
  typeof value === "object" && !Array.isArray(value) && !(value instanceof Uint8Array)

/** What is known of a name. All claims in it are signed by their publishers. */
export interface Snapshot {
  /** In the network or remembered. */
  readonly claims: NameClaim.ClaimSet
  readonly inNetwork: NameClaim.ClaimSet
  /** The network's record, where there is one. */
  readonly record: Option.Option<Record.Record>
  readonly hasMore: boolean
}

interface Place {
  readonly name: PackageName
  readonly keyString: string
  readonly nameKey: KeyPair
}

const placeOf = Effect.fnUntraced(function* (name: PackageName) {
  const keyString = KeyString.nameIndex(name)
  return { name, keyString, nameKey: yield* KeyString.nameKeyOf(keyString) } satisfies Place
})

const signed = ({ keyString, nameKey }: Place, seq: number, value: Uint8Array): Record.Record =>
  Record.sign(nameKey, { salt: KeyString.saltOf(keyString), seq, value })

/**
 * Remembers the union, in a record that is newer than either of its sources. So the claims survive
 * somebody's overwriting the name, and can be put back without any key but the name's own.
 */
const rememberUnion = Effect.fnUntraced(function* (
  place: Place,
  { local, remote }: Lookup.Pair,
  { claims, hasMore, inNetwork }: Snapshot,
  remembered: NameClaim.ClaimSet
) {
  const [localSeq, remoteSeq] = [local?.seq ?? 0, remote?.seq ?? 0]
  if (claims.size === 0 || local === remote) return
  if (localSeq >= remoteSeq && NameClaim.equals(claims, remembered)) return
  if (remote !== undefined && remoteSeq > localSeq && (hasMore || NameClaim.equals(claims, inNetwork))) {
    return yield* Lookup.remember(remote)
  }
  const seq = Math.max(localSeq, remoteSeq) + 1
  const value = toBytes(claims)
  if (seq > Record.SEQ_MAX || value.length > Record.VALUE_MAX_BYTES) return
  yield* Lookup.remember(signed(place, seq, value))
})

/** Reads the name's record, unites it with what this host remembers, and remembers the union. */
export const read = Effect.fnUntraced(function* (name: PackageName) {
  const place = yield* placeOf(name)
  const pair = yield* Lookup.both(place.nameKey.publicKey, place.keyString)
  const remote = pair.remote === undefined ? undefined : parse(pair.remote.value)
  const inNetwork = yield* NameClaim.verifyAll(name, remote?.claims ?? [])
  const own = pair.local === undefined || pair.local === pair.remote ? [] : parse(pair.local.value).claims
  const remembered = yield* NameClaim.verifyAll(name, own)
  const snapshot: Snapshot = {
    claims: NameClaim.merge(inNetwork, remembered),
    inNetwork,
    record: Option.fromUndefinedOr(pair.remote),
    hasMore: remote?.hasMore ?? false
  }
  yield* rememberUnion(place, pair, snapshot, remembered)
  return snapshot
})

class LostRace {
  readonly _tag = "LostRace"
}

/**
 * Makes sure that the network's record has every claim that is known, and those that `propose`
 * makes from them. Succeeds with the record as the network holds it.
 */
const write = Effect.fnUntraced(function* (
  name: PackageName,
  propose: (known: NameClaim.ClaimSet) => ReadonlyArray<NameClaim.NameClaim>
) {
  const dht = yield* Dht
  const place = yield* placeOf(name)
  const blocked = (problem: string) => new RegistryError({ reason: new NameIndexBlocked({ package: name, problem }) })

  const attempt = Effect.gen(function* () {
    const current = yield* read(name)
    const union = NameClaim.merge(current.claims, NameClaim.fromClaims(propose(current.claims)))
    if (Option.isSome(current.record) && NameClaim.equals(union, current.inNetwork)) return current.record.value
    if (current.hasMore) return yield* blocked("it has more claims than this version can read")
    const value = toBytes(union)
    if (value.length > Record.VALUE_MAX_BYTES) {
      return yield* blocked(`its record is full with the claims of ${current.claims.size} publishers`)
    }
    const seq = Option.match(current.record, { onNone: () => 1, onSome: (record) => record.seq + 1 })
    if (seq > Record.SEQ_MAX) return yield* blocked("somebody used up its sequence numbers")
    const record = signed(place, seq, value)
    yield* dht
      .put(record, Option.match(current.record, { onNone: () => ({}), onSome: ({ seq }) => ({ cas: seq }) }))
      .pipe(
        Effect.mapError((reason) =>
          reason.reason._tag === "CasConflict" || reason.reason._tag === "StaleSeq"
            ? new LostRace()
            : new RegistryError({ reason })
        )
      )
    const after = yield* read(name)
    if (!NameClaim.equals(NameClaim.merge(after.inNetwork, union), after.inNetwork)) {
      return yield* Effect.fail(new LostRace())
    }
    return Option.getOrElse(after.record, () => record)
  })

  return yield* attempt.pipe(
    Effect.retry({
      while: (error) => error._tag === "LostRace",
      schedule: Schedule.exponential("50 millis").pipe(Schedule.jittered, Schedule.upTo({ times: WRITE_TRIES - 1 }))
    }),
    Effect.catchTag("LostRace", () => blocked(`others kept overwriting it, ${WRITE_TRIES} times in a row`))
  )
})

/** Adds a claim. `propose` makes it from all those known, its author's earlier one among them. */
export const join = Effect.fn("NameIndex.join")(
  (name: PackageName, propose: (known: NameClaim.ClaimSet) => NameClaim.NameClaim) =>
    write(name, (known) => [propose(known)])
)

/** Puts back what this host remembers and the network lacks. Needs no key, and writes nothing without need. */
export const mend = Effect.fn("NameIndex.mend")((name: PackageName) => write(name, () => []))
