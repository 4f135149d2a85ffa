/**
 * The places for connections that others open. While there are free ones, anybody gets one. When there are none, whoever
 * holds the most gives one up for an address that holds fewer, and among equals the one that has been silent for long: so
 * neither one address nor a crowd that says nothing keeps others out.
 */

/** A connection, from its first byte on. */
export interface Place {
  readonly host: string
  /** Last time of a sign of life, or of the beginning, in ms. */
  readonly lastActiveAt: () => number
  readonly close: () => void
}

export class IncomingPlaces {
  readonly #most: number
  readonly #evictableMs: number
  readonly #now: () => number
  readonly #places = new Set<Place>()
  readonly #byHost = new Map<string, number>()

  /** With more than `most` places taken, one silent for `evictableMs` may be given away. `now` in ms. */
  constructor(options: { readonly most: number; readonly evictableMs: number; readonly now: () => number }) {
    this.#most = options.most
    this.#evictableMs = options.evictableMs
    this.#now = options.now
  }

  get size(): number {
    return this.#places.size
  }

  get isFull(): boolean {
    return this.#places.size >= this.#most
  }

  /** How many places an address holds. */
  heldBy(host: string): number {
    return this.#byHost.get(host) ?? 0
  }

  /** Whether {@link enter} would take in a newcomer of that address. */
  mayEnter(host: string): boolean {
    return !this.isFull || this.#victimOf(host) !== undefined
  }

  /** Takes a newcomer in, if need be at another's cost. `false` when there is no place for it. */
  enter(place: Place): boolean {
    if (this.isFull) {
      const victim = this.#victimOf(place.host)
      if (victim === undefined) return false
      this.leave(victim)
      victim.close()
    }
    this.#places.add(place)
    this.#byHost.set(place.host, this.heldBy(place.host) + 1)
    return true
  }

  /** The connection has ended. */
  leave(place: Place): void {
    if (!this.#places.delete(place)) return
    const left = this.heldBy(place.host) - 1
    if (left === 0) this.#byHost.delete(place.host)
    else this.#byHost.set(place.host, left)
  }

  /** Who gives its place up for a newcomer of that address. */
  #victimOf(host: string): Place | undefined {
    let greediest = host
    for (const [other, held] of this.#byHost) if (held > this.heldBy(greediest)) greediest = other
    // The newcomer may come to hold as many as it leaves to the other, and no more.
    return this.heldBy(greediest) > this.heldBy(host) + 1
      ? this.#idlest((place) => place.host === greediest)
      : this.#silent(this.#idlest(() => true))
  }

  #silent(place: Place | undefined): Place | undefined {
    return place !== undefined && this.#now() - place.lastActiveAt() >= this.#evictableMs ? place : undefined
  }

  #idlest(isMeant: (place: Place) => boolean): Place | undefined {
    let idlest: Place | undefined
    for (const place of this.#places) {
      if (isMeant(place) && (idlest === undefined || place.lastActiveAt() < idlest.lastActiveAt())) idlest = place
    }
    return idlest
  }
}
