/** Content that is a run of bytes in memory. */
import * as Effect from "effect/Effect"
import { type Content, StorageFailed } from "./Content.ts"

/** Random access to the array; what is read is a copy. Reading or writing past its end fails. */
export const make = (bytes: Uint8Array): Content => {
  const pastEnd = (operation: string) =>
    Effect.fail(new StorageFailed({ location: "memory", operation, problem: "past the end" }))
  return {
    read: (offset, length) =>
      offset + length <= bytes.length ? Effect.sync(() => bytes.slice(offset, offset + length)) : pastEnd("read"),
    write: (offset, chunk) =>
      offset + chunk.length <= bytes.length ? Effect.sync(() => bytes.set(chunk, offset)) : pastEnd("write")
  }
}
