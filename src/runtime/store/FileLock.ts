/**
 * Locks between processes: a file that one process alone can make, and that says whose it is. Who
 * finds it there waits by polling. A lock whose process is gone (SIGKILL, power cut) is stale and is
 * broken at once; a legible lock of a running process never is.
 *
 * Breaking is itself done under a lock, `<file>.break`, because to look and then to remove are two
 * steps: of two who saw the same stale lock, the slower would remove the fresh lock of the faster.
 * Processes are told apart by their ids, so they must see each other: not from separate containers.
 */
import * as Clock from "effect/Clock"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import * as AtomicFile from "./AtomicFile.ts"
import * as ProcessLife from "./ProcessLife.ts"
import { isAlreadyThere, isNotFound } from "./PlatformProblem.ts"

/** First and longest wait between two looks at a lock that is held. */
const POLL_FIRST = Duration.millis(5)
const POLL_LONGEST = Duration.millis(250)
const POLL_GROWTH = 1.5

/**
 * An illegible lock that stays as it is for this long is stale. Only a file system without hard links
 * ever shows one that is being written, for microseconds; a power cut can leave one behind.
 */
const ILLEGIBLE_GRACE_MS = 5000

/** Bytes of randomness that tell one holding of a lock from every other. */
const TOKEN_BYTES = 16

type Services = FileSystem.FileSystem | Path.Path | SecureRandom

const Owner = Schema.Struct({
  pid: Schema.Int.check(Schema.isGreaterThan(0)),
  /** When the process started, in the system's own units; empty where the system does not say. */
  started: Schema.String,
  token: Schema.String
})
type Owner = typeof Owner.Type

const OwnerJson = Schema.fromJsonString(Owner)
const decodeOwner = Schema.decodeUnknownOption(OwnerJson)

const schedule = Schedule.min([Schedule.exponential(POLL_FIRST, POLL_GROWTH), Schedule.spaced(POLL_LONGEST)]).pipe(
  Schedule.jittered
)

const read = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readFileString(path).pipe(
    Effect.asSome,
    Effect.catchIf(isNotFound, () => Effect.succeedNone)
  )
})

/** Removes the lock if it still reads as `content`. */
const removeIf = Effect.fnUntraced(function* (path: string, content: string) {
  const fs = yield* FileSystem.FileSystem
  const now = yield* read(path)
  if (Option.isSome(now) && now.value === content) yield* fs.remove(path, { force: true })
})

/** Removes a stale lock that reads as `content`. Who is killed here leaves a stale `.break`, broken in the same way. */
const breakStale = (path: string, content: string): Effect.Effect<void, PlatformError, Services> =>
  withLock(`${path}.break`, removeIf(path, content))

/**
 * Holds the lock `path` until the scope closes, in whatever way. Waits while another fiber or process
 * has it. The lock's directory must exist; fails where the lock cannot be made or read.
 */
export const hold: (path: string) => Effect.Effect<void, PlatformError, Services | Scope> = Effect.fnUntraced(
  function* (path: string) {
    const random = yield* SecureRandom
    const started = yield* ProcessLife.OwnStart
    const token = Hex.encode(yield* random.randomBytes(TOKEN_BYTES))
    const owner: Owner = { pid: process.pid, started, token }
    const mine = JSON.stringify(owner)
    let illegible: { readonly content: string; readonly since: number } | undefined

    const take = AtomicFile.createUnflushed(path, new TextEncoder().encode(mine)).pipe(
      Effect.as(true),
      Effect.catchIf(isAlreadyThere, () => Effect.succeed(false)),
      Effect.tap((taken) => (taken ? Effect.addFinalizer(() => Effect.ignore(removeIf(path, mine))) : Effect.void)),
      // An interruption between making the lock and minding its release would leave it held for good.
      Effect.uninterruptible
    )

    const isStale = Effect.fnUntraced(function* (content: string) {
      const owner = decodeOwner(content)
      if (Option.isSome(owner)) return !ProcessLife.isAlive(owner.value.pid, owner.value.started)
      const now = yield* Clock.currentTimeMillis
      if (illegible?.content !== content) illegible = { content, since: now }
      return now - illegible.since >= ILLEGIBLE_GRACE_MS
    })

    const attempt = Effect.gen(function* () {
      const held = yield* read(path)
      // Whoever held it may have let it go in between.
      if (Option.isSome(held) && !(yield* isStale(held.value))) return false
      if (Option.isSome(held)) yield* breakStale(path, held.value)
      return yield* take
    })

    if (yield* take) return
    yield* Effect.repeat(attempt, { schedule, until: (taken) => taken })
  }
)

/** Runs the effect while holding the lock `path`; see {@link hold}. Its resources go with the lock. */
export const withLock = <A, E, R>(path: string, effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.andThen(hold(path), effect))
