/** What a `StoreThread` does: writes and unpacks the releases that it is given, until it is told to end. */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import { parentPort, workerData } from "node:worker_threads"
import * as OfflineNode from "../OfflineNode.ts"
import * as FilePackageStore from "./FilePackageStore.ts"
import * as Home from "./Home.ts"
import type { Order, Outcome, Reply, Setup, Task } from "./StoreMessages.ts"
import * as UnpackedReleases from "./UnpackedReleases.ts"
import * as WriteRelease from "./WriteRelease.ts"

const stores = (home: string) =>
  UnpackedReleases.layer.pipe(
    Layer.provideMerge(FilePackageStore.layer),
    Layer.provide(Home.layer(home)),
    Layer.provideMerge(OfflineNode.platform)
  )

const outcomeOf = Effect.fnUntraced(function* (task: Task) {
  if (task.kind === "write") {
    return { isInPlace: yield* WriteRelease.write(task.stored, task.bytes, task.places) } satisfies Outcome
  }
  const releases = yield* UnpackedReleases.UnpackedReleases
  return { unpacked: (yield* releases.ensure(task.fetched)).index } satisfies Outcome
})

/** Listens to the thread that started this one. */
export const work = (): void => {
  const port = parentPort
  if (port === null) return
  const { home }: Setup = workerData
  const obey = Effect.gen(function* () {
    const run = yield* FiberSet.makeRuntime<Effect.Services<ReturnType<typeof outcomeOf>>>()
    yield* Effect.callback<void>((resume) => {
      port.on("message", (order: Order) => {
        if (order === undefined) return resume(Effect.void)
        const reply = (outcome: Outcome) => port.postMessage({ id: order.id, ...outcome } satisfies Reply)
        run(Effect.matchCause(outcomeOf(order.task), { onSuccess: reply, onFailure: () => reply({}) }))
      })
    })
  })
  void Effect.runPromise(Effect.scoped(Effect.provide(obey, stores(home)))).finally(() => port.close())
}
