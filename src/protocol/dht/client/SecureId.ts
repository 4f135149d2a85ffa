/**
 * Node ids that are bound to an address (BEP 42): the first 21 bits of an id are a checksum of the address, so
 * that who owns one address has eight places in the DHT and not the choice of all.
 *
 * Addresses of private networks are exempt, as BEP 42 says: behind them is nobody's choice of places.
 */
import * as PeerAddress from "../../core/PeerAddress.ts"
import type { NodeId } from "./NodeId.ts"

/** Octets as far as they count: nearer the network's end of an address more bits do (BEP 42 "Node ID restriction"). */
const ADDRESS_MASK = 0x030f3fff

/** The low bits of an id's last byte choose between eight ids of an address, and are put before the masked address. */
const CHOICE_MASK = 0x07
const CHOICE_SHIFT = 29

/** Of an id's first word: 21 bits are given by the address. */
const BOUND_MASK = 0xfffff800

/** CRC-32C (Castagnoli), reflected. */
const POLYNOMIAL = 0x82f63b78

const ADDRESS_BITS = 32

/** Of four bytes, most significant first. */
const crc32c = (word: number): number => {
  // Bytes go in from the first, bits of each from the last: so each byte stands at the low end when its turn comes.
  let rest = ((word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff0000) | (word << 24)) ^ -1
  for (let bit = 0; bit < ADDRESS_BITS; bit++) rest = (rest >>> 1) ^ (POLYNOMIAL & -(rest & 1))
  return rest ^ -1
}

const toWord = (host: string): number => {
  const [a = 0, b = 0, c = 0, d = 0] = host.split(".").map(Number)
  return (a << 24) | (b << 16) | (c << 8) | d
}

/** The bits that an address gives to the first word of an id whose last byte is `last`. */
const boundBits = (host: string, last: number): number =>
  crc32c((toWord(host) & ADDRESS_MASK) | ((last & CHOICE_MASK) << CHOICE_SHIFT)) & BOUND_MASK

/** Whether ids of nodes at this IPv4 address are free: loopback, link-local, or private (RFC 1918). */
export const isExempt = (host: string): boolean => {
  const reach = PeerAddress.reachOf(host)
  return reach === "loopback" || reach === "linkLocal" || reach === "private"
}

/** An id for a node at an IPv4 address, of 20 random bytes, which decide all that the address does not. */
export const make = (host: string, random: Uint8Array): Uint8Array => {
  const id = Uint8Array.from(random)
  const bound = boundBits(host, id[19]!)
  id[0] = bound >>> 24
  id[1] = bound >>> 16
  id[2] = ((bound >>> 8) & 0xf8) | (id[2]! & 0x07)
  return id
}

/** Whether a node at an IPv4 address may have this id, 20 bytes. */
export const isValid = (id: Uint8Array, host: string): boolean => {
  const word = (id[0]! << 24) | (id[1]! << 16) | (id[2]! << 8) | id[3]!
  return isExempt(host) || (word & BOUND_MASK) === boundBits(host, id[19]!)
}

/** As {@link isValid}. */
export const isValidId = (id: NodeId, host: string): boolean =>
  isExempt(host) || (id.a & BOUND_MASK) === boundBits(host, id.e)
