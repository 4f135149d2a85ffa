/**
 * The records in the replies to one look-up: which of them are valid, and which nodes hold each.
 * A record is judged once, however many nodes send it.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Bencode from "../../protocol/core/Bencode.ts"
import { Ed25519, SIGNATURE_BYTES } from "../../protocol/core/Ed25519.ts"
import type { PublicKey } from "../../protocol/core/PublicKey.ts"
import type { Salt } from "../../protocol/dht/KeyString.ts"
import * as Record from "../../protocol/dht/Record.ts"
import type { Reply } from "./NodeSearch.ts"

export interface Heard {
  readonly record: Record.Record
  /** `host:port` of each node that sent exactly this seq and value, validly signed. */
  readonly holders: ReadonlySet<string>
}

interface Sent {
  readonly item: Record.Item
  readonly senders: Set<string>
}

/** Foreign items of one look-up that are checked: one is enough, and each check takes 0.1 ms. */
const FOREIGN_MAX = 8

/** What a reply carries that is signed like a record and is none, as the bytes that were signed. */
const foreignOf = (salt: Salt, { seq, sig, v }: Reply["values"]): Foreign | undefined => {
  if (!Buffer.isBuffer(sig) || typeof seq !== "number" || v === undefined) return undefined
  if (Buffer.isBuffer(v) && v.length <= Record.VALUE_MAX_BYTES) return undefined
  const message = Record.signedBytesOfAny(salt, seq, Bencode.encode(v))
  return { signature: Uint8Array.from(sig), message }
}

interface Foreign {
  readonly signature: Uint8Array
  readonly message: Uint8Array
}

/**
 * Collects replies; `judge` gives the valid records, newest first, and `isForeign` whether the key signed
 * something else for this place. `subject` is the target in hex.
 */
export const collect = (publicKey: PublicKey, salt: Salt) => {
  const sent = new Map<string, Sent>()
  const foreign: Array<Foreign> = []
  const hear = ({ from, values }: Reply): void => {
    const { k, seq, sig, v } = values
    if (!Buffer.isBuffer(k) || !Bytes.Equivalence(k, publicKey)) return
    const other = foreignOf(salt, values)
    if (other !== undefined && foreign.length < FOREIGN_MAX) foreign.push(other)
    if (!Buffer.isBuffer(sig) || sig.length !== SIGNATURE_BYTES) return
    if (!Buffer.isBuffer(v) || typeof seq !== "number") return
    const name = `${seq} ${Buffer.concat([sig, v]).toString("latin1")}`
    const known = sent.get(name)
    if (known !== undefined) return void known.senders.add(from)
    // What the library hands out are views into datagrams.
    const item = { publicKey, salt, seq, value: Uint8Array.from(v), signature: Uint8Array.from(sig) }
    sent.set(name, { item, senders: new Set([from]) })
  }
  const judge = Effect.fnUntraced(function* (subject: string): Effect.fn.Return<ReadonlyArray<Heard>, never, Ed25519> {
    const valid: Array<{ readonly record: Record.Record; readonly holders: Set<string> }> = []
    for (const { item, senders } of sent.values()) {
      const record = Option.getOrUndefined(yield* Effect.option(Record.verify(item, subject)))
      if (record === undefined) continue
      const known = valid.find((other) => Record.isSame(other.record, record))
      if (known === undefined) valid.push({ record, holders: senders })
      else for (const sender of senders) known.holders.add(sender)
    }
    return valid.toSorted((a, b) => (Record.newer(a.record, b.record) === a.record ? -1 : 1))
  })
  const isForeign = Effect.map(Ed25519, ({ verify }) =>
    foreign.some(({ message, signature }) => verify(signature, message, publicKey))
  )
  return { hear, judge, isForeign }
}
