/**
 * What a publisher said about one version, and that it said one thing only. Releases are immutable:
 * two records of one key that name different bytes for one `name@version` are equivocation. Both are
 * then refused for good, and kept as a proof that anybody can check.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"
import type { LookupOptions } from "../dht/Dht.ts"
import * as KeyString from "../dht/KeyString.ts"
import { InvalidRecord, type Record } from "../dht/Record.ts"
import type { Asked } from "./Inquiry.ts"
import * as Lookup from "./Lookup.ts"
import * as Package from "./Package.ts"
import { type Proof, Proofs } from "./Proofs.ts"
import { type RegistryError, Equivocation, toRegistryError } from "./RegistryError.ts"
import * as Release from "./Release.ts"

/** A verified record of a publisher, and the release that it names: a release record, or a package with it inlined. */
export interface Statement {
  readonly record: Record
  readonly release: Release.Inlined
}

/** One publisher's version, as errors and proofs name it. */
export interface Subject {
  readonly publisher: PublicKey.PublicKey
  readonly name: PackageName
  readonly version: Version
}

const equivocation = ({ name, publisher, version }: Subject, infohashes: ReadonlyArray<Uint8Array>) =>
  toRegistryError(
    new Equivocation({
      package: name,
      version,
      publisher: PublicKey.toBase64(publisher),
      infohashes: infohashes.map((infohash) => Hex.encode(infohash))
    })
  )

/** The release that a record of a proof names, whichever of the two kinds of record it is. */
const releaseIn = (record: Record): ReadonlyArray<Uint8Array> => {
  const release = Release.decode(record.value)
  if (Result.isSuccess(release)) return [release.success.ih]
  const pkg = Package.decode(record.value)
  return Result.isSuccess(pkg) ? [pkg.success.l.ih] : []
}

const refuse = (proof: Proof) => Effect.fail(equivocation(proof, proof.records.flatMap(releaseIn)))

/** The first statement that contradicts the first of all. */
const contradiction = (statements: ReadonlyArray<Statement>): Statement | undefined =>
  statements.find(({ release }) => !Release.sameContent(release, statements[0]!.release))

/** Keeps a proof where two of the statements contradict each other; they come in the order in which this host saw them. */
export const keepProof = Effect.fnUntraced(function* (subject: Subject, statements: ReadonlyArray<Statement>) {
  const other = contradiction(statements)
  if (other === undefined) return undefined
  const proofs = yield* Proofs
  const foundAt = yield* Clock.currentTimeMillis
  const proof: Proof = { ...subject, records: [statements[0]!.record, other.record], foundAt }
  yield* proofs.keep(proof).pipe(Effect.mapError(toRegistryError))
  return proof
})

/**
 * Fails with `Equivocation` where two of the statements contradict each other, and keeps the proof; and
 * where a proof is kept already, whatever the statements say by now.
 */
export const requireOne = Effect.fnUntraced(function* (subject: Subject, statements: ReadonlyArray<Statement>) {
  const proofs = yield* Proofs
  const kept = yield* Effect.mapError(proofs.find(subject.publisher, subject.name, subject.version), toRegistryError)
  if (Option.isSome(kept)) return yield* refuse(kept.value)
  if (contradiction(statements) === undefined) return
  const proof = yield* keepProof(subject, statements)
  if (proof !== undefined) return yield* refuse(proof)
})

/** The release records of one version: what this host remembers, then what the network gave. */
export interface Looked {
  readonly subject: Subject
  readonly pair: Lookup.Pair
  readonly statements: ReadonlyArray<Opened>
  readonly asked: Asked
}

type Opened = Lookup.Found<Release.Release> & Statement

const open = (subject: Subject, keyString: string, record: Record): Result.Result<Opened, RegistryError> =>
  Result.flatMap(Lookup.openWith(Release.decode, record, keyString), ({ value }) =>
    value.n === subject.name && value.v === subject.version
      ? Result.succeed({ record, value, release: value })
      : Result.fail(
          toRegistryError(new InvalidRecord({ subject: keyString, problem: `it speaks of ${value.n}@${value.v}` }))
        )
  )

/** Release records that are remembered; the network is not asked. */
export const recall = (subject: Subject) => {
  const keyString = KeyString.release(subject.name, subject.version)
  return Effect.flatMap(Lookup.recall(subject.publisher, KeyString.saltOf(keyString)), (record) =>
    record === undefined
      ? Effect.succeed([])
      : Effect.fromResult(Result.map(open(subject, keyString, record), (found) => [found]))
  )
}

/** Asks the network and the own memory. What contradicts what is for the caller to judge. */
export const look = Effect.fnUntraced(function* (subject: Subject, options?: LookupOptions) {
  const keyString = KeyString.release(subject.name, subject.version)
  const pair = yield* Lookup.both(subject.publisher, keyString, options)
  const { local, remote, responders } = pair
  const records = remote === undefined || remote === local ? [local] : [local, remote]
  const statements: Array<Opened> = []
  for (const record of records) {
    if (record !== undefined) statements.push(yield* Effect.fromResult(open(subject, keyString, record)))
  }
  // Some nodes hold one release and some another: whichever came out on top, both are signed.
  for (const rival of pair.rivals) {
    const opened = open(subject, keyString, rival)
    if (Result.isSuccess(opened)) statements.push(opened.success)
  }
  const used = statements[0]?.record
  const asked: Asked = {
    kind: "release",
    keyString,
    publicKey: subject.publisher,
    seq: used?.seq,
    found: used !== undefined,
    responders,
    source: used === undefined ? "none" : used === remote ? "network" : "memory"
  }
  return { subject, pair, statements, asked } satisfies Looked
})

/**
 * The one release record, remembered from now on; `others` are what else the publisher signed about the
 * version. `Equivocation` where they contradict each other, or where the record was written a second
 * time. What was remembered first stays remembered.
 */
export const settle = Effect.fnUntraced(function* (
  { pair, statements, subject }: Looked,
  others: ReadonlyArray<Statement> = []
) {
  yield* requireOne(subject, [...statements.slice(0, 1), ...others, ...statements.slice(1)])
  const rewritten = statements.find(({ record }) => record.seq !== Release.RELEASE_SEQ)
  if (rewritten !== undefined) return yield* equivocation(subject, [rewritten.release.ih])
  const [found] = statements
  if (found === undefined) return Option.none<Lookup.Found<Release.Release>>()
  if (found.record !== pair.local) yield* Lookup.remember(found.record)
  return Option.some<Lookup.Found<Release.Release>>({ record: found.record, value: found.value })
})

/** A publisher's release record, as {@link look} and {@link settle} find it. */
export const releaseOf = Effect.fnUntraced(function* (
  publisher: PublicKey.PublicKey,
  name: PackageName,
  version: Version
) {
  return yield* settle(yield* look({ publisher, name, version }))
})
