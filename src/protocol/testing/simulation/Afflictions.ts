/**
 * What is being done to whom, where faults overlap: two of them may want the same clock wrong, or the same
 * machine off. The one that began last has its way, and only when all of them have healed is all well again.
 */

export class Afflictions {
  readonly #active = new Map<string, Array<{ readonly apply: () => void }>>()

  /**
   * Begins to afflict a subject (`clock of alice`). `apply` makes it so, `heal` makes it as it was; both may be called
   * again and again. Gives the function that ends it.
   */
  begin(subject: string, apply: () => void, heal: () => void): () => void {
    const own = { apply }
    const others = this.#active.get(subject) ?? []
    others.push(own)
    this.#active.set(subject, others)
    apply()
    return () => {
      const at = others.indexOf(own)
      if (at === -1) return
      others.splice(at, 1)
      const last = others.at(-1)
      if (last === undefined) heal()
      else last.apply()
    }
  }
}
