/** What `ls-cli run` needs only where something is missing, or its lock file has to be judged: it is loaded then. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as NodePath from "node:path"
import type { Choice } from "../../protocol/registry/DependencyGraph.ts"
import * as LockFile from "../../protocol/registry/LockFile.ts"
import * as LockedRelease from "../../protocol/trust/LockedRelease.ts"
import * as LockedReleases from "../../runtime/modules/LockedReleases.ts"
import * as Stores from "../../runtime/Stores.ts"
import * as UnpackedReleases from "../../runtime/store/UnpackedReleases.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import { InvalidArgument } from "../Settings.ts"
import * as Download from "./Download.ts"
import * as Network from "./Network.ts"
import * as Project from "./Project.ts"

/** Every lock file is judged in full once: before anything of it is fetched, and where it makes no sense. */
export const requireValid = Effect.fnUntraced(function* (location: string) {
  const lock = Option.getOrUndefined(yield* Project.lock(NodePath.dirname(location)))
  if (lock !== undefined) return lock
  return yield* new InvalidArgument({ argument: location, problem: "is gone", hint: "Make it anew with: ls-cli lock" })
})

/** `--frozen`: the lock is what package.json asks for, or nothing runs. Without it the lock runs as it is. */
export const requireCurrent = Effect.fnUntraced(function* (location: string) {
  const lock = yield* requireValid(location)
  const wishes = Option.getOrUndefined(yield* Project.wishes(NodePath.dirname(location)))
  if (wishes === undefined || LockFile.answers(lock, wishes)) return
  return yield* new InvalidArgument({
    argument: location,
    problem: "is not what package.json asks for",
    hint: "Bring it up to date with: ls-cli lock"
  })
})

/** Fetches and unpacks `absent`, ids of the lock: first with what lies on this machine, then with the network. */
export const fetch = Effect.fnUntraced(function* (
  location: string,
  absent: ReadonlyArray<string>,
  { retryRefused }: Download.Options
) {
  const session = yield* Session
  const lock = yield* requireValid(location)
  const platform = { os: process.platform, cpu: process.arch }
  const remote = LockedReleases.remote({
    releaseOf: LockedRelease.find,
    fetch: (choice: Choice) => Download.fetchQuietly(choice, { retryRefused })
  })
  const count = absent.length === 1 ? "1 package" : `${absent.length} packages`
  const work = (yield* Output).task(`Fetching ${count} of ${location}`, () =>
    LockedReleases.ensure<never, never>(lock, absent, undefined, platform).pipe(
      Effect.provide(Layer.provideMerge(UnpackedReleases.layer, Stores.layer(session))),
      Effect.catchTag("NeedsNetwork", () =>
        LockedReleases.ensure(lock, absent, remote, platform).pipe(
          Effect.provide(UnpackedReleases.layer),
          Network.provide
        )
      )
    )
  )
  return yield* session.limited(work)
})
