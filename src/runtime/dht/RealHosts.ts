/**
 * Addresses at which somebody is known to be: from there a query of ours was answered, or a token came back that we
 * had sent there. What belongs to them is kept apart from what belongs to strangers, so that no number of forged
 * sources makes us forget it.
 */
import { RecentMap } from "../../protocol/core/RecentMap.ts"
import { hasPassed } from "./Elapsed.ts"

/** As long as the library goes on believing in a node that was not heard of: its bucket age. */
export const REAL_LIFETIME_MS = 15 * 60 * 1_000

/** Past it the address that has shown nothing for longest is a stranger again. Each costs its owner a real address. */
export const REAL_HOSTS_MAX = 8_192

interface Real<A> {
  readonly kept: A
  readonly since: number
}

export class RealHosts<A> {
  readonly #known = new RecentMap<string, Real<A>>(REAL_HOSTS_MAX)
  readonly #make: (now: number) => A

  /** `make` gives what is kept of an address that was a stranger until then; `now` in ms. */
  constructor(make: (now: number) => A) {
    this.#make = make
  }

  /** What is kept of this address; nothing unless somebody was there of late. */
  get(name: string, now: number): A | undefined {
    const real = this.#known.get(name)
    return real === undefined || hasPassed(real.since, REAL_LIFETIME_MS, now) ? undefined : real.kept
  }

  /** Somebody is there now. */
  note(name: string, now: number): A {
    const kept = this.get(name, now) ?? this.#make(now)
    this.#known.set(name, { kept, since: now })
    return kept
  }
}
