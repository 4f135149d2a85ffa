/**
 * Whether those who started this process are still there. npm passes some signals on to the shell that it runs a
 * script in, and none to what that shell has started; where npm is killed, nobody is told at all. Plain JavaScript
 * without dependencies, as the launcher is (see launch.js). Looks no further than Linux and macOS.
 */
import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"

/** How often it is looked, in milliseconds. */
const POLL_MS = 1_000

const SHELL = /^-?(?:ash|bash|busybox|dash|ksh|sh|zsh)$/

/**
 * The parent of another process, where that is a shell; else nobody that matters.
 *
 * @param {string} name
 * @param {string} parent
 */
const behind = (name, parent) => (SHELL.test(Path.basename(name)) && Number(parent) > 1 ? Number(parent) : undefined)

/**
 * @param {number} pid
 * @returns {Promise<number | undefined>}
 */
const behindShell = (pid) =>
  new Promise((resolve) => {
    try {
      // proc_pid_stat(5): the number, the name in brackets, the state, the parent.
      const [, name = "", parent = ""] = /\((.*)\) \S (\d+)/s.exec(Fs.readFileSync(`/proc/${pid}/stat`, "utf8")) ?? []
      return resolve(behind(name, parent))
    } catch {
      // macOS has no /proc.
    }
    execFile("ps", ["-o", "ppid=", "-o", "comm=", "-p", `${pid}`], (_error, stdout) => {
      const [, parent = "", name = ""] = /^\s*(\d+)\s+(.*?)\s*$/.exec(stdout) ?? []
      resolve(behind(name, parent))
    })
  })

/** @param {number} pid */
const isAlive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH")
  }
}

const { ppid } = process

/**
 * Calls `onGone`, once, when the process that started this one is gone, or the one behind its shell. Keeps nothing
 * running.
 *
 * @param {() => void} onGone
 */
export const watch = async (onGone) => {
  const npm = await behindShell(ppid)
  const timer = setInterval(() => {
    if (process.ppid === ppid && (npm === undefined || isAlive(npm))) return
    clearInterval(timer)
    onGone()
  }, POLL_MS)
  timer.unref()
}
