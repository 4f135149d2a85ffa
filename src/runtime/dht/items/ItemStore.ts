/**
 * The items that a node holds for others (BEP 44): each until two hours after its last put, within a number
 * of items and bytes that no flood exceeds. Where there is no room, {@link Owners} says whose goes; targets
 * that are pinned never go. Pure memory, no clock but `now`; {@link ItemStore.changes} is for an archive.
 */
import type { Archived, Changes } from "./ItemArchive.ts"
import { type Charge, Owners, type Sender } from "./Owners.ts"
import { isSigned, isSound, PackedItem, type StoredItem, targetOf, type Verify } from "./StoredItem.ts"
import { Tally } from "./Tally.ts"
import { Unwritten } from "./Unwritten.ts"

/** About 13 MB when full, and 20 million nodes share all items of the network. */
export const ITEMS_MAX = 10_000

/** Of keys, signatures, salts and values: {@link ITEMS_MAX} items of the largest size (1,160 bytes). */
export const BYTES_MAX = 12 * 1_024 * 1_024

/** BEP 44 "Expiration": items may be dropped two hours after their last put. */
export const LIFETIME_MS = 2 * 60 * 60_000

/** Of the items, for the senders of one network together: the rest is never theirs, not even while nobody else wants it. */
export const NETWORK_SHARE = 0.5

/** What the counters count. */
export type Event =
  | "stored"
  | "renewed"
  | "refreshed"
  | "evicted-full"
  | "evicted-share"
  | "expired"
  | "refused-full"
  | "restored"
  | "unsound"
  | "forged"

export interface Options {
  /** Unix ms. */
  readonly now: () => number
  /** Asked for items of an archive, when they are first used. */
  readonly verify: Verify
  /** 20 bytes: among equals, items far from it go first. Without it, the oldest. */
  readonly ownId?: Uint8Array | undefined
  readonly itemsMax?: number | undefined
  readonly bytesMax?: number | undefined
  /** May be `Infinity`. */
  readonly lifetimeMs?: number | undefined
  /** From 0 to 1. */
  readonly networkShare?: number | undefined
}

/** An item on its way in. */
interface Given {
  readonly target: string
  readonly item: PackedItem
  /** `host:port` of the sender. */
  readonly peer: string
  readonly putAt: number
  /** Items of an archive are checked when they are first asked for: all at once would hold up a start. */
  readonly isVerified: boolean
}

interface Kept extends Charge, Given {
  readonly sender: Sender<Kept>
  isVerified: boolean
}

/** 32 bits tell how far from its id an item is among all that a node holds. */
const firstWord = (target: string): number => Number.parseInt(target.slice(0, 8), 16)

export class ItemStore {
  /** All but the pinned ones; what was put longest ago comes first. */
  readonly #kept = new Map<string, Kept>()
  /** Those of pinned targets. */
  readonly #own = new Map<string, Kept>()
  readonly #pins = new Set<string>()
  readonly #owners = new Owners<Kept>()
  readonly #tally = new Tally<Event>()
  readonly #options: Options
  readonly #itemsMax: number
  readonly #bytesMax: number
  readonly #lifetimeMs: number
  readonly #networkMax: number
  readonly #ownWord: number | undefined
  #bytes = 0
  #ownBytes = 0
  /** While there is an archive. */
  #unwritten: Unwritten | undefined

  constructor(options: Options) {
    this.#options = options
    this.#itemsMax = options.itemsMax ?? ITEMS_MAX
    this.#bytesMax = options.bytesMax ?? BYTES_MAX
    this.#lifetimeMs = options.lifetimeMs ?? LIFETIME_MS
    this.#networkMax = Math.max(1, Math.floor(this.#itemsMax * (options.networkShare ?? NETWORK_SHARE)))
    this.#ownWord = options.ownId === undefined ? undefined : firstWord(Buffer.from(options.ownId).toString("hex"))
  }

  /** Expired ones count until somebody asks for them or puts something. */
  get size(): number {
    return this.#kept.size + this.#own.size
  }

  /** Bytes of the items held, without what memory takes beside them. */
  get bytes(): number {
    return this.#bytes
  }

  /** How often each thing has happened so far; a copy. */
  counters(): ReadonlyMap<Event, number> {
    return this.#tally.counters()
  }

  /** `target` in hex. */
  get(target: string): StoredItem | undefined {
    const kept = this.#find(target)
    if (kept === undefined) return undefined
    if (kept.isVerified) return kept.item
    kept.isVerified = isSigned(kept.item, this.#options.verify)
    if (kept.isVerified) return kept.item
    this.#drop(kept, "forged")
    return undefined
  }

  /**
   * Keeps an item in place of the one that is at its target, for a full lifetime. `peer` (`host:port`) is charged for it,
   * unless whoever is charged for it already holds less. False when there is no room, or no more for this sender.
   */
  put(item: StoredItem, peer: string): boolean {
    const target = targetOf(item)
    const before = this.#current(target)
    const given = { target, item: new PackedItem(item), peer, putAt: this.#options.now(), isVerified: true }
    return this.#keep(given, before, before === undefined ? "stored" : "renewed")
  }

  /** The item at `target`, if there is one, was put once more. */
  refresh(target: string, peer: string): void {
    const before = this.#current(target)
    if (before !== undefined) this.#keep({ ...before, peer, putAt: this.#options.now() }, before, "refreshed")
  }

  /**
   * What is at the target, now or later, never goes by itself. False when there are as many pins as the store may have
   * items: then it is as before.
   */
  pin(target: string): boolean {
    if (this.#pins.has(target)) return true
    if (this.#pins.size >= this.#itemsMax) return false
    const kept = this.#find(target)
    this.#pins.add(target)
    if (kept === undefined) return true
    this.#forget(kept, false)
    this.#enter(kept)
    return true
  }

  /** From now on the item is as one that has just been put. */
  unpin(target: string): void {
    const kept = this.#own.get(target)
    if (kept !== undefined) this.#forget(kept, true)
    this.#pins.delete(target)
    if (kept !== undefined) this.#keep({ ...kept, putAt: this.#options.now() }, undefined, undefined)
  }

  /** Everything held, with what an archive has to know. Nothing of it has been checked that came from an archive. */
  *entries(): IterableIterator<Archived> {
    for (const kept of this.#own.values()) yield archived(kept)
    for (const kept of this.#kept.values()) if (!this.#isExpired(kept)) yield archived(kept)
  }

  /** Takes back what an archive kept. Its signature is checked when it is first asked for. False when it is of no use. */
  restore({ item, putAt, sender, target }: Archived): boolean {
    const now = this.#options.now()
    // A time to come is one of a clock that was wrong.
    const since = Math.min(putAt, now)
    if (now - since >= this.#lifetimeMs && !this.#pins.has(target)) return this.#unfit(target, "expired")
    if (!isSound(item) || targetOf(item) !== target) return this.#unfit(target, "unsound")
    if (this.#current(target) !== undefined) return this.#unfit(target)
    const given = { target, item: new PackedItem(item), peer: sender, putAt: since, isVerified: false }
    if (!this.#keep(given, undefined, "restored")) return this.#unfit(target)
    this.#unwritten?.restored(target)
    return true
  }

  /** From now on {@link changes} tells what an archive does not know. */
  record(): void {
    this.#unwritten ??= new Unwritten(Array.from(this.entries(), ({ target }) => target))
  }

  /** Up to `max` changes that have not been told before. Who cannot keep them tells by {@link retry}, before it asks again. */
  changes(max: number): Changes {
    this.#sweep()
    const { gone, kept } = this.#unwritten?.tell(max) ?? { gone: [], kept: [] }
    const held = kept.flatMap((target) => this.#own.get(target) ?? this.#kept.get(target) ?? [])
    return { gone, kept: held.map(archived) }
  }

  /** The last changes could not be kept, none of them: what of them still holds is told again. */
  retry(): void {
    this.#unwritten?.refused((target) => this.#isHeld(target))
  }

  #isHeld(target: string): boolean {
    return this.#own.has(target) || this.#kept.has(target)
  }

  #unfit(target: string, event?: "expired" | "unsound"): false {
    this.#unwritten?.unfit(target, this.#isHeld(target))
    if (event !== undefined) this.#tally.add(event)
    return false
  }

  #isExpired({ putAt }: Kept): boolean {
    return this.#options.now() - putAt >= this.#lifetimeMs
  }

  #find(target: string): Kept | undefined {
    const own = this.#own.get(target)
    if (own !== undefined) return own
    const kept = this.#kept.get(target)
    if (kept === undefined || !this.#isExpired(kept)) return kept
    this.#drop(kept, "expired")
    return undefined
  }

  /** As {@link #find}, before a put: all that has expired makes room first, and time stands still after that. */
  #current(target: string): Kept | undefined {
    this.#sweep()
    return this.#find(target)
  }

  /** In place of what was there before; `event` is counted unless there is no room. */
  #keep(given: Given, before: Kept | undefined, event: Event | undefined): boolean {
    const { item, peer, target } = given
    const isOwn = this.#pins.has(target)
    if (isOwn && this.#ownBytes - (before?.item.byteLength ?? 0) + item.byteLength > this.#bytesMax) {
      this.#tally.add("refused-full")
      return false
    }
    const found = this.#owners.find(peer)
    const stays = before !== undefined && !isOwn && this.#owners.lesser(before.sender, found) === before.sender
    const distance = this.#ownWord === undefined ? 0 : (firstWord(target) ^ this.#ownWord) >>> 0
    const charged = stays ? { sender: before.sender, peer: before.peer } : { sender: found, peer }
    const kept: Kept = { ...given, ...charged, distance }
    if (before !== undefined) this.#forget(before, isOwn)
    this.#enter(kept)
    if (!isOwn && this.#owners.heldBy(kept.sender) > this.#networkMax) {
      this.#evict(this.#owners.victimOf(kept.sender.network), "evicted-share")
    }
    while (this.size > this.#itemsMax || this.#bytes > this.#bytesMax) {
      // What is pinned is never too much by itself.
      if (!this.#evict(this.#owners.victim(), "evicted-full")) break
    }
    const isThere = isOwn || this.#kept.get(target) === kept
    if (event !== undefined) this.#tally.add(isThere ? event : "refused-full")
    return isThere
  }

  #enter(kept: Kept): void {
    const { item, target } = kept
    if (this.#pins.has(target)) {
      this.#own.set(target, kept)
      this.#ownBytes += item.byteLength
    } else {
      this.#kept.set(target, kept)
      this.#owners.add(kept.sender, kept)
    }
    this.#bytes += item.byteLength
    this.#unwritten?.entered(target)
  }

  #forget(kept: Kept, isOwn: boolean): void {
    const { item, sender, target } = kept
    this.#bytes -= item.byteLength
    this.#unwritten?.left(target)
    if (isOwn) {
      this.#own.delete(target)
      this.#ownBytes -= item.byteLength
    } else {
      this.#kept.delete(target)
      this.#owners.remove(sender, kept)
    }
  }

  #drop(kept: Kept, event: Event): void {
    this.#forget(kept, this.#own.get(kept.target) === kept)
    this.#tally.add(event)
  }

  #evict(victim: Kept | undefined, event: "evicted-full" | "evicted-share"): boolean {
    if (victim !== undefined) this.#drop(victim, event)
    return victim !== undefined
  }

  #sweep(): void {
    for (const kept of this.#kept.values()) {
      if (!this.#isExpired(kept)) return
      this.#drop(kept, "expired")
    }
  }
}

const archived = ({ item, peer, putAt, target }: Kept): Archived => ({ target, item, putAt, sender: peer })

export const make = (options: Options): ItemStore => new ItemStore(options)
