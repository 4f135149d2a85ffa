/**
 * The storage nodes that a member of the network knows, in place of a routing table: those that it has heard
 * lately, and those that fell silent, which the others go on naming for many minutes. A real client also asks
 * its buckets every quarter of an hour whether they are still there, so that a few lost packets cost it
 * nobody; here those that fell silent are remembered instead.
 */
import { RecentMap } from "../../../core/RecentMap.ts"
import type { Contact } from "../../../dht/client/Krpc.ts"
import * as NodeId from "../../../dht/client/NodeId.ts"

/** Nodes remembered that answered: about as many as the buckets of a real client hold on a network of this size. */
export const CONTACTS_MAX = 200

/** Nodes remembered that answered once and no longer: two look-ups' worth. */
const FADED_MAX = 40

/** For so long a node that fell silent counts as known (`Transport.nodeCount`), ms. */
const KNOWN_FOR_MS = 15 * 60_000

interface Faded {
  readonly contact: Contact
  readonly at: number
}

export class Acquaintances {
  /** By address, heard longest ago first. */
  readonly #contacts: RecentMap<string, Contact> = new RecentMap(CONTACTS_MAX)
  /** Those that fell silent, which a packet or two that got lost may explain, longest ago first. */
  readonly #faded: RecentMap<string, Faded> = new RecentMap(FADED_MAX)
  readonly #now: () => number

  /** `now` in ms. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Those that answered when they were asked last, and those that have been silent for a moment only. */
  get count(): number {
    const since = this.#now() - KNOWN_FOR_MS
    let count = this.#contacts.size
    for (const { at } of this.#faded.values()) if (at > since) count++
    return count
  }

  hear(contact: Contact): void {
    this.#faded.delete(contact.address)
    this.#contacts.set(contact.address, contact)
  }

  noteSilence({ address }: Contact): void {
    const contact = this.#contacts.get(address)
    if (contact === undefined) return
    this.#contacts.delete(address)
    this.#faded.set(address, { contact, at: this.#now() })
  }

  /** Who answers at that address has another id. */
  noteImpostor({ address, id }: Contact): void {
    const contact = this.#contacts.get(address)
    if (contact !== undefined && NodeId.equals(contact.id, id)) this.#contacts.delete(address)
  }

  /** Those that answered once and were silent when they were asked last, latest first: for whoever has nobody else to ask. */
  get faded(): ReadonlyArray<Contact> {
    return Array.from(this.#faded.values(), ({ contact }) => contact).toReversed()
  }

  closest(target: NodeId.NodeId, count: number): ReadonlyArray<Contact> {
    return NodeId.closest(this.#contacts.values(), target, count)
  }
}
