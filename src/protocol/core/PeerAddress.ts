/**
 * Where a peer is reached: an IPv4 address and a port, in text (`127.0.0.1:6881`) or in the six
 * bytes of BEP 5 and BEP 23 ("compact" form). The DHT library speaks IPv4 only.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

export const COMPACT_BYTES = 6

const octet = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
const ipv4 = new RegExp(`^${octet}\\.${octet}\\.${octet}\\.${octet}$`)

export class PeerAddress extends Schema.Class<PeerAddress>("libreseed/PeerAddress")({
  /** Dotted IPv4 without leading zeros. */
  host: Schema.String.check(Schema.isPattern(ipv4)),
  port: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 }))
}) {
  override toString(): string {
    return `${this.host}:${this.port}`
  }
}

export const isIpv4 = (host: string): boolean => ipv4.test(host)

/** `None` unless `host` is dotted IPv4 and `port` is 1–65535. */
export const make = (host: string, port: number): Option.Option<PeerAddress> =>
  isIpv4(host) && Number.isInteger(port) && port >= 1 && port <= 65_535
    ? Option.some(new PeerAddress({ host, port }))
    : Option.none()

/** Reads `host:port`. */
export const parse = (text: string): Option.Option<PeerAddress> => {
  const match = /^([\d.]+):([1-9]\d{0,4})$/.exec(text)
  return match === null ? Option.none() : make(match[1]!, Number(match[2]))
}

/** Six bytes: address and port, both big-endian. */
export const toCompact = (address: PeerAddress): Uint8Array =>
  Uint8Array.from([...address.host.split(".").map(Number), address.port >> 8, address.port & 0xff])

/** `None` unless there are exactly six bytes and the port is not 0. */
export const fromCompact = (bytes: Uint8Array): Option.Option<PeerAddress> =>
  bytes.length === COMPACT_BYTES ? make(bytes.subarray(0, 4).join("."), (bytes[4]! << 8) | bytes[5]!) : Option.none()

/** What network an address belongs to (RFC 6890). `reserved` addresses are never a peer's. */
export type Reach = "public" | "reserved" | "loopback" | "linkLocal" | "private" | "shared"

/** Prefix, its length in bits, what it is (RFC 6890, IANA IPv4 special-purpose registry). */
const BLOCKS: ReadonlyArray<readonly [string, number, Reach]> = [
  ["0.0.0.0", 8, "reserved"],
  ["10.0.0.0", 8, "private"],
  ["100.64.0.0", 10, "shared"],
  ["127.0.0.0", 8, "loopback"],
  ["169.254.0.0", 16, "linkLocal"],
  ["172.16.0.0", 12, "private"],
  ["192.0.0.0", 24, "reserved"],
  ["192.0.2.0", 24, "reserved"],
  ["192.88.99.0", 24, "reserved"],
  ["192.168.0.0", 16, "private"],
  ["198.18.0.0", 15, "reserved"],
  ["198.51.100.0", 24, "reserved"],
  ["203.0.113.0", 24, "reserved"],
  ["224.0.0.0", 4, "reserved"],
  ["240.0.0.0", 4, "reserved"]
]

const DOT = ".".charCodeAt(0)
const ZERO = "0".charCodeAt(0)

const toNumber = (host: string): number => {
  let address = 0
  let octet = 0
  for (let i = 0; i < host.length; i++) {
    const code = host.charCodeAt(i)
    if (code === DOT) {
      address = address * 256 + octet
      octet = 0
    } else octet = octet * 10 + code - ZERO
  }
  return address * 256 + octet
}

/** As numbers: asked for every node that a look-up hears of. */
const RANGES = BLOCKS.map(([prefix, bits, reach]) => ({
  first: toNumber(prefix),
  last: toNumber(prefix) + 2 ** (32 - bits) - 1,
  reach
}))

/** What network a dotted IPv4 is part of. */
export const reachOf = (host: string): Reach => {
  const address = toNumber(host)
  return RANGES.find(({ first, last }) => address >= first && address <= last)?.reach ?? "public"
}
