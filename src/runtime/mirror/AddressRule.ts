/**
 * Which machines a registry may send us to. A tarball's URL, and every redirect, is the word of the
 * registry or of somebody it trusts: a public one must not make this machine fetch from the router,
 * the cloud's metadata service or a program on loopback. So an address has to be public, or of the
 * same kind (RFC 6890) as the registry's own, and names are judged by the addresses that they have in
 * the moment of connecting.
 */
import * as Dns from "node:dns"
import * as Net from "node:net"
import { type Reach, reachOf as reachOfIpv4 } from "../../protocol/core/PeerAddress.ts"

/** Prefix, its length in bits, what it is (RFC 6890, IANA IPv6 special-purpose registry). Outside of 2000::/3 nothing is public. */
const BLOCKS: ReadonlyArray<readonly [string, number, Reach]> = [
  ["::1", 128, "loopback"],
  ["fe80::", 10, "linkLocal"],
  ["fc00::", 7, "private"],
  ["fec0::", 10, "private"],
  ["2001::", 23, "reserved"],
  ["2001:db8::", 32, "reserved"],
  ["3fff::", 20, "reserved"],
  ["2000::", 3, "public"]
]

const RANGES = BLOCKS.map(([prefix, bits, reach]) => {
  const list = new Net.BlockList()
  list.addSubnet(prefix, bits, "ipv6")
  return { list, reach }
})

/** Prefixes of addresses that stand for an IPv4 address, as groups, and at which group that begins. */
const EMBEDDING: ReadonlyArray<readonly [ReadonlyArray<number>, number]> = [
  [[0, 0, 0, 0, 0, 0xffff], 6],
  [[0, 0, 0, 0, 0, 0], 6],
  [[0x64, 0xff9b, 0, 0, 0, 0], 6],
  [[0x2002], 1]
]

/** The eight groups of an IPv6 address that `node:net` takes for one. */
const groupsOf = (address: string): ReadonlyArray<number> => {
  // The URL parser writes the last 32 bits in hex, however they were given.
  const text = new URL(`http://[${address.split("%")[0]}]/`).hostname.slice(1, -1)
  const [head = "", tail] = text.split("::")
  const read = (part: string | undefined) =>
    part === undefined || part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16))
  const [first, last] = [read(head), read(tail)]
  return tail === undefined ? first : [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last]
}

const embedded = (address: string): string | undefined => {
  const groups = groupsOf(address)
  if (groups.slice(0, 7).every((group) => group === 0) && groups[7]! <= 1) return undefined
  const found = EMBEDDING.find(([prefix]) => prefix.every((group, at) => groups[at] === group))
  if (found === undefined) return undefined
  const [high = 0, low = 0] = groups.slice(found[1], found[1] + 2)
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".")
}

/** What network an IP address of either family is part of. */
export const reachOf = (address: string): Reach => {
  if (Net.isIPv4(address)) return reachOfIpv4(address)
  const inside = embedded(address)
  if (inside !== undefined) return reachOfIpv4(inside)
  const plain = address.split("%")[0]!
  return RANGES.find(({ list }) => list.check(plain, "ipv6"))?.reach ?? "reserved"
}

/** Whether a registry in networks of the kinds `own` may lead to an address. */
export const isAllowed = (address: string, own: ReadonlySet<Reach>): boolean => {
  const reach = reachOf(address)
  return reach === "public" || own.has(reach)
}

/** The host of a URL where it is an address, without the brackets of IPv6. */
export const literalOf = ({ hostname }: URL): string | undefined => {
  const host = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname
  return Net.isIP(host) === 0 ? undefined : host
}

/** What {@link lookupWithin} fails with where a name has forbidden addresses only. */
export const FORBIDDEN_CODE = "ELIBRESEED_FORBIDDEN"

/** Addresses of a name, as `node:net` asks for them, without those that are not allowed. Addresses are not asked for. */
export const lookupWithin =
  (own: ReadonlySet<Reach>): Net.LookupFunction =>
  (hostname, options, callback) => {
    Dns.lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, [])
      const allowed = addresses.filter(({ address }) => isAllowed(address, own))
      const [first] = allowed
      if (first === undefined) {
        const kinds = [...new Set(addresses.map(({ address }) => reachOf(address)))].join(", ")
        const problem: NodeJS.ErrnoException = new Error(`${hostname} has no address but ${kinds} ones`)
        problem.code = FORBIDDEN_CODE
        return callback(problem, [])
      }
      return options.all === true ? callback(null, allowed) : callback(null, first.address, first.family)
    })
  }
