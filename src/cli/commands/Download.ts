/** Fetches releases into the store, and pins the names of those that passed every check. */
import * as Effect from "effect/Effect"
import type { Choice } from "../../protocol/registry/DependencyGraph.ts"
import * as FetchRelease from "../../protocol/swarm/FetchRelease.ts"
import * as Pins from "../../protocol/trust/Pins.ts"
import { Output } from "../Output.ts"
import * as Progress from "../Progress.ts"
import { Session } from "../Session.ts"
import * as Describe from "./Describe.ts"

export interface Options {
  /** Download again what was refused a short while ago. */
  readonly retryRefused: boolean
}

/** For those who pin many names at a time. */
export const fetchUnpinned = Effect.fnUntraced(function* (
  choice: Choice,
  { retryRefused }: Options,
  onProgress?: FetchRelease.Options["onProgress"]
) {
  const timeout = yield* (yield* Session).downloadMs
  return yield* FetchRelease.fetchRelease(choice, { timeout, onProgress, ignoreBlacklist: retryRefused })
})

/** Without anything to see; for many at a time. */
export const fetchQuietly = Effect.fnUntraced(function* (
  choice: Choice,
  options: Options,
  onProgress?: FetchRelease.Options["onProgress"]
) {
  const fetched = yield* fetchUnpinned(choice, options, onProgress)
  yield* Pins.use(choice.release.n, choice.publisher)
  return fetched
})

/** With a bar. */
export const fetch = Effect.fnUntraced(function* (choice: Choice, options: Options) {
  const output = yield* Output
  return yield* output.task(`Downloading ${Describe.label(choice)}`, (update) =>
    fetchQuietly(choice, options, ({ peers, receivedBytes, totalBytes }) =>
      update(`${Progress.bar(receivedBytes, totalBytes)}  ${peers} peer${peers === 1 ? "" : "s"}`)
    )
  )
})
