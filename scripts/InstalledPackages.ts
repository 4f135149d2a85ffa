/**
 * A package that lies in this repository's own node_modules with everything that it depends on, each
 * packed as a registry would have it: what a registry on loopback can offer without a network.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Zlib from "node:zlib"
import * as TarWriter from "../src/runtime/archive/TarWriter.ts"
import type { Offered } from "./NpmRegistry.ts"

/** Enough for a demo: how well it packs is not what is shown. */
const LEVEL = 6

/** Where Node would find `name` from `directory`. */
const locate = (name: string, directory: string): string | undefined => {
  for (let at = directory; ; at = Path.dirname(at)) {
    const found = Path.join(at, "node_modules", name)
    if (Fs.existsSync(Path.join(found, "package.json"))) return found
    if (at === Path.dirname(at)) return undefined
  }
}

const filesOf = (directory: string): ReadonlyArray<string> =>
  Fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => Path.relative(directory, Path.join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .filter((path) => !path.startsWith("node_modules/"))
    .toSorted()

const pack = (directory: string): Uint8Array => {
  const files = filesOf(directory).map((path) => {
    const location = Path.join(directory, path)
    const isExecutable = (Fs.statSync(location).mode & 0o100) !== 0
    return {
      path: `package/${path}`,
      mode: isExecutable ? 0o755 : 0o644,
      bytes: new Uint8Array(Fs.readFileSync(location))
    }
  })
  return new Uint8Array(Zlib.gzipSync(Buffer.concat([...TarWriter.encode(files)]), { level: LEVEL }))
}

/** `name` and everything below it, itself first. */
export const treeOf = (root: string, name: string): ReadonlyArray<Offered> => {
  const offered = new Map<string, Offered>()
  const queue: Array<readonly [name: string, from: string]> = [[name, root]]
  for (const [dependency, from] of queue) {
    const directory = locate(dependency, from)
    if (directory === undefined) throw new Error(`${dependency} is not installed here: run npm ci`)
    if (offered.has(directory)) continue
    const packageJson: Offered["packageJson"] = JSON.parse(
      Fs.readFileSync(Path.join(directory, "package.json"), "utf8")
    )
    offered.set(directory, { packageJson, tarball: pack(directory) })
    for (const each of Object.keys(Object(packageJson["dependencies"]))) queue.push([each, directory])
  }
  return [...offered.values()]
}
