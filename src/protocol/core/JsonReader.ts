/**
 * A strict reader of I-JSON (RFC 7493, RFC 8259). `JSON.parse` lets through duplicate names (the last
 * one wins, so two readers may see two values), lone surrogates and numbers that overflow; this
 * reader refuses them, bounds size and depth, and builds objects without a prototype.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { ExitCode } from "./Errors.ts"
import * as SparseRecord from "./SparseRecord.ts"

export type Json = null | boolean | number | string | ReadonlyArray<Json> | JsonObject

/** Objects that were read have no prototype: `__proto__` is a name like any other. */
export interface JsonObject {
  readonly [name: string]: Json
}

export interface Limits {
  /** Longest input, in bytes. */
  readonly maxBytes: number
  /** How many arrays and objects may stand inside each other. Never more than {@link DEPTH_CEILING}. */
  readonly maxDepth: number
}

/** 4 MiB: a manifest of some 20,000 files. Callers that expect more say so. */
export const MAX_BYTES = 4_194_304

/** Our manifests nest four levels; 128 is what common JSON readers allow. */
export const MAX_DEPTH = 128

/** Past this depth recursion could exhaust the stack, whatever limits a caller sets. */
export const DEPTH_CEILING = 512

export const defaultLimits: Limits = { maxBytes: MAX_BYTES, maxDepth: MAX_DEPTH }

/** JSON that cannot be read or written. `offset` counts bytes from the start of the input; it is absent when writing. */
export class CanonicalJsonError extends Schema.TaggedError<CanonicalJsonError>()("CanonicalJsonError", {
  offset: Schema.optionalKey(Schema.Int),
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "The document was not written by a program that follows RFC 8785; get it from its publisher again."
  override get message(): string {
    return this.offset === undefined
      ? `The value has no canonical JSON: ${this.problem}`
      : `Not acceptable JSON at byte ${this.offset}: ${this.problem}`
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Reads one JSON text that fills `bytes` completely. */
export const read = (
  bytes: Uint8Array,
  maxBytes: number,
  maxDepth: number
): Result.Result<Json, CanonicalJsonError> => {
  if (bytes.length > maxBytes) {
    return Result.fail(new CanonicalJsonError({ offset: maxBytes, problem: `longer than ${maxBytes} bytes` }))
  }
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    return Result.fail(new CanonicalJsonError({ offset: 0, problem: "not well-formed UTF-8" }))
  }
  const reader = new Reader(text, Math.min(maxDepth, DEPTH_CEILING))
  const value = reader.readAll()
  if (value !== undefined) return Result.succeed(value)
  const offset = encoder.encode(text.slice(0, reader.at)).length
  return Result.fail(
    new CanonicalJsonError({ offset, problem: reader.problem ?? "more text after the end of the value" })
  )
}

/** What `\b` and its like stand for (RFC 8259 §7). */
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"]
])

/** A cursor over the decoded text. Methods give `undefined` after they set `problem`. */
class Reader {
  at = 0
  problem: string | undefined = undefined
  readonly #text: string
  readonly #maxDepth: number
  /** Sticky, so that it reads a number where the cursor stands (RFC 8259 §6). */
  readonly #number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y

  constructor(text: string, maxDepth: number) {
    this.#text = text
    this.#maxDepth = maxDepth
  }

  #fail(problem: string, at = this.at): undefined {
    this.problem = problem
    this.at = at
    return undefined
  }

  readAll(): Json | undefined {
    const value = this.#readValue(0)
    if (value === undefined) return undefined
    this.#skipSpace()
    return this.at === this.#text.length ? value : undefined
  }

  #skipSpace(): void {
    const text = this.#text
    for (let c = text[this.at]; c === " " || c === "\n" || c === "\r" || c === "\t"; c = text[++this.at]);
  }

  /** Moves behind `char` if it comes next. */
  #accept(char: string): boolean {
    this.#skipSpace()
    if (this.#text[this.at] !== char) return false
    this.at++
    return true
  }

  #readValue(depth: number): Json | undefined {
    this.#skipSpace()
    switch (this.#text[this.at]) {
      case '"':
        return this.#readString()
      case "{":
      case "[":
        if (depth >= this.#maxDepth) return this.#fail(`nested deeper than ${this.#maxDepth} levels`)
        return this.#text[this.at++] === "{" ? this.#readObject(depth + 1) : this.#readArray(depth + 1)
      case "t":
        return this.#readWord("true", true)
      case "f":
        return this.#readWord("false", false)
      case "n":
        return this.#readWord("null", null)
      default:
        return this.#readNumber()
    }
  }

  #readWord<A>(word: string, value: A): A | undefined {
    if (!this.#text.startsWith(word, this.at)) return this.#fail("no value begins here")
    this.at += word.length
    return value
  }

  #readNumber(): number | undefined {
    this.#number.lastIndex = this.at
    const match = this.#number.exec(this.#text)
    if (match === null) return this.#fail("no value begins here")
    const value = Number(match[0])
    if (!Number.isFinite(value)) return this.#fail("a number is larger than a double can hold")
    this.at += match[0].length
    return value
  }

  #readArray(depth: number): ReadonlyArray<Json> | undefined {
    const array: Array<Json> = []
    if (this.#accept("]")) return array
    do {
      const value = this.#readValue(depth)
      if (value === undefined) return undefined
      array.push(value)
    } while (this.#accept(","))
    return this.#accept("]") ? array : this.#fail("an array goes on without a comma or bracket")
  }

  #readObject(depth: number): JsonObject | undefined {
    const object = SparseRecord.make<Json>()
    let hasIndex = false
    if (this.#accept("}")) return object
    do {
      this.#skipSpace()
      const start = this.at
      if (this.#text[start] !== '"') return this.#fail("a name should begin here")
      const name = this.#readString()
      if (name === undefined) return undefined
      if (name in object) return this.#fail("a name stands twice in one object", start)
      if (!this.#accept(":")) return this.#fail("a name is not followed by a colon")
      const value = this.#readValue(depth)
      if (value === undefined) return undefined
      if (!hasIndex && SparseRecord.isIndexLike(name)) {
        hasIndex = true
        SparseRecord.keepSparse(object, null)
      }
      object[name] = value
    } while (this.#accept(","))
    return this.#accept("}") ? object : this.#fail("an object goes on without a comma or brace")
  }

  /** The cursor stands on the opening quote. */
  #readString(): string | undefined {
    const text = this.#text
    const opening = this.at++
    let value = ""
    let start = this.at
    for (;;) {
      const code = text.charCodeAt(this.at)
      if (code === 0x22) break
      if (code === 0x5c) {
        value += text.slice(start, this.at)
        const char = this.#readEscape()
        if (char === undefined) return undefined
        value += char
        start = this.at
      } else if (code >= 0x20) {
        this.at++
      } else {
        // NaN, too: `charCodeAt` behind the end.
        return this.#fail(this.at >= text.length ? "a string is not closed" : "a control character stands in a string")
      }
    }
    value += text.slice(start, this.at++)
    // Well-formed UTF-8 has no surrogates, so only escapes can bring in a lone one.
    return value.isWellFormed() ? value : this.#fail("a string holds a lone surrogate", opening)
  }

  /** The cursor stands on the backslash. */
  #readEscape(): string | undefined {
    const kind = this.#text[this.at + 1] ?? ""
    if (kind === "u") {
      const digits = this.#text.slice(this.at + 2, this.at + 6)
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) return this.#fail("\\u is not followed by four hex digits")
      this.at += 6
      return String.fromCharCode(Number.parseInt(digits, 16))
    }
    const char = ESCAPES.get(kind)
    if (char === undefined) return this.#fail("an unknown escape stands in a string")
    this.at += 2
    return char
  }
}
