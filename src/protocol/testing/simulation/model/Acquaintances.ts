/**
 * The storage nodes that a member of the network knows: those that it has heard lately, and those that were
 * silent a moment ago, which the others go on naming for many minutes. As `SilentNodes` and the routing
 * table of the real client. That one also asks its buckets every quarter of an hour whether they are still
 * there, so that a few lost packets cost it nobody; here those that fell silent are remembered instead.
 */
import { RecentMap } from "../../../core/RecentMap.ts"
import type { Contact } from "./Krpc.ts"
import * as Xor from "./Xor.ts"

/** Nodes remembered that answered: about as many as the buckets of a real client hold on a network of this size. */
export const CONTACTS_MAX = 200

/** Nodes remembered that answered once and no longer: two look-ups' worth. */
const FADED_MAX = 40

/** How long a silent node is left alone, ms, and how many are remembered: as the real client. */
export const SILENT_FOR_MS = 60_000
const SILENT_MAX = 2_048

export class Acquaintances {
  /** By address, heard longest ago first. */
  readonly #contacts = new Map<string, Contact>()
  /** Those that fell silent, which a packet or two that got lost may explain, longest ago first. */
  readonly #faded = new Map<string, Contact>()
  readonly #silentSince: RecentMap<string, number> = new RecentMap(SILENT_MAX)
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  get size(): number {
    return this.#contacts.size
  }

  hear(contact: Contact): void {
    this.#contacts.delete(contact.address)
    this.#faded.delete(contact.address)
    this.#contacts.set(contact.address, contact)
    if (this.#contacts.size <= CONTACTS_MAX) return
    for (const oldest of this.#contacts.keys()) return void this.#contacts.delete(oldest)
  }

  noteSilence(address: string): void {
    const contact = this.#contacts.get(address)
    if (contact !== undefined) this.#fade(contact)
    this.#silentSince.set(address, this.#now())
  }

  isSilent(address: string): boolean {
    const since = this.#silentSince.get(address)
    return since !== undefined && this.#now() - since < SILENT_FOR_MS
  }

  /** Those that answered once and were silent when they were asked last, latest first: for whoever has nobody else to ask. */
  get faded(): ReadonlyArray<Contact> {
    return [...this.#faded.values()].toReversed()
  }

  #fade(contact: Contact): void {
    this.#contacts.delete(contact.address)
    this.#faded.delete(contact.address)
    this.#faded.set(contact.address, contact)
    if (this.#faded.size <= FADED_MAX) return
    for (const oldest of this.#faded.keys()) return void this.#faded.delete(oldest)
  }

  closest(target: Xor.Id, count: number): ReadonlyArray<Contact> {
    return Xor.closest(this.#contacts.values(), target, count)
  }
}
