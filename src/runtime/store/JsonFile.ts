/**
 * One JSON document in a file, behind a schema. A file that is not there reads as the empty document;
 * a damaged one is a failure and is never written over. The document is changed under a lock between
 * processes, `<file>.lock`, by replacing the file in one step, so that no change is lost or torn.
 *
 * It is read again only where the file looks like another one than before.
 */
import * as Clock from "effect/Clock"
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as JsonProblem from "../../protocol/core/JsonProblem.ts"
import * as AtomicFile from "./AtomicFile.ts"
import * as FileLock from "./FileLock.ts"
import { isNotFound, problemOf } from "./PlatformProblem.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"

export interface JsonFile<A, E> {
  /** The document as it is on the disk now. */
  readonly read: Effect.Effect<A, E>
  /**
   * Changes the document. `f` is pure: it is asked once with what was read, and once more with what is there
   * under the lock. Where it gives back the very document that it was given, nothing is locked or written.
   */
  readonly update: <B>(f: (document: A) => readonly [result: B, next: A]) => Effect.Effect<B, E>
}

export interface Options<A, E> {
  readonly location: string
  /** Of the document as `JSON.parse` gives it. */
  readonly schema: Schema.Codec<A, unknown>
  /** What a file that is not there stands for. */
  readonly empty: A
  /** Makes the failure from a few words on what is wrong: `it is damaged`, `ENOSPC: no space left on device`. */
  readonly failed: (problem: string) => E
}

/** A file that changed so lately may change again without looking like another: file systems count in steps of some ms. */
const SETTLED_MS = 1000

/** How a file looks from outside; `undefined` where it says too little, or may change without looking otherwise. */
const stampOf = ({ ino, mtime, size }: FileSystem.File.Info, now: number): string | undefined => {
  const changedAt = Option.getOrUndefined(mtime)?.getTime()
  return changedAt === undefined || Option.isNone(ino) || now - changedAt < SETTLED_MS
    ? undefined
    : `${ino.value} ${changedAt} ${size}`
}

/** Looks at nothing yet: the file, and its directory, are made by the first change. */
export const make: <A, E>(
  options: Options<A, E>
) => Effect.Effect<JsonFile<A, E>, never, FileSystem.FileSystem | Path.Path | SecureRandom> = Effect.fnUntraced(
  function* <A, E>({ empty, failed, location, schema }: Options<A, E>) {
    const fs = yield* FileSystem.FileSystem
    const directory = (yield* Path.Path).dirname(location)
    const context = yield* Effect.context<FileSystem.FileSystem | Path.Path | SecureRandom>()
    // A field that this program does not know, such as a later one may have written, would be lost with the next change.
    const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(schema), { onExcessProperty: "error" })
    const encode = Schema.encodeSync(schema)
    /** Spares the fibers of this process the polling. */
    const writing = yield* Semaphore.make(1)
    /** Large documents are read far more often than they change. */
    let last: { readonly text: string; readonly document: A; readonly stamp: string | undefined } | undefined

    const unread = (error: PlatformError) =>
      isNotFound(error) ? Effect.succeed(empty) : Effect.fail(failed(problemOf(error)))

    const parse = (text: string, stamp: string | undefined): Effect.Effect<A, E> =>
      Effect.suspend(() => {
        const known = last?.text === text ? Effect.succeed(last.document) : decode(text)
        return known.pipe(
          Effect.mapError((error) => failed(`it is damaged: ${JsonProblem.of(text) ?? error.message.split("\n")[0]!}`)),
          Effect.tap((document) => Effect.sync(() => (last = { text, document, stamp })))
        )
      })

    /** `stamp` is how the file looked before it was read: what is newer than that is read again. */
    const readAnew = (stamp: string | undefined): Effect.Effect<A, E> =>
      Effect.matchEffect(fs.readFileString(location), {
        onFailure: unread,
        onSuccess: (text) => parse(text, stamp)
      })

    const read: Effect.Effect<A, E> = Effect.matchEffect(fs.stat(location), {
      onFailure: unread,
      onSuccess: (info) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const stamp = stampOf(info, now)
          return last !== undefined && stamp !== undefined && last.stamp === stamp
            ? Effect.succeed(last.document)
            : readAnew(stamp)
        })
    })

    const unwritten = (error: PlatformError) => failed(problemOf(error))

    const write = (document: A) =>
      Effect.suspend(() => {
        const text = JSON.stringify(encode(document), null, 1)
        return Effect.mapError(AtomicFile.replace(location, new TextEncoder().encode(text)), unwritten)
      })

    /** Reads anew, since another process may have changed the document. */
    const change = Effect.fnUntraced(function* <B>(f: (document: A) => readonly [B, A]) {
      const document = yield* readAnew(undefined)
      const [result, next] = f(document)
      if (next !== document) yield* write(next)
      return result
    })

    const update = Effect.fnUntraced(function* <B>(f: (document: A) => readonly [B, A]) {
      const document = yield* read
      const [result, next] = f(document)
      if (next === document) return result
      const changed = yield* PrivateDirectory.make(fs, directory).pipe(
        // What `change` fails with is told apart from what the lock itself fails with.
        Effect.andThen(FileLock.withLock(`${location}.lock`, Effect.result(change(f)))),
        Effect.mapError(unwritten),
        writing.withPermits(1),
        Effect.provideContext(context)
      )
      return yield* Effect.fromResult(changed)
    })

    return { read, update }
  }
)
