/**
 * Why a resolution came out as it did: every record that was asked for and who gave it, every
 * publisher and version that was considered and why it lost, and what the user should know before
 * using the result. A value for people and programs; nothing is decided by it.
 *
 * The lists that take work to write are made when they are looked at.
 */
import type { Candidate } from "./Candidate.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"

/** Publishers, and versions, that evidence tells one by one; the others are only counted. */
export const SHOWN_MAX = 20

export type LookKind = "nameIndex" | "package" | "release" | "revocation" | "versions" | "seeders"

/** Where the record that was used came from: `peers` are those under the name's topic, `memory` what this host remembers. */
export type Source = "network" | "memory" | "peers" | "none"

/** One thing that was asked for. */
export interface Look {
  /** Look-ups of one round are made at the same time; each round waits for the one before it. From 1. */
  readonly round: number
  readonly kind: LookKind
  readonly keyString: string
  readonly publicKey: PublicKey.PublicKey
  /** Of the record that was used; `undefined` where there is none. */
  readonly seq: number | undefined
  readonly found: boolean
  /** Nodes (`host:port`) that gave the network's record. */
  readonly responders: ReadonlyArray<string>
  readonly source: Source
}

export type Verdict = "chosen" | "lost"

/** A publisher that was considered. */
export interface PublisherVerdict {
  readonly publisher: PublicKey.PublicKey
  readonly latestVersion: Version
  /** When this host first saw it under the name, Unix ms. */
  readonly observedAt: number | undefined
  readonly verdict: Verdict
  readonly reason: string
}

/** A version that was considered; `flags` are `Package.Flag`s. */
export interface VersionVerdict {
  readonly version: Version
  readonly flags: number
  readonly verdict: Verdict
  readonly reason: string
}

/**
 * `rollback`: the network served an older record than is remembered. `withheld`: it served none. `offline`: it was not asked.
 * `stale`: the record is old. `postdated`: it is dated ahead of this clock. `yanked`, `deprecated`: the
 * publisher's flags. `unlisted`: the package does not list the version. `flagsUnknown`, `listIncomplete`:
 * versions or their flags could not be read. `packageMissing`: there is a release, but no package record;
 * or publishers whom the policy puts before the chosen one have none, and were passed over.
 */
export type WarningCode =
  | "rollback"
  | "withheld"
  | "offline"
  | "stale"
  | "postdated"
  | "yanked"
  | "deprecated"
  | "unlisted"
  | "flagsUnknown"
  | "listIncomplete"
  | "packageMissing"

/** Something that did not stop the resolution, but that the user should know. */
export interface Warning {
  readonly code: WarningCode
  readonly message: string
}

/** Verdicts that are written when they are asked for, the first `max` of them. */
export interface Considered<A> {
  readonly count: number
  readonly first: (max: number) => ReadonlyArray<A>
}

export const nothing: Considered<never> = { count: 0, first: () => [] }

export interface Parts {
  /** DHT look-ups one after another: the time that the resolution took, in look-ups. */
  readonly lookups: number
  readonly looks: ReadonlyArray<Look>
  readonly warnings: ReadonlyArray<Warning>
  readonly considered: {
    readonly publishers: Considered<PublisherVerdict>
    readonly versions: Considered<VersionVerdict>
  }
}

export class Evidence {
  readonly lookups: number
  readonly looks: ReadonlyArray<Look>
  readonly warnings: ReadonlyArray<Warning>
  readonly #considered: Parts["considered"]

  constructor({ considered, lookups, looks, warnings }: Parts) {
    this.lookups = lookups
    this.looks = looks
    this.warnings = warnings
    this.#considered = considered
  }

  /** The first {@link SHOWN_MAX}: the chosen one, the others in the order of the policy, those whom it refused. */
  get candidates(): ReadonlyArray<PublisherVerdict> {
    return this.#considered.publishers.first(SHOWN_MAX)
  }

  /** Publishers that were considered and are not in `candidates`. */
  get candidatesOmitted(): number {
    return Math.max(0, this.#considered.publishers.count - SHOWN_MAX)
  }

  /** The first {@link SHOWN_MAX}, newest first; the chosen one is always among them. */
  get versions(): ReadonlyArray<VersionVerdict> {
    return this.#considered.versions.first(SHOWN_MAX)
  }

  /** Versions of the publisher that are not in `versions`. */
  get versionsOmitted(): number {
    return Math.max(0, this.#considered.versions.count - SHOWN_MAX)
  }
}

/** Of a release that was not resolved but is known otherwise, from a lock file say. */
export const none: Evidence = new Evidence({
  lookups: 0,
  looks: [],
  warnings: [],
  considered: { publishers: nothing, versions: nothing }
})

export const verdictOf = (candidate: Candidate, verdict: Verdict, reason: string): PublisherVerdict => ({
  publisher: candidate.claim.k,
  latestVersion: candidate.claim.lv,
  observedAt: candidate.observedAt,
  verdict,
  reason
})

/** A look as a program reads it. Keys are in base64. */
const ofLook = ({ publicKey, seq, ...look }: Look) => ({
  kind: "record" as const,
  round: look.round,
  record: look.kind,
  keyString: look.keyString,
  publicKey: PublicKey.toBase64(publicKey),
  ...(seq === undefined ? {} : { seq }),
  found: look.found,
  source: look.source,
  responders: look.responders
})

const ofPublisher = ({ observedAt, publisher, ...verdict }: PublisherVerdict) => ({
  kind: "publisher" as const,
  publisher: PublicKey.toBase64(publisher),
  ...verdict,
  ...(observedAt === undefined ? {} : { observedAt })
})

/** As plain data, one list: what was looked up, who and what was considered, what to know. */
export const toItems = (self: Evidence) => [
  ...self.looks.map(ofLook),
  ...self.candidates.map(ofPublisher),
  ...self.versions.map((verdict) => ({ kind: "version" as const, ...verdict })),
  ...self.warnings.map((warning) => ({ kind: "warning" as const, ...warning }))
]
