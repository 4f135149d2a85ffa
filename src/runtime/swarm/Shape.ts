/** What of a torrent a `PeerWireGuard` judges by. */
import { pieceCount, type Torrent } from "../../protocol/swarm/Torrent.ts"
import type { Shape } from "./PeerWireGuard.ts"

export const shapeOf = (torrent: Torrent): Shape => ({
  pieceCount: pieceCount(torrent),
  pieceLength: torrent.pieceLength,
  totalLength: torrent.totalLength
})
