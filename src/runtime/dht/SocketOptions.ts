/**
 * What a guarded socket is made with: whom it asks and tells, and what it takes in place of Node's own.
 */
import type * as VerifiedSignatures from "../../protocol/core/VerifiedSignatures.ts"
import type { Datagrams } from "./Datagrams.ts"
import type { Query } from "./KrpcMessage.ts"
import type { After } from "./KrpcRequests.ts"
import type { RateLimits } from "./KrpcSenders.ts"

/** Where a datagram came from. */
export interface From {
  /** IPv4. */
  readonly address: string
  readonly port: number
}

export interface Options {
  /** The IPv4 address to bind; `0.0.0.0` only where every interface is meant. */
  readonly host: string
  /** Checks Ed25519 signatures; asked once for each record on its way, and only after its token was found good. */
  readonly verify: VerifiedSignatures.Verify
  /** Milliseconds; need not be the time of day. */
  readonly now: () => number
  readonly limits?: Partial<RateLimits> | undefined
  /** Ask others not to count on us (BEP 43): for hosts that come and go, or that cannot be reached. */
  readonly readOnly?: boolean | undefined
  /** Timers for our own queries; Node's by default. */
  readonly after?: After | undefined
  /**
   * Asked first about each accepted query. The reply that it gives (canonical bencode, no `ip`) is sent, and the
   * library does not see the query. A query at which it throws is left unanswered.
   */
  readonly serve?: ((query: Query, from: From) => Uint8Array | undefined) | undefined
  /**
   * Told who sent a query, unless the sender is to stay out of routing tables. The library puts nobody there of whom
   * it knows only by a query.
   */
  readonly onSender?: ((id: Uint8Array, from: From) => void) | undefined
  /** Told of each accepted query, before anybody answers it. */
  readonly onQuery?: ((query: Query, from: From) => void) | undefined
  /** Told of the address that a node sees us under (BEP 42 "ip"), with each reply that says it. */
  readonly onExternalAddress?: ((ip: string, port: number, from: From) => void) | undefined
  /** Told of what the library or a callback threw. The library's state may be unsound, the process is not. */
  readonly onDefect?: ((defect: unknown) => void) | undefined
  /** Transaction ids are made of these; `node:crypto` by default. */
  readonly randomBytes?: ((length: number) => Uint8Array) | undefined
  /** Called once, for a socket that is not yet bound; one of `node:dgram` by default. */
  readonly datagrams?: (() => Datagrams) | undefined
}
