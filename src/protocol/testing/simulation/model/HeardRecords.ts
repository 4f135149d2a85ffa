/**
 * The records in the replies to one look-up: which of them are valid, and which nodes hold each. A record is
 * judged once, however many nodes send it. As `HeardRecords` of the real client.
 */
import * as Bytes from "effect/Bytes"
import * as Result from "effect/Result"
import type { Ed25519 } from "../../../core/Ed25519.ts"
import * as Latin1 from "../../../core/Latin1.ts"
import type { PublicKey } from "../../../core/PublicKey.ts"
import type { Salt } from "../../../dht/KeyString.ts"
import * as Record from "../../../dht/Record.ts"
import type { Found } from "./Krpc.ts"
import type { MutableItem, StoredItem } from "./StoredItem.ts"

export interface Heard {
  readonly record: Record.Record
  /** `host:port` of each node that sent exactly this seq and value, validly signed. */
  readonly holders: ReadonlySet<string>
}

/** Foreign items of one look-up that are checked: one is enough. */
const FOREIGN_MAX = 8

/** Longest value of another implementation that the real client lets in. */
const FOREIGN_VALUE_MAX_BYTES = 1_000

interface Sent {
  readonly item: MutableItem
  readonly senders: Set<string>
}

export class HeardRecords {
  readonly #publicKey: PublicKey
  readonly #salt: Salt
  /** Honest nodes send one and the same object: no need to compare its bytes. */
  readonly #sendersOf = new Map<StoredItem, Set<string>>()
  readonly #sent = new Map<string, Sent>()
  readonly #foreign: Array<MutableItem> = []

  constructor(publicKey: PublicKey, salt: Salt) {
    this.#publicKey = publicKey
    this.#salt = salt
  }

  hear(from: string, { item }: Found): void {
    if (item === undefined) return
    const known = this.#sendersOf.get(item)
    if (known !== undefined) return void known.add(from)
    if (item._tag !== "Mutable" || !Bytes.Equivalence(item.publicKey, this.#publicKey)) return
    if (item.value.length > Record.VALUE_MAX_BYTES) return this.#noteForeign(item)
    const name = `${item.seq} ${Latin1.fromBytes(item.signature)}${Latin1.fromBytes(item.value)}`
    const sent = this.#sent.get(name) ?? { item, senders: new Set<string>() }
    sent.senders.add(from)
    this.#sent.set(name, sent)
    this.#sendersOf.set(item, sent.senders)
  }

  /** The valid records, newest first. `subject` is the target in hex. */
  judge(ed25519: Ed25519["Service"], subject: string): ReadonlyArray<Heard> {
    const valid: Array<{ readonly record: Record.Record; readonly holders: Set<string> }> = []
    for (const { item, senders } of this.#sent.values()) {
      const verified = Record.verifyWith(ed25519, this.#itemOf(item), subject)
      if (Result.isFailure(verified)) continue
      const record = verified.success
      const known = valid.find((other) => Record.isSame(other.record, record))
      if (known === undefined) valid.push({ record, holders: new Set(senders) })
      else for (const sender of senders) known.holders.add(sender)
    }
    return valid.toSorted((a, b) => (Record.newer(a.record, b.record) === a.record ? -1 : 1))
  }

  /** Whether the key signed something for this place that is no record of ours. */
  isForeign({ verify }: Ed25519["Service"]): boolean {
    return this.#foreign.some(({ seq, signature, value }) =>
      verify(signature, Record.signedBytes(this.#salt, seq, value), this.#publicKey)
    )
  }

  #noteForeign(item: MutableItem): void {
    if (item.value.length > FOREIGN_VALUE_MAX_BYTES || this.#foreign.length >= FOREIGN_MAX) return
    this.#foreign.push(item)
  }

  /** Under the key and salt that were asked for, whatever the node says; copies of what others hold. */
  #itemOf({ seq, signature, value }: MutableItem): Record.Item {
    return {
      publicKey: this.#publicKey,
      salt: this.#salt,
      seq,
      value: Uint8Array.from(value),
      signature: Uint8Array.from(signature)
    }
  }
}
