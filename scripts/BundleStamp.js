/**
 * Says whether the bundled command line (dist/cli) still corresponds to the sources. Plain JavaScript, because
 * launch.js asks before every `ls-cli` on whatever Node the machine has; build.ts leaves the stamp.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { root } from "./setup.js"

/** The file that `ls-cli` names in package.json. */
export const entry = Path.join(root, "dist", "cli", "ls-cli.js")

/** Held by whoever writes to `dist`. */
export const lock = Path.join(root, ".cache", "bundle.lock")

const stampFile = Path.join(root, ".cache", "bundle.json")

/** Everything that the bundle is made from besides `src`. */
const ingredients = ["package.json", "package-lock.json", "scripts/build.ts", "scripts/LeanStart.ts"]

const sources = () =>
  Fs.readdirSync(Path.join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => Path.extname(name) !== "")
    .map((name) => Path.join(root, "src", name))
    .concat(ingredients.map((name) => Path.join(root, name)))
    .toSorted()

/** @param {(path: string) => string | Uint8Array} describe */
const digest = (describe) => {
  const hash = Crypto.createHash("sha256")
  for (const path of sources()) hash.update(`${Path.relative(root, path)}\0`).update(describe(path))
  return hash.digest("hex")
}

const byTime = () =>
  digest((path) => {
    const stat = Fs.statSync(path)
    return `${stat.size} ${stat.mtimeMs}`
  })

const byContent = () => digest((path) => Fs.readFileSync(path))

/** What the sources are now: quick to compare by size and time, exact by content. */
export const take = () => ({ quick: byTime(), content: byContent() })

/** @param {{ quick: string, content: string }} stamp taken before the build, so that an edit during it counts as newer */
export const leave = (stamp) => {
  Fs.mkdirSync(Path.dirname(stampFile), { recursive: true })
  Fs.writeFileSync(`${stampFile}.${process.pid}`, JSON.stringify(stamp))
  Fs.renameSync(`${stampFile}.${process.pid}`, stampFile)
}

const read = () => {
  try {
    return JSON.parse(Fs.readFileSync(stampFile, "utf8"))
  } catch {
    return {}
  }
}

/** Whether the bundle is there and current. Only where sizes or times moved (a checkout does that) is content read. */
export const isCurrent = () => {
  if (!Fs.existsSync(entry)) return false
  const stamp = read()
  const quick = byTime()
  if (stamp.quick === quick) return true
  if (stamp.content === undefined || stamp.content !== byContent()) return false
  leave({ quick, content: stamp.content })
  return true
}
