/**
 * Peers that owe blocks and send none. Where somebody else can do the work they give it up and rest;
 * who does so again and again, or lets us wait for long with nobody else there, is to be replaced.
 */
import type { Peer } from "./Peer.ts"

/** With another peer at hand, one that owes blocks for so long gives them up, in ms. */
export const STALL_MS = 2000
/** How long it then gets no work, in ms. */
export const REST_MS = 5000
/** Rests without a block in between before a peer is replaced. */
const RESTS_MAX = 2

/** Chokes without a block in between after which an unchoke begins with a rest: each had us ask in vain. */
const CHOKES_MAX = 4

export type Verdict = "patience" | "rest" | "replace"

/** `timeoutMs` is for how long a peer may owe blocks, whoever else is there. */
export const judge = (peer: Peer, others: Iterable<Peer>, now: number, timeoutMs: number): Verdict => {
  if (peer.orders.size === 0) return "patience"
  const waitedMs = now - peer.owesSince
  if (waitedMs > timeoutMs) return "replace"
  if (waitedMs <= STALL_MS || !canHelp(peer, others, now)) return "patience"
  return peer.rests >= RESTS_MAX ? "replace" : "rest"
}

/** Whether a peer that unchokes us is likely to choke us again before it sends anything. */
export const isFickle = (peer: Peer): boolean => peer.chokes >= CHOKES_MAX

/** Whether anyone who has proved to send blocks has room for what the peer owes. */
const canHelp = (peer: Peer, others: Iterable<Peer>, now: number): boolean => {
  for (const other of others) {
    if (other === peer || other.delivered === 0 || !other.hasRoom || !other.isReady(now)) continue
    if (now - other.owesSince > STALL_MS && other.orders.size > 0) continue
    if (peer.owes((piece) => other.gives(piece, now))) return true
  }
  return false
}
