/** Why a resolution came out as it did, as tables that a person can follow. */
import * as Instant from "../../protocol/core/Instant.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import type * as Evidence from "../../protocol/registry/Evidence.ts"
import * as Package from "../../protocol/registry/Package.ts"
import type { Resolution } from "../../protocol/registry/Resolve.ts"

/** Nodes named for one record; the others are counted. */
const RESPONDERS_SHOWN = 2

/** The flags of a version by name. */
export const flagNames = (flags: number): ReadonlyArray<string> =>
  Object.entries(Package.Flag).flatMap(([name, flag]) => ((flags & flag) === 0 ? [] : [name]))

type Row = ReadonlyArray<string>

/** Rows with their cells under each other; the last column is as long as it is, and one that is empty in every row is left out. */
const aligned = (head: Row, rows: ReadonlyArray<Row>): ReadonlyArray<string> => {
  const columns = head.flatMap((_, column) => (rows.every((row) => row[column] === "") ? [] : [column]))
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  return all.map((row) => `  ${columns.map((column) => row[column]!.padEnd(widths[column]!)).join("  ")}`.trimEnd())
}

const table = (title: string, head: Row, rows: ReadonlyArray<Row>, omitted: number = 0): ReadonlyArray<string> =>
  rows.length === 0 ? [] : ["", title, ...aligned(head, rows), ...(omitted === 0 ? [] : [`  … and ${omitted} more`])]

const RECORDS: { readonly [kind in Evidence.LookKind]: string } = {
  nameIndex: "name index",
  package: "package",
  release: "release",
  revocation: "revocation",
  versions: "versions",
  seeders: "seeders"
}

const outcome = ({ found, kind, responders, seq, source }: Evidence.Look): string => {
  if (!found) return kind === "revocation" ? "not revoked" : "not found"
  const number = seq === undefined ? "" : `, no. ${seq}`
  if (source === "memory") return `found${number}, remembered from before`
  if (source === "peers") return `found${number}, from peers`
  const more = responders.length > RESPONDERS_SHOWN ? ` and ${responders.length - RESPONDERS_SHOWN} more` : ""
  const from = responders.length === 0 ? "" : `, from ${responders.slice(0, RESPONDERS_SHOWN).join(", ")}${more}`
  return `found${number}${from}`
}

const lookRow = (look: Evidence.Look): Row => [
  String(look.round),
  RECORDS[look.kind],
  // The name index is signed with a key that everybody has: its letters would tell nothing.
  look.kind === "nameIndex" ? "anybody" : PublicKey.short(look.publicKey),
  outcome(look)
]

const publisherRow = ({ latestVersion, observedAt, publisher, reason, verdict }: Evidence.PublisherVerdict): Row => [
  verdict === "chosen" ? "*" : " ",
  PublicKey.toBase64(publisher),
  latestVersion,
  observedAt === undefined ? "" : Instant.day(observedAt),
  reason
]

const versionRow = ({ flags, reason, verdict, version }: Evidence.VersionVerdict): Row => [
  verdict === "chosen" ? "*" : " ",
  version,
  flagNames(flags).join(", "),
  reason
]

/** The lines of `--why`, after those of the result itself. */
export const lines = ({ evidence }: Resolution): ReadonlyArray<string> => [
  ...table(
    evidence.lookups <= 1
      ? "Looked up, all at once:"
      : `Looked up, in ${evidence.lookups} rounds, each after the one before it:`,
    ["round", "record", "signed by", "answer"],
    evidence.looks.map(lookRow)
  ),
  ...table(
    "Publishers, the chosen one with a star:",
    [" ", "publisher", "newest", "seen since", "why"],
    evidence.candidates.map(publisherRow),
    evidence.candidatesOmitted
  ),
  ...table(
    "Versions, the chosen one with a star:",
    [" ", "version", "flags", "why"],
    evidence.versions.map(versionRow),
    evidence.versionsOmitted
  ),
  ...(evidence.warnings.length === 0 ? [] : ["", "To know:", ...evidence.warnings.map(({ message }) => `  ${message}`)])
]
