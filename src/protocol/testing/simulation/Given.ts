/**
 * What users were given by resolutions, remembered outside of their machines: the number of each record that
 * the answer went by, for each disk. What a store keeps says nothing of what is handed out of it.
 */
import * as Effect from "effect/Effect"
import * as PublicKey from "../../core/PublicKey.ts"
import type { Resolution } from "../../registry/Resolve.ts"
import type { Host } from "./Host.ts"

/** Whose resolutions are watched. */
type Machine = Pick<Host<never>, "name" | "disk" | "disks" | "diskName">

/** Records of a publisher that this host remembers: what is given of them may never be older than before. */
const KINDS: ReadonlySet<string> = new Set(["package", "release"])

/** Numbers by record; 0 where there was none. */
const numbersOf = ({ evidence, publisher }: Resolution): ReadonlyMap<string, number> => {
  const key = PublicKey.toHex(publisher)
  return new Map(
    evidence.looks
      .filter(({ kind, publicKey }) => KINDS.has(kind) && PublicKey.equals(publicKey, publisher))
      .map(({ keyString, seq }) => [`${keyString} of ${key.slice(0, 8)}…`, seq ?? 0])
  )
}

export class Given {
  readonly #newest = new Map<string, Map<string, number>>()
  #objection: string | undefined

  /** The first thing that was older than what the same disk had been given; `undefined` where there was none. */
  get objection(): string | undefined {
    return this.#objection
  }

  /**
   * Resolving on a machine, watched. It is judged by what its disk had been given when it began: one that ran at
   * the same time may have known more.
   */
  watched<E, R>(host: Machine, resolving: Effect.Effect<Resolution, E, R>): Effect.Effect<Resolution, E, R> {
    return Effect.suspend(() => {
      const newest = this.#of(host.diskName)
      const before = new Map(newest)
      return Effect.tap(resolving, (resolution) => Effect.sync(() => this.#judge(host, resolution, newest, before)))
    })
  }

  #of(disk: string): Map<string, number> {
    const known = this.#newest.get(disk) ?? new Map<string, number>()
    this.#newest.set(disk, known)
    return known
  }

  #judge(
    { name }: Machine,
    resolution: Resolution,
    newest: Map<string, number>,
    before: ReadonlyMap<string, number>
  ): void {
    for (const [record, seq] of numbersOf(resolution)) {
      const known = before.get(record) ?? 0
      if (seq < known) this.#objection ??= `${name}: it was given number ${seq} of ${record}, after number ${known}`
      newest.set(record, Math.max(seq, newest.get(record) ?? 0))
    }
  }
}
