/** Spans of a clock that somebody may set back. */

/**
 * Whether `ms` have passed from `since` to `now`, both of one clock in ms. When the clock stands before `since` they
 * have: what was to end in minutes would else stay for as long as the clock was set back.
 */
export const hasPassed = (since: number, ms: number, now: number): boolean => now < since || now - since >= ms
