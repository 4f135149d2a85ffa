/**
 * The targets of what this host itself keeps alive in the network: what its node happens to hold of them it holds,
 * whatever others put. It takes them from its stores, which it reads now and then, and from what is written through it.
 * Where there are too many the latest win; what its stores have given up is let go.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import { Dht } from "../../../protocol/dht/Dht.ts"
import * as Record from "../../../protocol/dht/Record.ts"
import { type ItemStore, ITEMS_MAX } from "../items/ItemStore.ts"

/** Of the node's places for items, half: the other half stays for others, however much this host keeps alive. */
export const OWN_TARGETS_MAX = ITEMS_MAX / 2

/** Between two readings of the stores, in ms. */
export const REREAD_MS = 30 * 60 * 1000

/** What was written is one's own for so long although no store has it, in ms: it may get there only when it has gone out. */
export const WRITTEN_MS = 60 * 60 * 1000

export class OwnTargets {
  /** When each became the latest, the oldest first. */
  #targets = new Map<string, number>()
  /** What the stores held when they were last read. */
  #held: ReadonlySet<string> = new Set()
  readonly #now: () => number

  /** `now` in milliseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** 40 hex digits. It is the latest now; gives those that have to go for it. */
  add(target: string): ReadonlyArray<string> {
    this.#targets.delete(target)
    this.#targets.set(target, this.#now())
    return this.#trim()
  }

  /** `held` is what the stores hold now, the latest last as far as that is known. Gives those that are no longer own. */
  reread(held: Iterable<string>): ReadonlyArray<string> {
    const now = this.#now()
    const [before, heldBefore, holding] = [this.#targets, this.#held, new Set(held)]
    this.#held = holding
    // What found no place last time takes none from those that came later, unless there is room.
    const others = [...holding].filter((target) => !before.has(target))
    const staying = [...before].filter(([target, at]) => holding.has(target) || now - at < WRITTEN_MS)
    const dated = (targets: ReadonlyArray<string>) => targets.map((target) => [target, now] as const)
    this.#targets = new Map([
      ...dated(others.filter((target) => heldBefore.has(target))),
      ...staying,
      ...dated(others.filter((target) => !heldBefore.has(target)))
    ])
    this.#trim()
    return [...before.keys()].filter((target) => !this.#targets.has(target))
  }

  /** The oldest first. */
  [Symbol.iterator](): Iterator<string> {
    return this.#targets.keys()
  }

  #trim(): ReadonlyArray<string> {
    const gone: Array<string> = []
    for (const target of this.#targets.keys()) {
      if (this.#targets.size <= OWN_TARGETS_MAX) break
      this.#targets.delete(target)
      gone.push(target)
    }
    return gone
  }
}

/** Where a node pins them. */
export type Items = Pick<ItemStore, "pin" | "unpin">

/** One more, which the node gives no other than the oldest for. There may be no node at the moment: the next one takes them all. */
export const pin = (targets: OwnTargets, items: Items | undefined, target: string): void => {
  for (const gone of targets.add(target)) items?.unpin(gone)
  items?.pin(target)
}

/** Has the node follow the stores, for as long as it lives. `read` gives `undefined` where they cannot be read. */
export const follow = Effect.fnUntraced(function* (
  targets: OwnTargets,
  read: Effect.Effect<Iterable<string> | undefined>,
  items: () => Items | undefined
) {
  for (;;) {
    yield* Effect.sleep(REREAD_MS)
    const held = yield* read
    if (held === undefined) continue
    for (const gone of targets.reread(held)) items()?.unpin(gone)
    for (const target of targets) items()?.pin(target)
  }
})

/** The same, where `pin` is told the target (40 hex digits) of all that is written, before it goes out. */
export const pinning = (dht: Dht["Service"], pin: (target: string) => void): Dht["Service"] => {
  const own = (target: Record.Target) => Effect.sync(() => pin(Hex.encode(target)))
  return Dht.of({
    ...dht,
    put: (record, options) =>
      Effect.andThen(own(Record.targetOf(record.publicKey, record.salt)), dht.put(record, options)),
    putImmutable: (value, options) =>
      Effect.andThen(own(Record.immutableTargetOf(value)), dht.putImmutable(value, options))
  })
}
