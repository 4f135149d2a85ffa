/** The stores of this home and their index, for the commands that look into them. SQLite is loaded by who asks for the index. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stores from "../../runtime/Stores.ts"
import type * as StoreIndex from "../../runtime/store/StoreIndex.ts"
import * as UnpackedReleases from "../../runtime/store/UnpackedReleases.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"

/** Without a network. */
export const provideStores = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Session, (session) =>
    Effect.provide(work, UnpackedReleases.layer.pipe(Layer.provideMerge(Stores.layer(session))))
  )

/** What is logged by the work is told as notes once it is done. */
const noting = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => void lines.push([message].flat().map(String).join(" ")))
    return work.pipe(
      Effect.provide(Logger.layer([logger])),
      Effect.tap(() =>
        Effect.flatMap(Output, (output) =>
          Effect.forEach(lines, (line) => output.note(`Note: ${line}`), { discard: true })
        )
      )
    )
  })

/** The index is up to date at the beginning, and closed at the end. */
export const withIndex = <A, E, R>(
  use: (opened: {
    readonly index: StoreIndex.StoreIndex
    readonly refreshed: StoreIndex.Refreshed
  }) => Effect.Effect<A, E, R>
) =>
  Effect.scoped(
    Effect.promise(() => import("../../runtime/store/StoreIndex.ts")).pipe(
      Effect.flatMap(({ open }) => noting(open)),
      Effect.flatMap(use)
    )
  )
