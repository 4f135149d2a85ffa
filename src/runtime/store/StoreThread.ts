/**
 * A thread that writes and unpacks releases while the network goes on in this one. It unpacks under the locks that any other
 * process takes, and writes under the reservation of whoever asked, who therefore waits for it even when interrupted. What
 * it could not do is not told in detail: whoever asked does it again, and has the failure at first hand.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"
import type { Order, Outcome, Reply, Setup, Task } from "./StoreMessages.ts"

/** Time for the thread to leave what it is at. What is left by one that is stopped instead, the next install removes. */
const CLOSING = Duration.seconds(2)

/** Beside this file, or in the bundle beside the chunk that this file is in. */
const program = (): URL =>
  new URL(import.meta.url.endsWith(".ts") ? "./StoreWorker.ts" : "./store-worker.js", import.meta.url)

/** Whether a thread has a core of its own to gain by. */
export const isWorthIt = (): boolean => availableParallelism() > 1

export interface StoreThread {
  /** Never fails: where nothing came of it, it may or may not be possible. */
  readonly ask: (task: Task) => Effect.Effect<Outcome>
}

/** What comes of a task that the thread was never given. */
const NOTHING: Outcome = {}

/** For the home directory with this absolute path. Runs until the scope closes. */
export const make = Effect.fnUntraced(function* (home: string) {
  const waiting = new Map<number, (outcome: Outcome) => void>()
  let isLost = false
  let lastId = 0
  const ended = Promise.withResolvers<void>()

  const lose = () => {
    isLost = true
    for (const tell of waiting.values()) tell({ isCutOff: true })
    waiting.clear()
    ended.resolve()
  }
  const start = Effect.sync(() => {
    try {
      const worker = new Worker(program(), { workerData: { home } satisfies Setup })
      worker.on("message", (reply: Reply) => {
        waiting.get(reply.id)?.(reply)
        waiting.delete(reply.id)
      })
      worker.on("messageerror", lose)
      worker.on("error", lose)
      worker.on("exit", lose)
      return worker
    } catch {
      // There may be no room for one more thread: then everything is done in this one.
      lose()
      return undefined
    }
  })
  const order = (worker: Worker, what: Order) => worker.postMessage(what, [])
  const stop = (worker: Worker | undefined) =>
    Effect.suspend(() => {
      if (worker === undefined) return Effect.void
      if (!isLost) order(worker, undefined)
      return Effect.promise(() => ended.promise).pipe(
        Effect.timeoutOption(CLOSING),
        Effect.andThen(Effect.promise(() => worker.terminate()))
      )
    })

  const worker = yield* Effect.acquireRelease(start, stop)
  const replyTo = (id: number) => Effect.callback<void>((resume) => void waiting.set(id, () => resume(Effect.void)))
  return {
    ask: (task) =>
      Effect.callback((resume) => {
        if (worker === undefined || isLost) return resume(Effect.succeed(NOTHING))
        const id = ++lastId
        waiting.set(id, (outcome) => resume(Effect.succeed(outcome)))
        order(worker, { id, task })
        return Effect.suspend(() => {
          if (task.kind === "write" && waiting.has(id)) return replyTo(id)
          waiting.delete(id)
          return Effect.void
        })
      })
  } satisfies StoreThread
})
