/** A token bucket: so much at once, and so much a second in the long run. */

export interface Bucket {
  tokens: number
  /** Milliseconds. */
  filledAt: number
}

export const full = (burst: number, now: number): Bucket => ({ tokens: burst, filledAt: now })

/** Takes `amount` where it is there. `rate` a second, `now` in milliseconds. */
export const take = (bucket: Bucket, amount: number, rate: number, burst: number, now: number): boolean => {
  // A clock that is set back must not drain the bucket, nor stop it from filling until the clock has caught up.
  const elapsedMs = Math.max(0, now - bucket.filledAt)
  bucket.tokens = Math.min(burst, bucket.tokens + (elapsedMs / 1_000) * rate)
  bucket.filledAt = now
  if (bucket.tokens < amount) return false
  bucket.tokens -= amount
  return true
}
