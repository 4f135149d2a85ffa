/**
 * Which addresses may be dialled. Peers come from strangers, who could point a crowd of downloaders
 * at a router's web page or a printer: addresses that are not public (RFC 6890) are dialled only when
 * allowed, or from within the same kind of network. Some are never a peer.
 */
import type { PeerAddress } from "../../protocol/core/PeerAddress.ts"

/** `reserved` is never dialled; `public` always; the others are networks of their own. */
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

const toNumber = (host: string): number => host.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0)

/** What kind of address a dotted IPv4 is. */
export const reachOf = (host: string): Reach => {
  const address = toNumber(host)
  const block = BLOCKS.find(([prefix, bits]) => {
    const size = 2 ** (32 - bits)
    return Math.floor(address / size) === Math.floor(toNumber(prefix) / size)
  })
  return block?.[2] ?? "public"
}

/**
 * Whether a node at `own` may dial `peer`. `allowPrivatePeers` opens every network that is not
 * reserved; without it a node that itself stands in, say, 192.168.0.0/16 still reaches its neighbours.
 */
export const mayDial = (
  peer: PeerAddress,
  own: { readonly host: string; readonly port: number; readonly allowPrivatePeers: boolean }
): boolean => {
  if (peer.host === own.host && peer.port === own.port) return false
  const reach = reachOf(peer.host)
  if (reach === "reserved") return false
  return reach === "public" || own.allowPrivatePeers || reach === reachOf(own.host)
}
