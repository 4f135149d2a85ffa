/** The store of an install that has the network to mind: releases are written and unpacked by a thread of their own. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StoreThread } from "./StoreThread.ts"
import * as UnpackedIndex from "./UnpackedIndex.ts"
import * as UnpackedReleases from "./UnpackedReleases.ts"
import * as WriteRelease from "./WriteRelease.ts"

/** For the reference `WriteRelease.Writer`. */
export const writer =
  (thread: StoreThread): typeof WriteRelease.write =>
  (stored, bytes, places) =>
    Effect.flatMap(thread.ask({ kind: "write", stored, bytes, places }), ({ isInPlace }) =>
      isInPlace === undefined ? WriteRelease.write(stored, bytes, places) : Effect.succeed(isInPlace)
    )

/** As `UnpackedReleases.layer`. */
export const unpacked = (thread: StoreThread) =>
  Layer.effect(
    UnpackedReleases.UnpackedReleases,
    Effect.gen(function* () {
      const here = yield* UnpackedReleases.UnpackedReleases
      return UnpackedReleases.UnpackedReleases.of({
        ...here,
        ensure: Effect.fnUntraced(function* (fetched) {
          const { contentHash } = fetched.manifest
          // What is there is mostly right, and what the thread could not do fails here with its reason.
          if (UnpackedIndex.intact(here.root, contentHash) !== undefined) return yield* here.ensure(fetched)
          const { unpacked: index } = yield* thread.ask({ kind: "unpack", fetched })
          if (index === undefined) return yield* here.ensure(fetched)
          return { contentHash, directory: here.directoryOf(contentHash), index }
        })
      })
    })
  ).pipe(Layer.provide(UnpackedReleases.layer))
