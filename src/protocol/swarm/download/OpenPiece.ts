/**
 * A piece that is being fetched: which of its blocks are free, on order or here, and who sent them.
 * Whoever opened a piece owns it, and others keep to pieces of their own while there are any: a piece
 * from one peer says by its hash alone whether that peer lies.
 */
import type { Peer } from "./Peer.ts"

const HERE = 255

export class OpenPiece {
  readonly index: number
  readonly blocks: number
  /** Contested (see `Blame`): none but the owner is asked. */
  readonly isExclusive: boolean
  /** In ms. */
  readonly openedAt: number
  /** Who opened it, until that peer leaves, chokes or stalls. */
  owner: Peer | undefined
  /** For each block: on order from so many peers, or {@link HERE}. */
  readonly #states: Uint8Array
  readonly #senders: Array<number | undefined>
  #free: number
  #missing: number
  #ordered = 0
  /** No block before this one is free. */
  #cursor = 0

  constructor(
    index: number,
    blocks: number,
    options: { readonly owner: Peer; readonly isExclusive: boolean; readonly openedAt: number }
  ) {
    this.index = index
    this.blocks = blocks
    this.openedAt = options.openedAt
    this.owner = options.owner
    this.isExclusive = options.isExclusive
    this.#states = new Uint8Array(blocks)
    this.#senders = Array.from({ length: blocks })
    this.#free = blocks
    this.#missing = blocks
  }

  /** Blocks that are neither here nor on order. */
  get free(): number {
    return this.#free
  }

  /** Blocks that are not here. */
  get missing(): number {
    return this.#missing
  }

  get here(): number {
    return this.blocks - this.#missing
  }

  /** Whether there is nothing to it but that it was opened. */
  get isUntouched(): boolean {
    return this.here === 0 && this.#ordered === 0
  }

  /** Peer of each block that is here. */
  get senders(): ReadonlyArray<number | undefined> {
    return this.#senders
  }

  firstFree(): number | undefined {
    if (this.#free === 0) return undefined
    while (this.#states[this.#cursor] !== 0) this.#cursor++
    return this.#cursor
  }

  isHere(block: number): boolean {
    return this.#states[block] === HERE
  }

  /** From how many peers a missing block is on order. */
  askers(block: number): number {
    const state = this.#states[block]!
    return state === HERE ? 0 : state
  }

  order(block: number): void {
    if (this.isHere(block)) return
    if (this.#states[block] === 0) this.#free--
    this.#states[block]!++
    this.#ordered++
  }

  /** One peer less has the block on order. */
  release(block: number): void {
    if (this.askers(block) === 0) return
    this.#ordered--
    if (--this.#states[block]! === 0) this.#setFree(block)
  }

  /** The block has come from a peer. False when it was here. */
  receive(block: number, sender: number): boolean {
    if (this.isHere(block)) return false
    const askers = this.askers(block)
    if (askers === 0) this.#free--
    this.#ordered -= askers
    this.#states[block] = HERE
    this.#senders[block] = sender
    this.#missing--
    return true
  }

  /** Takes back what a peer sent. */
  dropFrom(sender: number): void {
    this.#senders.forEach((each, block) => {
      if (each === sender) this.#drop(block)
    })
  }

  /** Takes back all that is here. */
  dropAll(): void {
    for (let block = 0; block < this.blocks; block++) if (this.isHere(block)) this.#drop(block)
  }

  #drop(block: number): void {
    this.#states[block] = 0
    this.#senders[block] = undefined
    this.#missing++
    this.#setFree(block)
  }

  #setFree(block: number): void {
    this.#free++
    this.#cursor = Math.min(this.#cursor, block)
  }
}
