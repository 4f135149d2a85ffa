/**
 * What is known of how items fare, kept over a restart: without it the network would be asked about every
 * one of them again, and what was measured be lost. It is a convenience and no truth: whatever is lacking or
 * cannot be read is found out anew.
 *
 * Times are of this host's clock, which may be set; so it is noted, too, what that said when last written.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { ExitCode } from "../core/Errors.ts"
import { type Health, KEEPERS_MAX } from "./RePutHealth.ts"
import { KINDS } from "./RePutItem.ts"

/** Items that are remembered: the pages of a few of the largest trees. Those longest unheard of go first. */
export const ITEMS_MAX = 100_000

/** What was not saved for so long is forgotten: everything that is held is visited once an interval, which is a day. */
export const KEPT_FOR = Duration.days(7)

/** A clock may be so far behind another one's, or what it was, without having been set: that is no more than a delay. */
export const SET_BACK = Duration.minutes(10)

/** `host:port` of a node; a port alone has up to six characters, an IPv6 address up to 47. */
const Node = Schema.String.check(Schema.isMaxLength(64))

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
/** Lost and watched: sums of which older parts fade, and so no whole numbers. */
const Amount = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))
/** Unix milliseconds; below 0 only for a clock that was set back before 1970. */
const Time = Schema.Int

/** One item's health as it is kept, for `JSON`; what is `undefined` is absent. */
export const Stored: Schema.Codec<Health, unknown> = Schema.toCodecJson(
  Schema.Struct({
    kind: Schema.Literals(KINDS),
    target: Schema.String.check(Schema.isPattern(/^[0-9a-f]{40}$/)),
    keyString: Schema.UndefinedOr(Schema.String),
    acks: Schema.UndefinedOr(Count),
    holders: Schema.UndefinedOr(Count),
    keepers: Schema.Array(Node).check(Schema.isMaxLength(KEEPERS_MAX)),
    kept: Schema.UndefinedOr(Count),
    puts: Count,
    lastPut: Schema.UndefinedOr(Time),
    lastLook: Schema.UndefinedOr(Time),
    putBy: Schema.UndefinedOr(Time),
    isInStep: Schema.Boolean,
    nextDue: Time,
    failures: Count,
    isMissing: Schema.Boolean,
    survival: Schema.Struct({ lost: Amount, nodeMs: Amount, longestMs: Amount }),
    shortLives: Count,
    hourlyUntil: Schema.UndefinedOr(Time)
  })
)

export class RePutStateError extends Schema.TaggedError<RePutStateError>()("RePutStateError", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  readonly hint =
    "Check that the file can be read and written, and that there is free space; without it everything is asked anew."
  override get message() {
    return `What is known of the items that are kept alive, in ${this.location}, cannot be used: ${this.problem}`
  }
}

export interface Saved {
  /** In no particular order, one an item. */
  readonly healths: ReadonlyArray<Health>
  /** What the clock said when last something was saved, Unix milliseconds; `undefined` where nothing ever was. */
  readonly savedAt: number | undefined
}

/** Where no layer is given, nothing outlasts the process. */
export class RePutState extends Context.Service<
  RePutState,
  {
    readonly load: Effect.Effect<Saved, RePutStateError>
    /**
     * Keeps these, each in the place of what was known of the same kind and target; and forgets what was not saved
     * for {@link KEPT_FOR}, or lies ahead of `now` by more than {@link SET_BACK}. Each item is as it was or as it is
     * to be where this fails or is interrupted, which it can be at any moment; then it is to be called again.
     */
    readonly save: (healths: ReadonlyArray<Health>, now: number) => Effect.Effect<void, RePutStateError>
  }
>()("@libreseed/protocol/registry/RePutState") {
  /** Outlasts a loop, and not the layer. */
  static readonly layerMemory: Layer.Layer<RePutState> = Layer.sync(RePutState, () => {
    const kept = new Map<string, { readonly health: Health; readonly at: number }>()
    let savedAt: number | undefined
    const forget = (now: number) => {
      for (const [key, { at }] of kept) if (!isCurrent(at, now)) kept.delete(key)
      for (const key of kept.keys()) {
        if (kept.size <= ITEMS_MAX) break
        kept.delete(key)
      }
    }
    return RePutState.of({
      load: Effect.sync(() => ({ healths: [...kept.values()].map(({ health }) => health), savedAt })),
      save: (healths, now) =>
        Effect.sync(() => {
          for (const health of healths) {
            const key = `${health.kind} ${health.target}`
            kept.delete(key)
            kept.set(key, { health, at: now })
          }
          savedAt = now
          forget(now)
        })
    })
  })
}

/** The times at which something may have been saved that is kept now. */
export const currentFrom = (now: number): number => now - Duration.toMillis(KEPT_FOR)
export const currentTo = (now: number): number => now + Duration.toMillis(SET_BACK)

const isCurrent = (at: number, now: number): boolean => at >= currentFrom(now) && at <= currentTo(now)
