/**
 * Who fetches a contested piece (see `Blame`). One peer does so alone, and whoever that is could hold the download up
 * with it. So it is the one whose blocks made most true pieces; and who takes too long for it while others could
 * fetch it gives it up, and comes after them the next time.
 */
import type { OpenPiece } from "./OpenPiece.ts"
import type { Peer, Peers } from "./Peer.ts"
import { STALL_MS } from "./Stalls.ts"

/** How long a peer may take for a contested piece that others could fetch, in ms; twice as long after each miss. */
export const CONTESTED_MS = 5000

const isBetter = (peer: Peer, than: Peer): boolean =>
  peer.missed === than.missed ? peer.proven > than.proven : peer.missed < than.missed

const couldFetch = (peer: Peer, piece: number, now: number): boolean => peer.isReady(now) && peer.gives(piece, now)

/** Whether the peer takes on work soon: nobody waits for one that lets all it owes lie. */
const isPrompt = (peer: Peer, now: number): boolean => {
  if (peer.hasRoom) return true
  const { oldest } = peer
  return oldest !== undefined && now - oldest.askedAt <= STALL_MS
}

/** Whether no better peer is there to begin the contested piece. */
export const mayOwn = (peer: Peer, piece: number, peers: Peers, now: number): boolean => {
  for (const other of peers.values()) {
    if (isBetter(other, peer) && couldFetch(other, piece, now) && isPrompt(other, now)) return false
  }
  return true
}

/** Whether the contested piece is to be taken from its owner. */
export const isOverdue = (open: OpenPiece, peers: Peers, now: number): boolean => {
  const { isExclusive, missing, openedAt, owner } = open
  if (!isExclusive || owner === undefined || missing === 0) return false
  if (now - openedAt <= CONTESTED_MS * 2 ** owner.missed) return false
  for (const other of peers.values()) if (other !== owner && couldFetch(other, open.index, now)) return true
  return false
}
