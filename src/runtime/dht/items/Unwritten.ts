/**
 * What an archive does not know yet of a store's items. It is remembered what the archive has, so an item that came
 * and went between two writes is none of its business, and what has gone is told before what is new. So neither what
 * is to be told nor what the archive holds ever grows past what the store held at one time, however long it fails.
 */

/** Targets, 40 hex digits each. */
export interface Told {
  /** Held now, otherwise than the archive has it. */
  readonly kept: ReadonlyArray<string>
  /** Held no more. */
  readonly gone: ReadonlyArray<string>
}

export class Unwritten {
  /** What the archive has, for all that is known. */
  readonly #archived = new Set<string>()
  /** Held, and to be written. */
  readonly #kept: Set<string>
  /** Of {@link #archived} or {@link #underway}, and to be deleted. */
  readonly #gone = new Set<string>()
  /** Told last; true where it is kept. Whether the archive took it is not known before the next call. */
  readonly #underway = new Map<string, boolean>()

  /** `held` is what the store holds, of which the archive knows nothing. */
  constructor(held: Iterable<string>) {
    this.#kept = new Set(held)
  }

  /** It is held, newly or anew. */
  entered(target: string): void {
    this.#kept.add(target)
    this.#gone.delete(target)
  }

  /** It is held no more. */
  left(target: string): void {
    this.#kept.delete(target)
    if (this.#archived.has(target) || this.#underway.has(target)) this.#gone.add(target)
  }

  /** The archive has it, as it is held. */
  restored(target: string): void {
    this.#archived.add(target)
    this.#kept.delete(target)
  }

  /** The archive has something there that is not what is held. */
  unfit(target: string, isHeld: boolean): void {
    this.#archived.add(target)
    if (isHeld) this.entered(target)
    else this.#gone.add(target)
  }

  /** Up to `max`. The archive has kept what it was told before, unless {@link refused} was called. */
  tell(max: number): Told {
    for (const [target, isKept] of this.#underway) {
      if (isKept) this.#archived.add(target)
      else this.#archived.delete(target)
    }
    this.#underway.clear()
    const gone = this.#take(this.#gone, max, false)
    return { gone, kept: this.#take(this.#kept, max - gone.length, true) }
  }

  /** The archive is as it was before it was last told something. */
  refused(isHeld: (target: string) => boolean): void {
    for (const target of this.#underway.keys()) {
      if (isHeld(target)) this.#kept.add(target)
      else if (this.#archived.has(target)) this.#gone.add(target)
      else this.#gone.delete(target)
    }
    this.#underway.clear()
  }

  #take(from: Set<string>, max: number, isKept: boolean): ReadonlyArray<string> {
    const taken: Array<string> = []
    for (const target of from) {
      if (taken.length >= max) break
      taken.push(target)
      from.delete(target)
      this.#underway.set(target, isKept)
    }
    return taken
  }
}
