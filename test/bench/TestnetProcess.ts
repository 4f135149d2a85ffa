/** A testnet in a process of its own ({@link file://./DyingTestnet.ts}), so that it and the clients do not wait for each other. */
import { type ChildProcess, fork } from "node:child_process"
import * as Effect from "effect/Effect"

export interface TestnetProcess {
  /** `host:port` of nodes to start from. */
  readonly bootstrap: ReadonlyArray<string>
  /** Every second node goes, without a word. */
  readonly halve: Effect.Effect<void>
}

const heard = (child: ChildProcess): Promise<unknown> => new Promise((resolve) => child.once("message", resolve))

const addressesIn = (message: unknown): ReadonlyArray<string> => {
  const { bootstrap } = Object(message)
  if (!Array.isArray(bootstrap)) throw new Error("The testnet did not start")
  return bootstrap.map(String)
}

export const make = Effect.fnUntraced(function* (nodes: number) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => fork(new URL("DyingTestnet.ts", import.meta.url), [String(nodes)])),
    (started) => Effect.sync(() => started.kill())
  )
  const bootstrap = addressesIn(yield* Effect.promise(() => heard(child)))
  const halve = Effect.promise(async () => {
    const died = heard(child)
    child.send("die")
    await died
  })
  return { bootstrap, halve } satisfies TestnetProcess
})
