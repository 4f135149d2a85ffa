/**
 * One storage node as a state machine: a question comes in from an address, an answer goes out. It has the
 * rules of BEP 5 for peers and tokens and those of BEP 44 for items, and knows nothing of time but `now`.
 */
import * as Record from "../../../dht/Record.ts"
import { ErrorCode, PEERS_MAX, type Token } from "../../../dht/client/Krpc.ts"
import type { NodeId } from "../../../dht/client/NodeId.ts"
import type { Chance } from "../Chance.ts"
import { type Answer, type Found, type Put, type Question, refused, type Stored } from "./Krpc.ts"
import { type Neighbour, RoutingTable } from "./RoutingTable.ts"
import { Items, Peers } from "./Shelf.ts"
import { BENCODED_MAX_BYTES, bencodedBytes, type IsSigned, type MutableItem } from "./StoredItem.ts"
import { Tokens } from "./Tokens.ts"

export interface Options {
  /** As the trace names it: `n17`. */
  readonly name: string
  /** `host:port`. */
  readonly address: string
  readonly id: NodeId
  /** Items kept. */
  readonly capacity: number
  /** How long an item is kept after its last put, ms; may be `Infinity`. */
  readonly lifetimeMs: number
  /** Whether it refuses the very record which it holds. */
  readonly refusesSame: boolean
  readonly chance: Chance
  /** Virtual time, ms. */
  readonly now: () => number
  readonly isSigned: IsSigned
}

const BAD_TOKEN = refused(ErrorCode.protocol, "bad token")
const BAD_PORT = refused(ErrorCode.protocol, "bad port")
const BAD_SEQ = refused(ErrorCode.protocol, "bad seq")
const TOO_BIG = refused(ErrorCode.valueTooBig, "message (v field) too big")
const SALT_TOO_BIG = refused(ErrorCode.saltTooBig, "salt too big")
const BAD_SIGNATURE = refused(ErrorCode.invalidSignature, "invalid signature")
const CAS_MISMATCH = refused(ErrorCode.casMismatch, "CAS mismatch, re-read and try again")
const SEQ_TOO_LOW = refused(ErrorCode.seqTooLow, "sequence number less than current")

const NO_PEERS: ReadonlyArray<string> = []

export class StorageNode implements Neighbour {
  readonly name: string
  readonly address: string
  readonly id: NodeId
  readonly table: RoutingTable<StorageNode>
  readonly items: Items
  readonly peers: Peers
  /** What it says of a write that it took. */
  readonly stored: Stored
  isUp = true
  readonly #options: Options
  #starts = 0
  #tokens: Tokens

  constructor(options: Options) {
    this.#options = options
    this.name = options.name
    this.address = options.address
    this.id = options.id
    this.table = new RoutingTable(options.id)
    this.items = new Items(options.capacity, options.lifetimeMs, options.now)
    this.peers = new Peers(options.now)
    this.stored = { _tag: "Stored", id: options.id }
    this.#tokens = this.#freshTokens()
  }

  /** Up again after a crash: with other secrets, with what it had on disk or with nothing. */
  restart(keepDisk: boolean): void {
    this.isUp = true
    this.#tokens = this.#freshTokens()
    if (keepDisk) return
    this.items.clear()
    this.peers.clear()
  }

  /** What an honest node says to an asker at `from` (`host:port`). */
  answer(question: Question, from: string): Answer {
    switch (question._tag) {
      case "FindNode":
        return this.#neighbours(question.target)
      case "Get":
        return {
          ...this.#neighbours(question.target),
          token: this.tokenFor(from),
          item: this.items.get(question.target.hex)
        }
      case "GetPeers":
        return {
          ...this.#neighbours(question.target),
          token: this.tokenFor(from),
          peers: this.peers.get(question.target.hex, PEERS_MAX)
        }
      case "AnnouncePeer": {
        const { port, target, token } = question
        if (!this.#tokens.honours(token, from)) return BAD_TOKEN
        if (!Number.isInteger(port) || port < 1 || port > 65_535) return BAD_PORT
        this.peers.add(target.hex, `${from.slice(0, from.indexOf(":"))}:${port}`)
        return this.stored
      }
      case "Put":
        return this.#put(question, from)
    }
  }

  tokenFor(from: string): Token {
    return this.#tokens.of(from)
  }

  #freshTokens(): Tokens {
    const secret = this.#options.chance.fork(`secret ${this.#starts++}`).word()
    return new Tokens(secret, this.#options.now)
  }

  #neighbours(target: NodeId): Found {
    return {
      _tag: "Found",
      id: this.id,
      token: undefined,
      nodes: this.table.closest(target),
      item: undefined,
      peers: NO_PEERS
    }
  }

  #put({ cas, item, token }: Put, from: string): Answer {
    if (!this.#tokens.honours(token, from)) return BAD_TOKEN
    if (bencodedBytes(item.value) > BENCODED_MAX_BYTES) return TOO_BIG
    const refusal = item._tag === "Mutable" ? this.#refusalOf(item, cas) : undefined
    if (refusal !== undefined) return refusal
    this.items.put(item)
    return this.stored
  }

  /**
   * In the order of bittorrent-dht and libtorrent: `cas` is compared even where the very same record comes again. BEP 44
   * and our guard take that record; bare bittorrent-dht 11 refuses it with 302, as every seq that is not above the one it
   * holds, and counts it as used all the same.
   */
  #refusalOf(item: MutableItem, cas: number | undefined): Answer | undefined {
    if (item.salt.length > Record.SALT_MAX_BYTES) return SALT_TOO_BIG
    if (!Number.isSafeInteger(item.seq) || item.seq < 0) return BAD_SEQ
    if (!this.#options.isSigned(item)) return BAD_SIGNATURE
    const held = this.items.get(item.target.hex)
    if (held?._tag !== "Mutable") return undefined
    if (cas !== undefined && held.seq !== cas) return CAS_MISMATCH
    if (item.seq > held.seq) return undefined
    if (this.#options.refusesSame) this.items.use(item.target.hex)
    else if (Record.isSame(item, held)) return undefined
    return SEQ_TOO_LOW
  }
}
