/**
 * A process that takes a lock again and again, and says in a journal when it is inside.
 * Arguments: lock file, journal, rounds, and the round in which it kills itself inside (0: never).
 */
import * as NodeFs from "node:fs"
import * as Effect from "effect/Effect"
import * as FileLock from "../../../src/runtime/store/FileLock.ts"
import { platform } from "../TemporaryHome.ts"

const [lock, journal, rounds, fatal] = process.argv.slice(2) as [string, string, string, string]

const say = (what: string) => NodeFs.appendFileSync(journal, `${what} ${process.pid}\n`)

const visit = (round: number) =>
  FileLock.withLock(
    lock,
    Effect.gen(function* () {
      say("in")
      // Gives the others a turn while we are inside.
      yield* Effect.promise(() => NodeFs.promises.readFile(journal))
      // Whoever comes next takes over without an "out" before.
      if (round === Number(fatal)) {
        say("out")
        process.kill(process.pid, "SIGKILL")
      }
      say("out")
    })
  )

await Effect.runPromise(
  Effect.forEach(Array.from({ length: Number(rounds) }).keys(), (round) => visit(round + 1), { discard: true }).pipe(
    Effect.provide(platform)
  )
)
