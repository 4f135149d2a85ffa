/**
 * What the DHT library, or a handler of ours, threw at the socket. The socket counts it and lives on; here the first of
 * each kind is told to whoever debugs, and a node that throws again and again is built anew, since a library that was
 * cut off in the middle of its work may be unsound for good.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { DhtError } from "../../../protocol/dht/DhtError.ts"
import * as SteadyClock from "./SteadyClock.ts"

/** So many within {@link WINDOW_MS} are no accident. */
export const DEFECTS_MAX = 5
export const WINDOW_MS = 5 * 60 * 1000

/** Between two rebuilds, in ms: whoever can make it throw at will must not keep a node from its work. */
export const REBUILD_INTERVAL_MS = 30 * 60 * 1000

/** Kinds (messages) that are told apart. A message may hold what strangers sent, so there may be ever new ones. */
export const KINDS_MAX = 32

/** That wait to be told; past it the oldest are passed over. */
const WAITING_MAX = 64

export interface Defects {
  /** Never throws, and returns at once. */
  readonly note: (defect: unknown) => void
  /** Goes on for as long as the node lives. `rebuild` gives false where that has to wait. */
  readonly watch: (rebuild: Effect.Effect<boolean, DhtError>) => Effect.Effect<never>
}

const kindOf = (defect: unknown): string => (defect instanceof Error ? defect.message : String(defect))

export const make = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const now = SteadyClock.make(() => clock.currentTimeMillisUnsafe())
  const waiting = yield* Queue.sliding<unknown>(WAITING_MAX)

  const watch = Effect.fnUntraced(function* (rebuild: Effect.Effect<boolean, DhtError>) {
    const kinds = new Set<string>()
    let recent: ReadonlyArray<number> = []
    let rebuiltAt = -Infinity
    for (;;) {
      const defect = yield* Queue.take(waiting)
      const kind = kindOf(defect)
      if (kinds.size < KINDS_MAX && !kinds.has(kind)) {
        kinds.add(kind)
        yield* Effect.logDebug("Something threw at the DHT socket", Cause.die(defect))
      }
      const at = now()
      recent = [...recent.filter((each) => at - each < WINDOW_MS), at].slice(-DEFECTS_MAX)
      if (recent.length < DEFECTS_MAX || at - rebuiltAt < REBUILD_INTERVAL_MS) continue
      recent = []
      yield* Effect.logWarning(`The DHT node is built anew, since it failed again and again, last with: ${kind}`)
      const isDone = yield* rebuild.pipe(Effect.catch((error) => Effect.as(Effect.logWarning(error.message), false)))
      // Otherwise a few more are another try.
      if (isDone) rebuiltAt = now()
    }
  })

  return { note: (defect) => void Queue.offerUnsafe(waiting, defect), watch } satisfies Defects
})
