/** What the engine of a download is told, and what it wants done. `peer` is any number that names a connection. */

export type Event =
  /** A connection stands. Nothing is known of its pieces, and it chokes. */
  | { readonly _tag: "Joined"; readonly peer: number; readonly isFast: boolean }
  | { readonly _tag: "Left" | "Choked" | "Unchoked" | "HasAll"; readonly peer: number }
  /** A bitfield message (BEP 3). */
  | { readonly _tag: "Has"; readonly peer: number; readonly pieces: Uint8Array }
  /** `AllowedFast` of BEP 6: the piece is given although the peer chokes. */
  | { readonly _tag: "Have" | "AllowedFast"; readonly peer: number; readonly piece: number }
  /** The peer queues so many requests (`reqq` of BEP 10). */
  | { readonly _tag: "Queues"; readonly peer: number; readonly requests: number }
  /** A block of the length that was asked for has come, or will not come (BEP 6). */
  | { readonly _tag: "Block" | "Rejected"; readonly peer: number; readonly piece: number; readonly offset: number }
  /** The piece is true. `prints` of its blocks where it is contested. */
  | { readonly _tag: "Verified"; readonly piece: number; readonly prints?: ReadonlyArray<string> | undefined }
  /** The piece is wrong. A print is any string that differs where bytes do. */
  | { readonly _tag: "Failed"; readonly piece: number; readonly prints: ReadonlyArray<string> }
  /** Nothing was read for a while, by our own doing: nobody is to be blamed for silence. */
  | { readonly _tag: "Resumed" }
  /** To come a few times a second. */
  | { readonly _tag: "Tick" }

export type Command =
  | {
      readonly _tag: "Request" | "Cancel"
      readonly peer: number
      readonly piece: number
      readonly offset: number
      readonly length: number
    }
  | { readonly _tag: "Interested" | "Uninterested"; readonly peer: number }
  /** The block that has just come is wanted. */
  | { readonly _tag: "Keep"; readonly piece: number; readonly offset: number }
  /** Every block of the piece is there: `Verified` or `Failed` is to follow. */
  | { readonly _tag: "Check"; readonly piece: number }
  /** The blocks of the piece are of no use any more. */
  | { readonly _tag: "Forget"; readonly piece: number }
  /** The peer is proven to lie; it may have left before. */
  | { readonly _tag: "Ban"; readonly peer: number }
  /** The peer owes blocks and sends none: another may be better. */
  | { readonly _tag: "Replace"; readonly peer: number }
