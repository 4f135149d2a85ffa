/**
 * Whether a process that left its mark in a file is still running. Process numbers are given out
 * again (in a container after every start), so where the system says when a process started, that
 * has to match as well.
 */
import * as Context from "effect/Context"
import * as Predicate from "effect/Predicate"
import * as Fs from "node:fs"

/** Fields of /proc/<pid>/stat behind the name in brackets, see proc_pid_stat(5): the third and the 22nd. */
const STAT_STATE = 0
const STAT_STARTED = 19

/** State and start of a process as Linux tells them; `undefined` elsewhere. */
const statOf = (pid: number) => {
  try {
    const line = Fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ")
    return { state: fields[STAT_STATE] ?? "", started: fields[STAT_STARTED] ?? "" }
  } catch {
    return undefined
  }
}

/** When a process started, in the system's own units; empty where the system does not say. */
export const startOf = (pid: number): string => statOf(pid)?.started ?? ""

/** When this process started, which is looked up once. */
export const OwnStart = Context.Reference<string>("@libreseed/protocol/runtime/store/OwnStart", {
  defaultValue: () => startOf(process.pid)
})

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
export const isAlive = (pid: number, started: string): boolean => {
  if (!exists(pid)) return false
  const stat = statOf(pid)
  if (stat === undefined) return true
  return stat.state !== "Z" && (started === "" || stat.started === started)
}
