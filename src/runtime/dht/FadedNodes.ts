/**
 * Nodes that were in the routing table and have left it, since they were silent. On a machine that was
 * asleep or off the network all of them are silent at once, and one that is still there is the way back.
 */
import type { Contact } from "../../protocol/dht/client/Krpc.ts"

/** Three buckets' worth (K = 20); each takes about 200 bytes. */
export const FADED_MAX = 64

/** How long a silent node still counts as known, ms: as long as BEP 5 calls one good that was heard. */
export const LATELY_MS = 15 * 60_000

interface Faded {
  readonly contact: Contact
  readonly at: number
}

export class FadedNodes {
  /** By address, longest ago first. */
  readonly #faded = new Map<string, Faded>()
  readonly #now: () => number

  /** `now` in ms. */
  constructor(now: () => number) {
    this.#now = now
  }

  note(contact: Contact): void {
    this.#faded.delete(contact.address)
    this.#faded.set(contact.address, { contact, at: this.#now() })
    if (this.#faded.size <= FADED_MAX) return
    for (const oldest of this.#faded.keys()) return void this.#faded.delete(oldest)
  }

  /** It is back, or was never there. */
  forget(address: string): void {
    this.#faded.delete(address)
  }

  /** Latest first. */
  get all(): ReadonlyArray<Contact> {
    return [...this.#faded.values()].map(({ contact }) => contact).toReversed()
  }

  /** Those that fell silent within {@link LATELY_MS}. */
  get lately(): ReadonlyArray<Contact> {
    const since = this.#now() - LATELY_MS
    return [...this.#faded.values()].flatMap(({ at, contact }) => (at > since ? [contact] : []))
  }
}
