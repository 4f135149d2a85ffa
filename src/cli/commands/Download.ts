/** Fetches releases into the store, with a bar for each. */
import * as Effect from "effect/Effect"
import * as FetchRelease from "../../protocol/swarm/FetchRelease.ts"
import type { Resolution } from "../../protocol/registry/Resolve.ts"
import { Output } from "../Output.ts"
import * as Progress from "../Progress.ts"
import { Session } from "../Session.ts"
import * as Describe from "./Describe.ts"

export const fetch = Effect.fnUntraced(function* (resolution: Resolution) {
  const output = yield* Output
  const timeout = yield* (yield* Session).downloadMs
  return yield* output.task(`Downloading ${Describe.label(resolution)}`, (update) =>
    FetchRelease.fetchRelease(resolution, {
      timeout,
      onProgress: ({ peers, receivedBytes, totalBytes }) =>
        update(`${Progress.bar(receivedBytes, totalBytes)}  ${peers} peer${peers === 1 ? "" : "s"}`)
    })
  )
})
