/**
 * Time for spans that are measured while a process lives. The clock of a computer may be set back, and whatever
 * waits for it to reach a time would wait for as long again; this one stands still for that moment and goes on. Unlike
 * the system's monotonic clocks it counts what passes while the computer sleeps: votes and neighbours are old after that.
 */

/** Milliseconds that never become fewer; at first those of `wall`. To be asked now and then, or it cannot tell. */
export const make = (wall: () => number): (() => number) => {
  let last = wall()
  let steady = last
  return () => {
    const now = wall()
    steady += Math.max(0, now - last)
    last = now
    return steady
  }
}
