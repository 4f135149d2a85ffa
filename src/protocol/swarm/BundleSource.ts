/**
 * The bytes of a bundle as its reader takes them: so many at a time, whatever chunks they come in, and
 * never more in memory than one chunk and what was asked for. All that passes is hashed on the way.
 */
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { Hasher } from "../core/Hasher.ts"
import { BundleCut, BundleError, toBundleError } from "./BundleError.ts"
import type { StorageFailed } from "./Content.ts"

/** A bundle's bytes from the first to the last, in chunks of any size. It may be run more than once. */
export type BundleBytes = Stream.Stream<Uint8Array, StorageFailed>

export interface Source {
  /** Names the bundle in errors. */
  readonly location: string
  /** Bytes taken so far. */
  readonly offset: () => number
  /** SHA-256 of all bytes taken so far. Call once, and take no more but what it is compared with. */
  readonly digest: () => Uint8Array
  /** Exactly `length` bytes; fails with `BundleCut` where there are fewer. */
  readonly take: (length: number) => Effect.Effect<Uint8Array, BundleError>
  /** Hands on the next `length` bytes, chunk by chunk. */
  readonly pass: (
    length: number,
    use: (chunk: Uint8Array) => Effect.Effect<void, BundleError>
  ) => Effect.Effect<void, BundleError>
  /** The next byte, which is left where it is; `undefined` at the end. */
  readonly peek: Effect.Effect<number | undefined, BundleError>
}

const NOTHING = new Uint8Array(0)

const joined = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const chunk of chunks) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}

/** Reads `bytes` once, from the beginning, until the scope closes. */
export const make = Effect.fnUntraced(function* (bytes: BundleBytes, location: string) {
  const hash = (yield* Hasher).start("sha256")
  const pull = yield* Stream.toPull(bytes)
  /** What of the chunks that have come is not taken yet. */
  let pending: Array<Uint8Array> = []
  let offset = 0
  let isHashing = true

  /** Whether there is something to take. */
  const fill: Effect.Effect<boolean, BundleError> = Effect.suspend(() => {
    while (pending.length > 0 && pending[0]!.length === 0) pending.shift()
    if (pending.length > 0) return Effect.succeed(true)
    return Pull.matchEffect(pull, {
      onSuccess: (chunks) => {
        pending = [...chunks]
        return fill
      },
      onFailure: (cause) => Effect.mapError(Effect.failCause(cause), toBundleError),
      onDone: () => Effect.succeed(false)
    })
  })

  const next = (most: number): Uint8Array => {
    const [first = NOTHING] = pending
    const chunk = first.subarray(0, most)
    pending[0] = first.subarray(chunk.length)
    if (isHashing) hash.update(chunk)
    offset += chunk.length
    return chunk
  }

  const pass: Source["pass"] = Effect.fnUntraced(function* (length, use) {
    for (let left = length; left > 0;) {
      if (!(yield* fill)) return yield* new BundleError({ reason: new BundleCut({ location, length: offset }) })
      const chunk = next(left)
      left -= chunk.length
      yield* use(chunk)
    }
  })

  return {
    location,
    offset: () => offset,
    digest: () => {
      isHashing = false
      return hash.digest()
    },
    pass,
    take: (length) =>
      Effect.suspend(() => {
        // Memory grows with what is there, and not with what a length says.
        const chunks: Array<Uint8Array> = []
        return Effect.map(
          pass(length, (chunk) => Effect.sync(() => void chunks.push(chunk))),
          () => joined(chunks)
        )
      }),
    peek: Effect.map(fill, (isThere) => (isThere ? pending[0]![0] : undefined))
  } satisfies Source
})
