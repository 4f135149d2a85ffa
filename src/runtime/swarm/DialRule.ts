/**
 * Which addresses may be dialled. Peers come from strangers, who could point a crowd of downloaders
 * at a router's web page or a printer: addresses that are not public (RFC 6890) are dialled only when
 * allowed, or from within the same kind of network. Some are never a peer.
 */
import { type PeerAddress, reachOf } from "../../protocol/core/PeerAddress.ts"

export { type Reach, reachOf } from "../../protocol/core/PeerAddress.ts"

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
