/** The store of an install that has the network to mind: releases are written and unpacked by a thread of their own. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
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
          if (Fs.existsSync(UnpackedIndex.locationOf(here.root, contentHash))) return yield* here.ensure(fetched)
          const directory = here.directoryOf(contentHash)
          const { isCutOff = false, unpacked: index } = yield* thread.ask({ kind: "unpack", fetched })
          if (isCutOff) {
            const problem = "the thread that did it has ended before its time"
            return yield* new StorageFailed({ location: directory, operation: "unpack into", problem })
          }
          if (index === undefined) return yield* here.ensure(fetched)
          return { contentHash, directory, index }
        })
      })
    })
  ).pipe(Layer.provide(UnpackedReleases.layer))
