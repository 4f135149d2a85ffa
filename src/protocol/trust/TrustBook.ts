/**
 * Where a user's trust book is kept. The service reads it and changes it as a whole; what a change
 * may be is for `Pins` and `TrustedKeys` to say.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Result from "effect/Result"
import type { TrustUnavailable } from "../registry/RegistryError.ts"
import * as Book from "./Book.ts"
import { TrustError } from "./TrustError.ts"

export class TrustBook extends Context.Service<
  TrustBook,
  {
    readonly read: Effect.Effect<Book.Book, TrustUnavailable>
    /**
     * Changes the book, alone among all who hold it. `change` is pure and may be asked more than once; where it
     * gives back the very book that it was given, nothing is written.
     */
    readonly update: <A>(
      change: (book: Book.Book) => readonly [result: A, next: Book.Book]
    ) => Effect.Effect<A, TrustUnavailable>
  }
>()("@libreseed/protocol/trust/TrustBook") {
  static readonly layerMemory: Layer.Layer<TrustBook> = Layer.sync(TrustBook, () => {
    let book = Book.empty
    return TrustBook.of({
      read: Effect.sync(() => book),
      update: (change) =>
        Effect.sync(() => {
          const [result, next] = change(book)
          book = next
          return result
        })
    })
  })
}

const unavailable = (reason: TrustUnavailable) => new TrustError({ reason })

export const read: Effect.Effect<Book.Book, TrustError, TrustBook> = Effect.flatMap(TrustBook, (book) =>
  Effect.mapError(book.read, unavailable)
)

/** As `update`, for a change that may be refused; one that is refused gives back the book that it was given. */
export const change = <A>(
  f: (book: Book.Book) => readonly [Result.Result<A, TrustError>, Book.Book]
): Effect.Effect<A, TrustError, TrustBook> =>
  Effect.flatMap(TrustBook, (book) =>
    book.update(f).pipe(Effect.mapError(unavailable), Effect.flatMap(Effect.fromResult))
  )
