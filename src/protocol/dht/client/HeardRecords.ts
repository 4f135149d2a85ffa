/**
 * The records in the replies to one look-up: which of them are valid, and which nodes hold each. A record is
 * judged once, however many nodes send it.
 *
 * A node may also give what the key did sign for this place and that is no record of ours: another kind of
 * value, or a longer one (other implementations store those). That is noted, since it may hide one of ours.
 */
import * as Bytes from "effect/Bytes"
import * as Result from "effect/Result"
import type { Ed25519 } from "../../core/Ed25519.ts"
import * as Latin1 from "../../core/Latin1.ts"
import type { PublicKey } from "../../core/PublicKey.ts"
import type { Salt } from "../KeyString.ts"
import * as Record from "../Record.ts"
import type { Found, GivenForeign, GivenItem, GivenRecord } from "./Krpc.ts"
import * as Networks from "./Networks.ts"

export interface Heard {
  readonly record: Record.Record
  /** `host:port` of each node that sent exactly this seq and value, validly signed. */
  readonly holders: ReadonlySet<string>
}

/** Foreign items of one look-up that are checked, each in 0.1 ms: one true one is enough, and some are made to hide it. */
const FOREIGN_MAX = 64

interface Sent {
  readonly item: GivenRecord
  readonly senders: Set<string>
  /** Once it was checked. */
  verdict: Result.Result<Record.Record, Record.InvalidRecord> | undefined
}

export class HeardRecords {
  readonly #ed25519: Ed25519["Service"]
  readonly #publicKey: PublicKey
  readonly #salt: Salt
  readonly #subject: string
  /** Where nodes send one and the same object there is no need to compare its bytes. */
  readonly #sentAs = new Map<GivenItem, Sent>()
  readonly #sent = new Map<string, Sent>()
  readonly #foreign: Array<GivenForeign> = []

  /** `subject` names the place in errors: the target in hex. */
  constructor(ed25519: Ed25519["Service"], publicKey: PublicKey, salt: Salt, subject: string) {
    this.#ed25519 = ed25519
    this.#publicKey = publicKey
    this.#salt = salt
    this.#subject = subject
  }

  hear(from: string, { item }: Found): void {
    if (item === undefined) return
    const known = this.#sentAs.get(item)
    if (known !== undefined) return void known.senders.add(from)
    if (item._tag === "Immutable" || !Bytes.Equivalence(item.publicKey, this.#publicKey)) return
    if (item._tag === "Foreign") {
      if (this.#foreign.length < FOREIGN_MAX) this.#foreign.push(item)
      return
    }
    const name = `${item.seq} ${Latin1.fromBytes(item.signature)}${Latin1.fromBytes(item.value)}`
    const sent: Sent = this.#sent.get(name) ?? { item, senders: new Set(), verdict: undefined }
    sent.senders.add(from)
    this.#sent.set(name, sent)
    this.#sentAs.set(item, sent)
  }

  /** The valid records, newest first. */
  get valid(): ReadonlyArray<Heard> {
    const valid: Array<{ readonly record: Record.Record; readonly holders: Set<string> }> = []
    for (const sent of this.#sent.values()) {
      const verdict = this.#judge(sent)
      if (Result.isFailure(verdict)) continue
      const record = verdict.success
      const known = valid.find((other) => Record.isSame(other.record, record))
      if (known === undefined) valid.push({ record, holders: new Set(sent.senders) })
      else for (const sender of sent.senders) known.holders.add(sender)
    }
    return valid.toSorted((a, b) => (Record.newer(a.record, b.record) === a.record ? -1 : 1))
  }

  /** Whether nodes on `count` hosts gave the newest of the records that are valid. */
  isAgreedBy(count: number): boolean {
    let newest: Sent | undefined
    for (const sent of this.#sent.values()) {
      const isNewer = newest === undefined || Record.newer(newest.item, sent.item) === sent.item
      if (isNewer && Result.isSuccess(this.#judge(sent))) newest = sent
    }
    return newest !== undefined && (count <= 1 || Networks.countHosts(newest.senders) >= count)
  }

  /** Whether the key signed something for this place that is no record of ours. */
  get isForeign(): boolean {
    return this.#foreign.some(({ bencoded, seq, signature }) =>
      this.#ed25519.verify(signature, Record.signedBytesOfAny(this.#salt, seq, bencoded), this.#publicKey)
    )
  }

  /** Under the key and salt that were asked for, whatever the node says. */
  #judge(sent: Sent): Result.Result<Record.Record, Record.InvalidRecord> {
    return (sent.verdict ??= Record.verifyWith(this.#ed25519, this.#itemOf(sent.item), this.#subject))
  }

  /** A copy, since what nodes give may be a view of something bigger. */
  #itemOf({ seq, signature, value }: GivenRecord): Record.Item {
    return {
      publicKey: this.#publicKey,
      salt: this.#salt,
      seq,
      value: Uint8Array.from(value),
      signature: Uint8Array.from(signature)
    }
  }
}
