/**
 * The one walk over a package archive that inspection and extraction share: gunzip, read tar, check,
 * hash, list. What is listed is what is written, because both come from here.
 */
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { ArchiveError, type ArchiveReason } from "./ArchiveError.ts"
import type { ArchiveLimits } from "./ArchiveLimits.ts"
import { gunzip } from "./Gunzip.ts"
import { type FilePiece, type Listing, PackageListing } from "./PackageListing.ts"
import { TarReader } from "./TarReader.ts"

/** A compressed archive as it arrives. `name` (a file name or address) stands in messages only. */
export interface ArchiveSource<E = never, R = never> {
  readonly name: string
  readonly stream: Stream.Stream<Uint8Array, E, R>
}

/** Reads the whole archive; `onPiece` gets the files' bytes in order. Memory is bounded by `PIECE_BYTES`. */
export const walk = Effect.fnUntraced(function* <E, R, E2, R2>(
  source: ArchiveSource<E, R>,
  limits: ArchiveLimits,
  onPiece: (piece: FilePiece) => Effect.Effect<void, E2, R2>
): Effect.fn.Return<Listing, E | E2 | ArchiveError, R | R2> {
  const reader = new TarReader(source.name)
  const listing = new PackageListing(source.name, limits)
  yield* Stream.runForEach(
    gunzip(source.name, source.stream, limits),
    Effect.fnUntraced(function* (bytes) {
      for (const event of yield* orRefuse(reader.push(bytes))) {
        const piece = yield* orRefuse(listing.accept(event))
        if (piece !== undefined) yield* onPiece(piece)
      }
    })
  )
  yield* orRefuse(reader.finish())
  return yield* orRefuse(listing.finish())
})

const orRefuse = <A>(step: Result.Result<A, ArchiveReason>): Effect.Effect<A, ArchiveError> =>
  Effect.mapError(Effect.fromResult(step), (reason) => new ArchiveError({ reason }))
