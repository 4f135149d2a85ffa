/** How often each of some things has happened. */

export class Tally<Event extends string> {
  readonly #counts = new Map<Event, number>()

  add(event: Event): void {
    this.#counts.set(event, (this.#counts.get(event) ?? 0) + 1)
  }

  /** A copy. */
  counters(): ReadonlyMap<Event, number> {
    return new Map(this.#counts)
  }
}
