/**
 * Whether a process that left its mark in a file is still running. Process numbers are given out
 * again (in a container after every start), so where the system says when a process started, that
 * has to match as well.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

/** Fields of /proc/<pid>/stat behind the name in brackets, see proc_pid_stat(5): the third and the 22nd. */
const STAT_STATE = 0
const STAT_STARTED = 19

/** State and start of a process as Linux tells them; `None` elsewhere. */
const statOf = Effect.fnUntraced(function* (pid: number) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.option(fs.readFileString(`/proc/${pid}/stat`))
  return Option.map(text, (line) => {
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ")
    return { state: fields[STAT_STATE] ?? "", started: fields[STAT_STARTED] ?? "" }
  })
})

/** When a process started, in the system's own units; empty where the system does not say. */
export const startOf = (pid: number): Effect.Effect<string, never, FileSystem.FileSystem> =>
  Effect.map(statOf(pid), Option.match({ onNone: () => "", onSome: ({ started }) => started }))

const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Any other answer, such as EPERM for somebody else's process, is about a process that is there.
    return !Predicate.hasProperty(error, "code") || error.code !== "ESRCH"
  }
}

/** Whether the process that had this number, and this start where it is known, is still there. */
export const isAlive = Effect.fnUntraced(function* (pid: number, started: string) {
  if (!exists(pid)) return false
  const stat = yield* statOf(pid)
  if (Option.isNone(stat)) return true
  return stat.value.state !== "Z" && (started === "" || stat.value.started === started)
})
