/**
 * IPv4 addresses as KRPC carries them: four bytes, and two of a port (BEP 5 "Contact Encoding", BEP 42
 * `ip`), and which network they belong to. Every datagram needs this, so nothing here splits text or
 * tries a pattern: hosts come from the socket and are dotted quads already.
 */

/** An address and a port (BEP 5 "Contact Encoding"). */
export const COMPACT_ADDRESS_BYTES = 6

/** Who is at the other end of the socket. */
export interface Asker {
  /** Dotted IPv4. */
  readonly address: string
  readonly port: number
}

const DOT = ".".charCodeAt(0)
const ZERO = "0".charCodeAt(0)

/** Whether an IPv4 address, given by its first two bytes, belongs to a private or local network (RFC 6890). */
const isLocal = (first: number, second: number): boolean =>
  first === 10 ||
  first === 127 ||
  (first === 100 && (second & 0xc0) === 64) ||
  (first === 169 && second === 254) ||
  (first === 172 && (second & 0xf0) === 16) ||
  (first === 192 && second === 168)

/** "This network", multicast, reserved and broadcast (RFC 6890): never a node or peer. */
const isUnusable = (first: number): boolean => first === 0 || first >= 224

/** Whether `host` is in the open Internet, and not in a private or local network (RFC 6890). */
export const isPublicHost = (host: string): boolean => {
  let first = 0
  let at = 0
  for (let code = host.charCodeAt(at); code !== DOT && at < host.length; code = host.charCodeAt(++at)) {
    first = first * 10 + (code - ZERO)
  }
  let second = 0
  for (let code = host.charCodeAt(++at); code !== DOT && at < host.length; code = host.charCodeAt(++at)) {
    second = second * 10 + (code - ZERO)
  }
  return !isLocal(first, second)
}

/**
 * Whether the six bytes at `offset` name somebody: a port other than 0, at an address that this sender may
 * name. A sender in the open Internet must not point us at machines of our own network.
 */
export const isReachable = (bytes: Uint8Array, offset: number, fromPublic: boolean): boolean => {
  const first = bytes[offset]!
  if (isUnusable(first) || (fromPublic && isLocal(first, bytes[offset + 1]!))) return false
  return bytes[offset + 4] !== 0 || bytes[offset + 5] !== 0
}

/** Writes the six bytes of an address to `offset`. */
export const write = ({ address, port }: Asker, bytes: Uint8Array, offset: number): void => {
  let octet = 0
  let at = offset
  for (let i = 0; i < address.length; i++) {
    const code = address.charCodeAt(i)
    if (code === DOT) {
      bytes[at++] = octet
      octet = 0
    } else octet = octet * 10 + (code - ZERO)
  }
  bytes[at] = octet
  bytes[offset + 4] = port >> 8
  bytes[offset + 5] = port & 0xff
}

/** The host of the six bytes at `offset`. */
export const hostAt = (bytes: Uint8Array, offset: number): string =>
  `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`

/** The port of the six bytes at `offset`. */
export const portAt = (bytes: Uint8Array, offset: number): number => (bytes[offset + 4]! << 8) | bytes[offset + 5]!
