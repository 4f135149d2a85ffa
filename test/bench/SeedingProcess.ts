/**
 * Seeds what is in a home until it is killed. Arguments: home directory, and `host:port,…` of DHT nodes. Tells how it
 * does, as one JSON line, for each line that it is told.
 */
import * as Fs from "node:fs"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import * as StoreSeeder from "../../src/protocol/swarm/StoreSeeder.ts"
import { Swarm } from "../../src/protocol/swarm/Swarm.ts"
import * as LiveNode from "../../src/runtime/LiveNode.ts"
import { round } from "./Measure.ts"

const [home = "", bootstrap = ""] = process.argv.slice(2)

const openFiles = (): number => {
  const files = Fs.readdirSync("/proc/self/fd").map((fd) => {
    try {
      return Fs.readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ""
    }
  })
  return files.filter((path) => path.startsWith(home)).length
}

const work = Effect.gen(function* () {
  const started = performance.now()
  const seeder = yield* StoreSeeder.make()
  const { added } = yield* seeder.look
  const startMs = performance.now() - started
  const { port } = (yield* Swarm).address
  createInterface({ input: process.stdin }).on("line", () => {
    globalThis.gc?.()
    const rssMb = round(process.memoryUsage().rss / 1e6, 0)
    console.log(JSON.stringify({ port, startMs, releases: added.length, openFiles: openFiles(), rssMb }))
  })
  return yield* Effect.never
})

await Effect.runPromise(
  Effect.scoped(work).pipe(
    Effect.provide(LiveNode.layer({ home, host: "127.0.0.1", port: 0, bootstrap: bootstrap.split(",") }))
  )
)
