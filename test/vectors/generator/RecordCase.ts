/** One case of a record, as `records.json` and `name-indices.json` have it. */
import { hex, type Json, type Key } from "./Cast.ts"
import * as Samples from "./Samples.ts"
import { publisher } from "./Samples.ts"

export type Kind = "release" | "package" | "announce" | "nameIndex" | "revocation"

/** What every case of a record has. */
export const about = (name: string, kind: Kind, keyString: string, by: Uint8Array) => ({
  name,
  kind,
  keyString,
  publicKey: hex(by)
})

/** A case that a reader takes, and what it says. */
export const accepted = (
  name: string,
  kind: Kind,
  keyString: string,
  by: Key,
  record: Samples.Record,
  says: { readonly [name: string]: Json }
): Json => ({
  ...about(name, kind, keyString, by.publicKey),
  envelope: hex(Samples.envelope(record)),
  valid: true,
  seq: Number(record.seq),
  target: hex(Samples.targetOf(record)),
  ...says
})

/** Where a reader asked for the record. */
export interface Place {
  readonly kind: Kind
  readonly keyString: string
  /** The publisher, where it is not another. */
  readonly by?: Uint8Array
}

/** A case that a reader refuses. */
export const refused = (
  name: string,
  reason: string,
  envelope: Uint8Array,
  { by = publisher.publicKey, keyString, kind }: Place
): Json => ({ ...about(name, kind, keyString, by), envelope: hex(envelope), valid: false, reason })
