/** What the parts of a peer connection share: a stretch of a piece, and the way out to the peer. */

/** `offset` and `length` are bytes within the piece `index`. */
export interface Block {
  readonly index: number
  readonly offset: number
  readonly length: number
}

/** The connection's way out. */
export interface Outlet {
  readonly send: (...parts: ReadonlyArray<Uint8Array>) => void
  /** Whether little enough waits to be sent that blocks may be added. */
  readonly hasRoom: () => boolean
  readonly close: () => void
  /** Closes by the peer's fault. */
  readonly fault: (problem: string) => void
  /** In ms. */
  readonly now: () => number
}
