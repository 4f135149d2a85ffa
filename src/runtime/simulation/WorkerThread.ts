/**
 * A worker thread that plays simulations, as the pool sees it: a task in, a reply out. A thread that ends by
 * itself, runs out of memory or falls silent is lost, and says why.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import { Worker } from "node:worker_threads"
import type { Reply, Setup, Task } from "./SimMessages.ts"

/** Heap of a worker, MiB, unless told. The largest network takes a tenth of it; a whole trace takes the rest. */
const HEAP_MIB = 2048

/** Without a sign of life for so long a worker hangs, ms. A seed takes a second or so. */
const SILENT_MS = 10 * 60_000

/** Longest time to load the scenarios, ms. */
const LOADING_MS = 60_000

/** The thread is gone. Internal to the pool, which makes a finding of it. */
export class WorkerLost extends Schema.TaggedError<WorkerLost>()("WorkerLost", { why: Schema.String }) {}

type Event = { readonly _tag: "Said"; readonly reply: Reply } | { readonly _tag: "Lost"; readonly why: string }

/** Beside this file, or above the chunk of the bundle that this file is in. */
const program = (): URL =>
  new URL(import.meta.url.endsWith(".ts") ? "./SimWorker.ts" : "../sim-worker.js", import.meta.url)

const reasonOf = (error: unknown, heapMib: number): string => {
  if (!(error instanceof Error)) return `it ended with ${String(error)}`
  return "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY"
    ? `it ran out of memory (${heapMib} MiB)`
    : `it ended with ${error.name}: ${error.message}`
}

export interface WorkerThread {
  /** The next thing that it says. */
  readonly heard: (withinMs?: number) => Effect.Effect<Reply, WorkerLost>
  readonly tell: (task: Task) => Effect.Effect<void>
  /** Stops it at once, whatever it does. */
  readonly stop: Effect.Effect<void>
}

export interface Options extends Setup {
  /** Hears what the thread prints. */
  readonly onOutput: (text: string) => void
  readonly heapMib?: number | undefined
}

export const start = ({ heapMib = HEAP_MIB, module, network, onOutput }: Options): Effect.Effect<WorkerThread> =>
  Effect.gen(function* () {
    const events = yield* Queue.unbounded<Event>()
    const add = (event: Event) => void Queue.offerUnsafe(events, event)
    const worker = new Worker(program(), {
      workerData: { module, network } satisfies Setup,
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: heapMib }
    })
    worker.on("message", (reply: Reply) => add({ _tag: "Said", reply }))
    worker.on("error", (error) => add({ _tag: "Lost", why: reasonOf(error, heapMib) }))
    worker.on("exit", (code) => add({ _tag: "Lost", why: `it ended with code ${code}` }))
    for (const stream of [worker.stdout, worker.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => onOutput(text))
    }
    return {
      heard: (withinMs = SILENT_MS) =>
        Effect.gen(function* () {
          const event = yield* Effect.timeoutOption(Queue.take(events), withinMs)
          if (Option.isNone(event)) return yield* new WorkerLost({ why: `it did nothing for ${withinMs / 1000} s` })
          if (event.value._tag === "Lost") return yield* new WorkerLost({ why: event.value.why })
          return event.value.reply
        }),
      tell: (task) => Effect.sync(() => worker.postMessage(task, [])),
      stop: Effect.promise(() => worker.terminate())
    }
  })

/** What it says first. */
export const ready = (thread: WorkerThread): Effect.Effect<Reply, WorkerLost> => thread.heard(LOADING_MS)
