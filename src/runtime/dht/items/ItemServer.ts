/**
 * Answers `get` and `put` (BEP 44) out of an `ItemStore`. Pure of sockets: a query that the guard has
 * checked and its sender go in, a datagram comes out that no network has to fragment.
 *
 * A put is weighed in the order of cost: token, size, what is there already, and the signature last.
 */
import * as Bencode from "../../../protocol/core/Bencode.ts"
import { isSequence, SALT_MAX_BYTES, VALUE_MAX_BYTES } from "../KrpcItem.ts"
import { ErrorCode, NODES_MAX } from "../../../protocol/dht/client/Krpc.ts"
import {
  COMPACT_NODE_BYTES,
  encodeFailure,
  encodeResponse,
  isBytes,
  NODE_ID_BYTES,
  type Query
} from "../KrpcMessage.ts"
import type { Asker } from "../KrpcAddresses.ts"
import * as KrpcAddresses from "../KrpcAddresses.ts"
import * as ItemReply from "./ItemReply.ts"
import type { ItemStore } from "./ItemStore.ts"
import { PutLimits } from "./PutLimits.ts"
import { isSigned, type Mutable, type StoredItem, targetOf, type Verify } from "./StoredItem.ts"
import { Tally } from "./Tally.ts"
import { WriteTokens } from "./WriteTokens.ts"

/** Neighbours in a reply with an item (BEP 5: K). */
export const NODES_WITH_ITEM = 8

/**
 * Neighbours in a reply without one: whoever asks is about to write to the twenty closest nodes, and of lists of eight
 * some of these stay unknown. As many as the guard takes from a reply.
 */
export const NODES_WITHOUT_ITEM = NODES_MAX

/** What the counters count. */
export type Event =
  | "found"
  | "known-seq"
  | "not-found"
  | "put-stored"
  | "put-refreshed"
  | "bad-token"
  | "too-many-puts"
  | "bad-put"
  | "value-too-big"
  | "salt-too-big"
  | "cas-mismatch"
  | "seq-too-low"
  | "invalid-signature"
  | "store-full"

/** A node of the routing table. */
export interface Neighbour {
  /** 20 bytes. */
  readonly id: Uint8Array
  /** Dotted IPv4. */
  readonly host: string
  readonly port: number
}

export interface Options {
  readonly store: ItemStore
  /** Asked last, and not for an item that is held already. */
  readonly verify: Verify
  /** Unix ms. */
  readonly now: () => number
  readonly randomBytes: (length: number) => Uint8Array
  /** 20 bytes; asked for each reply, since a routing table may be there later than this. */
  readonly ownId: () => Uint8Array
  /** Up to `count` neighbours, closest to the target (20 bytes) first. */
  readonly closest: (target: Uint8Array, count: number) => ReadonlyArray<Neighbour>
}

/** A refusal, and how it is counted. */
interface Refusal {
  readonly code: ErrorCode
  readonly event: Event
  readonly text: string
}

const refusal = (code: ErrorCode, event: Event, text: string): Refusal => ({ code, event, text })

const BAD_TOKEN = refusal(ErrorCode.protocol, "bad-token", "bad token: `get` first")
const BAD_PUT = refusal(ErrorCode.protocol, "bad-put", "`k`, `sig` and `seq` come together or not at all")
const TOO_MANY = refusal(ErrorCode.generic, "too-many-puts", "too many puts: wait a minute")
const TOO_BIG = refusal(ErrorCode.valueTooBig, "value-too-big", "message (v field) too big")
const SALT_TOO_BIG = refusal(ErrorCode.saltTooBig, "salt-too-big", "salt too big")
const CAS_MISMATCH = refusal(ErrorCode.casMismatch, "cas-mismatch", "CAS mismatch, re-read value and try again")
const SEQ_TOO_LOW = refusal(ErrorCode.seqTooLow, "seq-too-low", "sequence number less than current")
const BAD_SIGNATURE = refusal(ErrorCode.invalidSignature, "invalid-signature", "invalid signature")
const STORE_FULL = refusal(ErrorCode.generic, "store-full", "no room for this item")

const NO_SALT = new Uint8Array(0)

/** Nodes as replies name them (BEP 5 "Contact Encoding"). */
export const compactOf = (nodes: ReadonlyArray<Neighbour>): Uint8Array => {
  const compact = new Uint8Array(nodes.length * COMPACT_NODE_BYTES)
  for (const [i, { host, id, port }] of nodes.entries()) {
    const at = i * COMPACT_NODE_BYTES
    compact.set(id, at)
    KrpcAddresses.write({ address: host, port }, compact, at + NODE_ID_BYTES)
  }
  return compact
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")

const isSameBytes = (self: Uint8Array, that: Uint8Array): boolean => Buffer.compare(self, that) === 0

/** The item of a `put`; `undefined` where it is neither of the two kinds. */
const itemOf = ({ k, salt, seq, sig, v }: Bencode.Dictionary): StoredItem | undefined => {
  if (v === undefined) return undefined
  const value = Bencode.encode(v)
  if (k === undefined && sig === undefined) return { value, mutable: undefined }
  if (!isBytes(k) || !isBytes(sig) || !isSequence(seq)) return undefined
  return { value, mutable: { publicKey: k, signature: sig, salt: isBytes(salt) ? salt : NO_SALT, seq } }
}

export class ItemServer {
  readonly tokens: WriteTokens
  readonly #options: Options
  readonly #limits: PutLimits
  readonly #tally = new Tally<Event>()

  constructor(options: Options) {
    this.#options = options
    this.#limits = new PutLimits(options.now)
    this.tokens = new WriteTokens(options)
  }

  /** How often each thing has happened so far; a copy. */
  counters(): ReadonlyMap<Event, number> {
    return this.#tally.counters()
  }

  /** The answer to a `get` or `put`; `undefined` for other queries. `query` is as the guard gives it. */
  readonly serve = (query: Query, from: Asker): Uint8Array | undefined => {
    switch (query.method) {
      case "get":
        return this.#get(query, from)
      case "put":
        return this.#answerPut(query, from)
      default:
        return undefined
    }
  }

  #get({ args, transactionId }: Query, from: Asker): Uint8Array {
    const { seq, target } = args
    const { closest, ownId, store } = this.#options
    const id = ownId()
    const place = isBytes(target) ? target : id
    const found = this.#found(store.get(hexOf(place)), seq)
    const most = found.value === undefined ? NODES_WITHOUT_ITEM : NODES_WITH_ITEM
    const always = { id, token: this.tokens.of(from.address) }
    return ItemReply.encode(found, always, transactionId, most, (count) => compactOf(closest(place, count)))
  }

  /** BEP 44: to a `get` that names a seq, an item that is not newer is not sent, only its number. */
  #found(held: StoredItem | undefined, knownSeq: Bencode.Value | undefined): ItemReply.Found {
    if (held === undefined) {
      this.#tally.add("not-found")
      return {}
    }
    const { mutable, value } = held
    if (mutable !== undefined && isSequence(knownSeq) && mutable.seq <= knownSeq) {
      this.#tally.add("known-seq")
      return { seq: mutable.seq }
    }
    this.#tally.add("found")
    return { ...mutable, value }
  }

  #answerPut({ args, transactionId }: Query, from: Asker): Uint8Array {
    const refused = this.#put(args, from)
    if (refused === undefined) return encodeResponse(transactionId, { id: this.#options.ownId() })
    this.#tally.add(refused.event)
    return encodeFailure(transactionId, refused.code, refused.text)
  }

  #put(args: Bencode.Dictionary, from: Asker): Refusal | undefined {
    const { token } = args
    if (!isBytes(token) || !this.tokens.honours(token, from.address)) return BAD_TOKEN
    const peer = `${from.address}:${from.port}`
    // Behind the token, so that nobody can use up what somebody else may put.
    if (!this.#limits.admits(peer)) return TOO_MANY
    const item = itemOf(args)
    if (item === undefined) return BAD_PUT
    if (item.value.length > VALUE_MAX_BYTES) return TOO_BIG
    if (item.mutable !== undefined && item.mutable.salt.length > SALT_MAX_BYTES) return SALT_TOO_BIG
    const target = targetOf(item)
    const held = this.#options.store.get(target)
    if (held !== undefined) {
      const isSame = isSameBytes(held.value, item.value)
      if (item.mutable === undefined || held.mutable === undefined) {
        if (isSame) return this.#refresh(target, peer)
      } else {
        const judged = this.#compare(item, item.mutable, held.mutable, isSame, args["cas"])
        if (judged !== "newer") return judged === "same" ? this.#refresh(target, peer) : judged
      }
    }
    if (!isSigned(item, this.#options.verify)) return BAD_SIGNATURE
    if (!this.#options.store.put(item, peer)) return STORE_FULL
    this.#tally.add("put-stored")
    return undefined
  }

  /** In the order of libtorrent: `cas` is compared even where the very item comes again. */
  #compare(
    item: StoredItem,
    mutable: Mutable,
    held: Mutable,
    isSameValue: boolean,
    cas: Bencode.Value | undefined
  ): Refusal | "same" | "newer" {
    if (isSequence(cas) && cas !== held.seq) return CAS_MISMATCH
    if (mutable.seq > held.seq) return "newer"
    if (mutable.seq < held.seq || !isSameValue) return SEQ_TOO_LOW
    // A key may sign one thing twice in two ways; the one that is held stays.
    if (isSameBytes(mutable.signature, held.signature)) return "same"
    return isSigned(item, this.#options.verify) ? "same" : BAD_SIGNATURE
  }

  #refresh(target: string, peer: string): undefined {
    this.#options.store.refresh(target, peer)
    this.#tally.add("put-refreshed")
    return undefined
  }
}

export const make = (options: Options): ItemServer => new ItemServer(options)
