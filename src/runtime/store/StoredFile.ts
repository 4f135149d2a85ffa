/**
 * The file `release` in the directory of a stored release: whose it is, its record and its torrent. It has a few
 * hundred bytes, and is read at once: awaited, the reading of ten thousand takes ten times as long.
 */
import * as Fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Infohash from "../../protocol/core/Infohash.ts"
import * as Shape from "../../protocol/core/Shape.ts"
import * as Release from "../../protocol/registry/Release.ts"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import type { StoredRelease } from "../../protocol/swarm/PackageStore.ts"
import * as Torrent from "../../protocol/swarm/Torrent.ts"

export const FILE_NAME = "release"

const Stored = Shape.dictionary({
  /** The torrent's info dictionary. */
  i: Shape.anyBytes,
  /** The publisher. */
  k: Shape.publicKey,
  r: Release.shape
})
const encodeStored = Shape.encoder(Stored)
const decodeStored = Shape.decoder(Stored)

export const encode = ({ publisher, release, torrent }: StoredRelease): Uint8Array =>
  encodeStored({ i: torrent.info, k: publisher, r: release })

/** What a look for a file fails with where there is none: nothing, or something of another kind in its place. */
const NOTHING_THERE: ReadonlySet<unknown> = new Set(["ENOENT", "ENOTDIR", "EISDIR"])

/** Its bytes; `None` where there is no such file. */
export const read = (location: string): Effect.Effect<Option.Option<Uint8Array>, StorageFailed> =>
  Effect.suspend(() => {
    try {
      // Before a fetch nothing is there, and an error takes ten times as long as a look.
      if (Fs.statSync(location, { throwIfNoEntry: false }) === undefined) return Effect.succeedNone
      return Effect.succeed(Option.some<Uint8Array>(Fs.readFileSync(location)))
    } catch (cause) {
      if (Predicate.hasProperty(cause, "code") && NOTHING_THERE.has(cause.code)) return Effect.succeedNone
      const problem = cause instanceof Error ? cause.message : String(cause)
      return Effect.fail(new StorageFailed({ location, operation: "read", problem }))
    }
  })

/** `None` where it is not legible: it can always be fetched again. */
export const decode = (bytes: Uint8Array): Effect.Effect<Option.Option<StoredRelease>> =>
  Effect.fromResult(decodeStored(bytes)).pipe(
    Effect.flatMap(({ i, k, r }) =>
      Effect.map(Torrent.fromInfo(i, Infohash.toHex(r.ih)), (torrent): StoredRelease => ({
        publisher: k,
        release: r,
        torrent
      }))
    ),
    Effect.option
  )
