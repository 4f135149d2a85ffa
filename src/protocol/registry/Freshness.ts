/**
 * How old the newest record may be that is to be had of a package. A network that hides later records
 * cannot change what is signed, so all it can do is show old news; the date in the news gives it away.
 */
import * as Duration from "effect/Duration"
import * as PublicKey from "../core/PublicKey.ts"
import type { Inquiry } from "./Inquiry.ts"
import { CLOCK_SKEW_MAX_MS } from "./NameClaim.ts"
import { StaleRecord } from "./RegistryError.ts"

/**
 * Age at which a user is warned, by default. Much of what npm users install sees a release about once a
 * year, and a publisher who has none to make can sign the package anew; less would warn of most that is
 * merely finished, and a warning that is always there warns of nothing.
 */
export const FRESHNESS_LIMIT: Duration.Duration = Duration.days(365)

export interface Freshness {
  /** Greatest age of a package's record. */
  readonly limit: Duration.Input
  /** Whether an older one is an error or a warning. */
  readonly onStale: "warn" | "fail"
}

export const standard: Freshness = { limit: FRESHNESS_LIMIT, onStale: "warn" }

const inDays = (ms: number): number => Math.round(Duration.toDays(Duration.millis(ms)) * 10) / 10

/**
 * The error that a record signed at `timestamp` (Unix ms) comes to; otherwise warnings are left in the
 * inquiry. A record that is dated ahead, beyond what clocks differ by, does not count as fresh: else one
 * such date would keep it fresh for good.
 */
export const problem = (
  inquiry: Inquiry,
  { limit, onStale }: Freshness,
  record: { readonly package: string; readonly publisher: PublicKey.PublicKey; readonly timestamp: number },
  now: number
): StaleRecord | undefined => {
  const limitMs = Duration.toMillis(Duration.fromInputUnsafe(limit))
  const age = now - record.timestamp
  if (age >= -CLOCK_SKEW_MAX_MS && age <= limitMs) return undefined
  const publisher = PublicKey.toBase64(record.publisher)
  const ageDays = age < 0 ? -Math.max(0.1, inDays(-age)) : inDays(age)
  const stale = new StaleRecord({ package: record.package, publisher, ageDays, limitDays: inDays(limitMs) })
  if (onStale === "fail") return stale
  inquiry.warn(age < 0 ? "postdated" : "stale", stale.message)
  return undefined
}
