/**
 * House rule about package-lock.json: it names every optional dependency of every package. npm drops those that
 * the registry at hand does not serve (binaries for other systems), and `npm ci` then refuses the lock file.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { satisfies } from "semver"
import type { Violation } from "./Source.ts"

interface LockEntry {
  readonly version?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** Directories that Node looks in for a dependency of the package at `path`, nearest first. */
const lookup = (path: string, name: string): ReadonlyArray<string> => {
  const own = `${path === "" ? "" : `${path}/`}node_modules/${name}`
  if (path === "") return [own]
  const parent = path.slice(0, Math.max(0, path.lastIndexOf("node_modules/") - 1))
  return [own, ...lookup(parent, name)]
}

/** Every optional dependency has an entry with a fitting version. */
export const lockComplete = (root: string): ReadonlyArray<Violation> => {
  const file = "package-lock.json"
  const path = Path.join(root, file)
  if (!Fs.existsSync(path)) return []
  const packages: Readonly<Record<string, LockEntry>> = JSON.parse(Fs.readFileSync(path, "utf8")).packages
  return Object.entries(packages).flatMap(([at, entry]) =>
    Object.entries(entry.optionalDependencies ?? {}).flatMap(([name, range]) => {
      const found = lookup(at, name).find((candidate) => packages[candidate] !== undefined)
      const version = found === undefined ? undefined : packages[found]?.version
      if (version !== undefined && satisfies(version, range)) return []
      const message = `${at || "the package"} may need ${name}@${range}, which has no entry; see docs/decisions/0001-toolchain.md`
      return [{ file, line: 1, rule: "lock-complete", message }]
    })
  )
}
