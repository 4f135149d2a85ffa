/** Finds out what an earlier try has left in the content: it is read and hashed, a stretch at a time. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Content } from "../../protocol/swarm/Content.ts"
import type { Bitfield } from "../../protocol/swarm/download/Bitfield.ts"
import { Resume } from "../../protocol/swarm/download/Resume.ts"
import { lengthOfPiece, type Torrent } from "../../protocol/swarm/Torrent.ts"
import { isTrue } from "./PieceBytes.ts"
import { shapeOf } from "./Shape.ts"

/** `onPiece` is told of each piece that is there. Others on the event loop have their turn between stretches. */
export const check = Effect.fnUntraced(function* (
  torrent: Torrent,
  content: Content,
  onPiece: (piece: number) => void
): Effect.fn.Return<Bitfield> {
  const resume = new Resume(shapeOf(torrent))
  if (content.isNew === true) return resume.have
  for (let stretch = resume.stretch; stretch !== undefined; stretch = resume.stretch) {
    const { from, length, offset } = stretch
    const bytes = Option.getOrUndefined(yield* Effect.option(content.read(offset, length)))
    if (bytes === undefined) {
      resume.onFailed(stretch)
      continue
    }
    resume.onRead(stretch, (piece) => {
      const at = (piece - from) * torrent.pieceLength
      const isThere = isTrue(torrent, piece, bytes.subarray(at, at + lengthOfPiece(torrent, piece)))
      if (isThere) onPiece(piece)
      return isThere
    })
    yield* Effect.yieldNow
  }
  return resume.have
})
