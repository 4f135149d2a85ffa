/**
 * As much of uTP (BEP 29) as it takes to refuse it. We speak TCP alone; most clients try uTP first, go over to TCP at once
 * when they are told no, and wait for more than three seconds when they are told nothing.
 */

/** Type, version, extension, connection id, three numbers of four bytes, sequence number, acknowledged number. */
const HEADER_BYTES = 20
/** Type in the upper half, version 1 in the lower (BEP 29). */
const SYN = 0x41
const RESET = 0x31

/** The reset (ST_RESET) for a datagram that opens a uTP connection (ST_SYN); `undefined` for any other. */
export const refusalOf = (datagram: Uint8Array): Uint8Array | undefined => {
  if (datagram.length < HEADER_BYTES || datagram[0] !== SYN) return undefined
  const refusal = new Uint8Array(HEADER_BYTES)
  refusal[0] = RESET
  refusal.set(datagram.subarray(2, 4), 2)
  // It acknowledges the SYN by the number of that; a number of our own nobody looks at.
  refusal.set(datagram.subarray(16, 18), 18)
  return refusal
}
