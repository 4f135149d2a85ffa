/**
 * A lock between processes: a file that exists while one of them works. The holder touches it every few
 * seconds, so that a lock whose owner was killed is recognised and taken over. Plain JavaScript without
 * dependencies, because it guards the very step that installs them (see setup.js).
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

/** How often the holder touches its lock, in milliseconds. */
const HEARTBEAT_MS = 2_000

/** A lock untouched for this long has no living holder, in milliseconds: many heartbeats, so that a busy machine is forgiven. */
const STALE_MS = 30_000

/** How often a waiting process looks again, in milliseconds. */
const POLL_MS = 100

/** @param {unknown} error */
const codeOf = (error) => (error instanceof Error && "code" in error ? error.code : undefined)

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** @param {number} pid */
const isAlive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) !== "ESRCH"
  }
}

/**
 * Creates the lock file, or says that another process has it.
 *
 * @param {string} path
 * @param {string} token
 */
const tryCreate = (path, token) => {
  try {
    Fs.writeFileSync(path, token, { flag: "wx" })
    return true
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false
    throw error
  }
}

/**
 * Removes the lock at `path` when its holder is gone. The rename decides between several processes that
 * notice it together; one that moved a fresh lock aside by mistake puts it back.
 *
 * @param {string} path
 */
const removeIfStale = (path) => {
  try {
    const token = Fs.readFileSync(path, "utf8")
    const [host, pid] = token.split(" ")
    const untouched = Date.now() - Fs.statSync(path).mtimeMs > STALE_MS
    const dead = host === Os.hostname() && !isAlive(Number(pid))
    if (!untouched && !dead) return
    const aside = `${path}.${process.pid}`
    Fs.renameSync(path, aside)
    if (Fs.readFileSync(aside, "utf8") !== token) Fs.linkSync(aside, path)
    Fs.rmSync(aside, { force: true })
  } catch (error) {
    if (codeOf(error) !== "ENOENT" && codeOf(error) !== "EEXIST") throw error
  }
}

/**
 * Runs `work` while this process alone holds the lock file at `path`. Others wait; `onWait` is called once
 * when this process has to.
 *
 * @template A
 * @param {string} path
 * @param {() => Promise<A>} work
 * @param {() => void} onWait
 * @returns {Promise<A>}
 */
export const withLock = async (path, work, onWait = () => {}) => {
  Fs.mkdirSync(Path.dirname(path), { recursive: true })
  const token = `${Os.hostname()} ${process.pid} ${Date.now()} ${Math.random()}`
  let waiting = false
  while (!tryCreate(path, token)) {
    removeIfStale(path)
    if (!waiting) onWait()
    waiting = true
    await pause(POLL_MS)
  }
  const heartbeat = setInterval(() => {
    const now = new Date()
    try {
      Fs.utimesSync(path, now, now)
    } catch {
      // The directory may have been removed by hand; the work itself is not affected.
    }
  }, HEARTBEAT_MS)
  try {
    return await work()
  } finally {
    clearInterval(heartbeat)
    try {
      if (Fs.readFileSync(path, "utf8") === token) Fs.rmSync(path, { force: true })
    } catch {
      // Already gone: nobody is kept waiting.
    }
  }
}
