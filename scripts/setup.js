/**
 * Makes a fresh clone runnable: installs the locked dependencies and, among them, the Node that the sources
 * run on. It is plain JavaScript without dependencies, runs on Node 20, says one line on stderr while it
 * works, and costs a few milliseconds when there is nothing to do. Used by launch.js before every command;
 * `node scripts/setup.js` runs it alone.
 */
import { spawn, spawnSync } from "node:child_process"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { withLock } from "./Lock.js"

/** The oldest Node that `@effect/platform-node` 4.1 and type stripping without a flag both run on. */
const MINIMUM_NODE = [22, 19, 0]

const windows = process.platform === "win32"

/** @type {ReadonlyArray<NodeJS.Signals>} */
const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"]

/** Absolute path of the repository. */
export const root = Path.resolve(Path.dirname(fileURLToPath(import.meta.url)), "..")

const modules = Path.join(root, "node_modules")
const lockFile = Path.join(root, "package-lock.json")
const stampFile = Path.join(modules, ".cache", "libreseed", "setup.json")

/** The Node that the dev dependency `node` brings. */
const ownNode = Path.join(modules, "node", "bin", windows ? "node.exe" : "node")

/** What went wrong and what to do about it, ready to print. */
export class SetupError extends Error {}

/** @param {string} line */
export const say = (line) => {
  process.stderr.write(`${line}\n`)
}

/** @param {string} version for example `v24.21.0` */
const isNewEnough = (version) => {
  const parts = version.replace(/^v/, "").split(".").map(Number)
  const differing = MINIMUM_NODE.findIndex((least, index) => parts[index] !== least)
  return differing === -1 || (parts[differing] ?? 0) > (MINIMUM_NODE[differing] ?? 0)
}

/** @param {string} path */
const readJson = (path) => {
  try {
    return JSON.parse(Fs.readFileSync(path, "utf8"))
  } catch {
    return undefined
  }
}

/** @param {string} path */
const sizeAndTime = (path) => {
  const stat = Fs.statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? "absent" : `${stat.size} ${stat.mtimeMs}`
}

const lockHash = () =>
  Crypto.createHash("sha256")
    .update(`${process.platform} ${process.arch} `)
    .update(Fs.readFileSync(lockFile))
    .digest("hex")

/** Whether the installed Node starts and is new enough. */
const isOwnNodeGood = () => {
  const { status, stdout } = spawnSync(ownNode, ["--version"], { encoding: "utf8" })
  return status === 0 && isNewEnough(stdout.trim())
}

/** The Node to use when the last set-up still holds, else `undefined`. */
const upToDate = () => {
  const stamp = readJson(stampFile)
  if (stamp?.lock !== lockHash() || stamp.node !== sizeAndTime(ownNode)) return undefined
  if (stamp.own) return ownNode
  return isNewEnough(process.version) ? process.execPath : undefined
}

/** Whether `node_modules` already holds what the lock file names, by the record that npm leaves there. */
const isInstalled = () => {
  const wanted = readJson(lockFile)?.packages
  const present = readJson(Path.join(modules, ".package-lock.json"))?.packages
  if (wanted === undefined || present === undefined) return false
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true
    const found = present[path]
    if (found === undefined) return entry.optional === true
    return (
      found.version === entry.version && found.integrity === entry.integrity && Fs.existsSync(Path.join(root, path))
    )
  })
}

/** The environment for npm: without this repository's own `.bin`, which npm is about to replace. */
const npmEnvironment = () => {
  const bin = Path.join(modules, ".bin")
  const path = (process.env["PATH"] ?? "").split(Path.delimiter).filter((entry) => Path.resolve(entry) !== bin)
  return { ...process.env, PATH: path.join(Path.delimiter) }
}

/**
 * Runs npm quietly and answers nothing, or what it printed when it failed.
 *
 * @param {ReadonlyArray<string>} args
 * @returns {Promise<string | undefined>}
 */
const npm = (args) =>
  new Promise((resolve) => {
    const options = ["--no-audit", "--no-fund", "--no-progress", "--no-global", "--no-dry-run", "--loglevel=error"]
    const child = spawn(windows ? "npm.cmd" : "npm", [...args, ...options], {
      cwd: root,
      env: npmEnvironment(),
      shell: windows,
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    /** @type {NodeJS.Signals | undefined} */
    let stoppedBy
    // npm must have ended before we do: the next command would meet it halfway through removing what it makes.
    /** @param {NodeJS.Signals} signal */
    const stop = (signal) => {
      child.kill(stoppedBy === undefined ? "SIGTERM" : "SIGKILL")
      stoppedBy = signal
    }
    for (const signal of STOP_SIGNALS) process.on(signal, stop)
    child.stdout.on("data", (chunk) => (output += chunk))
    child.stderr.on("data", (chunk) => (output += chunk))
    child.on("error", (error) => resolve(`npm could not be started: ${error.message}`))
    child.on("close", (code) => {
      for (const signal of STOP_SIGNALS) process.off(signal, stop)
      if (stoppedBy !== undefined) process.exit(128 + Os.constants.signals[stoppedBy])
      resolve(code === 0 ? undefined : `${output.trimEnd()}\n"npm ${args.join(" ")}" ended with ${code}.`)
    })
  })

/**
 * Sees to it that some Node new enough is there, and says whether it is the installed one. The package `node`
 * fetches its binary in an install script; that is the one such script which runs here.
 */
const settleNode = async () => {
  if (isOwnNodeGood()) return true
  // A binary that does not run would also be the one that the script itself finds first.
  for (const leftover of ["bin", "node_modules"])
    Fs.rmSync(Path.join(modules, "node", leftover), { recursive: true, force: true })
  const failure = await npm(["rebuild", "node", "--ignore-scripts=false"])
  if (isOwnNodeGood()) return true
  if (isNewEnough(process.version)) {
    say(`The Node of the dev dependency "node" does not run here; using Node ${process.version} instead.`)
    return false
  }
  throw new SetupError(
    `${failure === undefined ? "" : `${failure}\n\n`}Set-up failed: there is no Node ${MINIMUM_NODE.join(".")} or newer. The one from npm ` +
      `(node_modules/node) does not run on this ${process.platform}-${process.arch}, and this is Node ${process.version}. ` +
      "Try again with a newer Node: https://nodejs.org"
  )
}

const install = async () => {
  if (!isInstalled()) {
    say("Setting up LibreSeed: installing its dependencies and Node 24 into node_modules (once, about half a minute) …")
    const failure = await npm(["ci", "--ignore-scripts", "--include=dev", "--include=optional"])
    if (failure !== undefined) {
      throw new SetupError(
        `${failure}\n\nSet-up failed; what npm said is above. It needs the npm registry this once: try again when it answers.`
      )
    }
  }
  const own = await settleNode()
  Fs.mkdirSync(Path.dirname(stampFile), { recursive: true })
  const stamp = JSON.stringify({ lock: lockHash(), node: sizeAndTime(ownNode), own })
  Fs.writeFileSync(`${stampFile}.${process.pid}`, stamp)
  Fs.renameSync(`${stampFile}.${process.pid}`, stampFile)
  return own ? ownNode : process.execPath
}

/**
 * Installs what is missing and answers the absolute path of the Node to run the sources with. Safe to call
 * from several processes at once: one installs, the others wait.
 *
 * @returns {Promise<string>}
 * @throws {SetupError}
 */
export const ensure = async () =>
  upToDate() ??
  withLock(
    Path.join(root, ".cache", "setup.lock"),
    async () => upToDate() ?? install(),
    () => say("Waiting for another set-up of this directory to finish …")
  )

/** Prints a `SetupError` as its message alone; anything else is a defect and keeps its stack. */
export const fail = (/** @type {unknown} */ error) => {
  say(error instanceof SetupError ? error.message : error instanceof Error ? `${error.stack}` : String(error))
  process.exit(1)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(Fs.realpathSync(process.argv[1])).href) {
  ensure().then((node) => say(`Ready: Node at ${Path.relative(root, node) || node}`), fail)
}
