/**
 * What people set out to do at several machines with one key, and what they were told came of it. Whoever was
 * told that it failed does it again, nobody else does; and what was said to be done has to stand in the end.
 */
import * as Effect from "effect/Effect"
import { PackageName } from "../../core/PackageName.ts"
import { Version } from "../../core/Version.ts"
import * as Package from "../../registry/Package.ts"
import * as PackageLookup from "../../registry/PackageLookup.ts"
import type { Step } from "../simulation/Scenario.ts"
import type { Person } from "./Actors.ts"
import * as Expectations from "./Expectations.ts"

/** As a step of a scenario. */
export const at = (atMs: number, { run, title }: Errand): Step => ({ atMs, title, run })

export interface Errand {
  readonly title: string
  readonly run: Effect.Effect<unknown, unknown>
  /** Does it, unless it was done before. */
  readonly inTheEnd: Effect.Effect<unknown, unknown>
}

export class Errands {
  readonly #name: string
  readonly #all: Array<Errand> = []
  /** What somebody was told is done. */
  readonly #done = new Set<string>()
  readonly #published = new Map<Person, Set<string>>()
  readonly #yanked = new Map<Person, Set<string>>()

  constructor(name: string) {
    this.#name = name
  }

  #errand(title: string, by: Map<Person, Set<string>>, who: Person, version: string, run: Errand["run"]): Errand {
    const noting = Effect.tap(run, () =>
      Effect.sync(() => {
        this.#done.add(title)
        by.set(who, (by.get(who) ?? new Set<string>()).add(version))
      })
    )
    return { title, run: noting, inTheEnd: Effect.suspend(() => (this.#done.has(title) ? Effect.void : noting)) }
  }

  #begun(errand: Errand): Errand {
    const run = Effect.suspend(() => {
      if (!this.#all.includes(errand)) this.#all.push(errand)
      return errand.run
    })
    return { ...errand, run }
  }

  publishing(who: Person, version: string): Errand {
    const title = `${who.host.name} publishes ${this.#name}@${version}`
    return this.#begun(this.#errand(title, this.#published, who, version, who.publish({ name: this.#name, version })))
  }

  yanking(who: Person, version: string): Errand {
    const title = `${who.host.name} yanks ${this.#name}@${version}`
    return this.#begun(this.#errand(title, this.#yanked, who, version, who.yank(this.#name, version)))
  }

  /** What was begun and is not done, done again, one after the other. */
  get again() {
    return Effect.suspend(() => Effect.forEach(this.#all, ({ inTheEnd }) => inTheEnd, { discard: true }))
  }

  /** Every version that somebody was told is out is listed, and every one that is said to be yanked is. */
  standing(user: Person, publisher: Person) {
    return Effect.gen({ self: this }, function* () {
      const { found } = yield* user.host.run(PackageLookup.look(publisher.publicKey, PackageName.make(this.#name)))
      const flags = new Map<string, number>(found?.value.vs ?? [])
      const versionsIn = (by: Map<Person, Set<string>>) => [...by.values()].flatMap((versions) => Array.from(versions))
      const lacking = versionsIn(this.#published).filter((version) => !flags.has(version))
      yield* Expectations.refuse(lacking.length === 0 ? undefined : `${this.#name} lacks ${lacking.join(", ")}`)
      const chosen = versionsIn(this.#yanked).filter(
        (version) => !Package.isYanked([Version.make(version), flags.get(version) ?? 0])
      )
      yield* Expectations.refuse(chosen.length === 0 ? undefined : `${chosen.join(", ")} is no longer yanked`)
    })
  }

  get figures() {
    const count = (by: Map<Person, Set<string>>) => [...by.values()].reduce((sum, { size }) => sum + size, 0)
    return { published: count(this.#published), yanked: count(this.#yanked) }
  }
}
