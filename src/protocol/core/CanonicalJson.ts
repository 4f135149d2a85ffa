/**
 * Canonical JSON (RFC 8785, JCS) over I-JSON (RFC 7493): the spelling of what people read and keys
 * sign, such as manifest.json and channel manifests.
 *
 * `decode` is the strict reader in {@link JsonReader}; `decodeCanonical` accepts only the one
 * spelling that `encode` would write, so that equal values are equal bytes.
 */
import * as Result from "effect/Result"
import {
  CanonicalJsonError,
  type Json,
  type JsonObject,
  type Limits,
  MAX_BYTES,
  MAX_DEPTH,
  read
} from "./JsonReader.ts"

export { CanonicalJsonError, defaultLimits, DEPTH_CEILING, MAX_BYTES, MAX_DEPTH } from "./JsonReader.ts"
export type { Json, JsonObject, Limits } from "./JsonReader.ts"

const encoder = new TextEncoder()

/**
 * The canonical bytes of `value`, in UTF-8. Refuses what I-JSON cannot say: NaN and infinities, lone
 * surrogates, `undefined`, anything but plain objects and arrays, and nesting over {@link MAX_DEPTH}.
 */
export const encode = (value: Json): Result.Result<Uint8Array, CanonicalJsonError> => {
  const writer = new Writer()
  writer.write(value, 0)
  return writer.problem === undefined
    ? Result.succeed(encoder.encode(writer.text))
    : Result.fail(new CanonicalJsonError({ problem: writer.problem }))
}

/** Reads one JSON text that fills `bytes` completely, in any spelling that I-JSON allows. */
export const decode = (bytes: Uint8Array, limits?: Partial<Limits>): Result.Result<Json, CanonicalJsonError> =>
  read(bytes, limits?.maxBytes ?? MAX_BYTES, limits?.maxDepth ?? MAX_DEPTH)

/** Like {@link decode}, and refuses bytes that {@link encode} would have written otherwise. */
export const decodeCanonical = (bytes: Uint8Array, limits?: Partial<Limits>): Result.Result<Json, CanonicalJsonError> =>
  Result.flatMap(decode(bytes, limits), (value) => {
    const writer = new Writer()
    writer.write(value, 0, limits?.maxDepth)
    const offset = firstDifference(encoder.encode(writer.text), bytes)
    return offset === undefined
      ? Result.succeed(value)
      : Result.fail(new CanonicalJsonError({ offset, problem: "not the canonical spelling of RFC 8785" }))
  })

const firstDifference = (canonical: Uint8Array, bytes: Uint8Array): number | undefined => {
  const length = Math.min(canonical.length, bytes.length)
  for (let i = 0; i < length; i++) {
    if (canonical[i] !== bytes[i]) return i
  }
  return canonical.length === bytes.length ? undefined : length
}

class Writer {
  text = ""
  /** The first thing that could not be written. */
  problem: string | undefined = undefined

  write(value: Json, depth: number, maxDepth = MAX_DEPTH): void {
    if (typeof value === "string") {
      this.#writeString(value)
    } else if (typeof value === "number") {
      if (!Number.isFinite(value)) this.problem ??= `JSON has no ${value}`
      // RFC 8785 §3.2.2.3 takes ECMAScript's Number-to-String, which also spells −0 as `0`.
      this.text += String(value)
    } else if (value === null || typeof value === "boolean") {
      this.text += String(value)
    } else if (depth >= maxDepth) {
      this.problem ??= `nested deeper than ${maxDepth} levels`
    } else if (isArray(value)) {
      this.text += "["
      // By index: holes of a sparse array are `undefined` and must be refused, which iteration methods skip.
      for (let i = 0; i < value.length && this.problem === undefined; i++) {
        if (i > 0) this.text += ","
        this.write(value[i]!, depth + 1, maxDepth)
      }
      this.text += "]"
    } else if (isPlainObject(value)) {
      this.#writeObject(value, depth, maxDepth)
    } else {
      this.problem ??= `JSON has no ${typeof value === "object" ? "objects other than plain ones" : typeof value}`
    }
  }

  #writeObject(value: JsonObject, depth: number, maxDepth: number): void {
    let separator = "{"
    // The default order is by UTF-16 code unit, as RFC 8785 §3.2.3 demands.
    for (const name of Object.keys(value).toSorted()) {
      if (this.problem !== undefined) return
      this.text += separator
      separator = ","
      this.#writeString(name)
      this.text += ":"
      this.write(value[name]!, depth + 1, maxDepth)
    }
    this.text += separator === "{" ? "{}" : "}"
  }

  #writeString(value: string): void {
    if (!value.isWellFormed()) this.problem ??= "a string holds a lone surrogate"
    // ECMAScript's escapes are those of RFC 8785 §3.2.2.2 for every well-formed string.
    this.text += JSON.stringify(value)
  }
}

const isArray = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)

const isPlainObject = (value: unknown): value is JsonObject => {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
