/**
 * House rules about what may import what: the pure part stays pure, folders look in one direction, no file
 * imports itself by a detour, and what is imported is also declared.
 */
import { isBuiltin } from "node:module"
import type { Source, Violation } from "./Source.ts"

/** The three layers; each may import itself and those before it. */
const layers = ["protocol", "runtime", "cli"]

/** The folders of `src/protocol`; each may import itself and those before it. */
const protocolFolders = ["core", "dht", "registry", "trust", "swarm", "channel", "overlay", "vault", "testing"]

/** Dev dependencies that `src` may import, because the build inlines them. */
const inlined = /^@effect\/platform-node(-shared)?$/

const packageOf = (specifier: string): string => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")

const layerOf = (path: string): string | undefined => /^src\/([^/]+)\//.exec(path)?.[1]

const folderOf = (path: string): string | undefined => /^src\/protocol\/([^/]+)\//.exec(path)?.[1]

/** `src/protocol` runs in browsers and in the simulator: it imports nothing from Node. */
export const pureProtocol = (source: Source): ReadonlyArray<Violation> =>
  layerOf(source.path) !== "protocol"
    ? []
    : source.imports
        .filter(({ specifier }) => isBuiltin(specifier) || inlined.test(packageOf(specifier)))
        .map(({ specifier, line }) => ({
          file: source.path,
          line,
          rule: "pure-protocol",
          message: `src/protocol must not import "${specifier}": ask for a service and give it a layer in src/runtime`
        }))

/** Position of a protocol file in the order of its folders; files at the top (index.ts) may import all of them. */
const rankOf = (path: string): number => {
  const folder = folderOf(path)
  return folder === undefined ? protocolFolders.length : protocolFolders.indexOf(folder)
}

const directionFault = (from: string, to: string): string | undefined => {
  const [fromLayer, toLayer] = [layerOf(from), layerOf(to)]
  if (fromLayer === undefined) return undefined
  if (toLayer === undefined) return `src must not import ${to}, which is not part of the product`
  if (layers.indexOf(toLayer) > layers.indexOf(fromLayer)) {
    return `src/${fromLayer} must not import src/${toLayer} (the order is ${layers.join(" ← ")})`
  }
  if (fromLayer !== "protocol" || toLayer !== "protocol") return undefined
  const unknown = [from, to].map(folderOf).find((folder) => folder !== undefined && !protocolFolders.includes(folder))
  if (unknown !== undefined) return `src/protocol/${unknown} has no place in the order ${protocolFolders.join(" ← ")}`
  if (rankOf(to) <= rankOf(from)) return undefined
  return `src/protocol/${folderOf(from)} must not import ${to} (the order is ${protocolFolders.join(" ← ")})`
}

/** Layers and the folders of the protocol import only themselves and what stands before them. */
export const folderDirection = (source: Source): ReadonlyArray<Violation> =>
  source.imports.flatMap(({ target, line }) => {
    const message = target === undefined ? undefined : directionFault(source.path, target)
    return message === undefined ? [] : [{ file: source.path, line, rule: "folder-direction", message }]
  })

/** `src` imports only what an install of the package brings. */
export const declaredDependency =
  (dependencies: ReadonlySet<string>) =>
  (source: Source): ReadonlyArray<Violation> =>
    layerOf(source.path) === undefined
      ? []
      : source.imports
          .filter(({ specifier, target }) => {
            const name = packageOf(specifier)
            return target === undefined && !isBuiltin(specifier) && !dependencies.has(name) && !inlined.test(name)
          })
          .map(({ specifier, line }) => ({
            file: source.path,
            line,
            rule: "declared-dependency",
            message: `"${packageOf(specifier)}" is not among the dependencies in package.json`
          }))

/** `import … from "effect"` loads all of it and makes every start slower. */
export const effectBarrel = (source: Source): ReadonlyArray<Violation> =>
  layerOf(source.path) === undefined
    ? []
    : source.imports
        .filter(({ specifier }) => specifier === "effect")
        .map(({ line }) => ({
          file: source.path,
          line,
          rule: "effect-barrel",
          message: 'import the module, not the barrel: import * as Effect from "effect/Effect"'
        }))

/** No file imports itself through others, type imports included. One violation for each circle found. */
export const importCycle = (sources: ReadonlyArray<Source>): ReadonlyArray<Violation> => {
  const byPath = new Map(sources.map((source) => [source.path, source]))
  const finished = new Set<string>()
  const path: Array<string> = []
  const violations: Array<Violation> = []
  const visit = (source: Source): void => {
    path.push(source.path)
    for (const { target, line } of source.imports) {
      const next = target === undefined ? undefined : byPath.get(target)
      if (next === undefined || finished.has(next.path)) continue
      const start = path.indexOf(next.path)
      if (start === -1) {
        visit(next)
        continue
      }
      const circle = [...path.slice(start), next.path].join(" → ")
      violations.push({ file: source.path, line, rule: "import-cycle", message: `imports go in a circle: ${circle}` })
    }
    path.pop()
    finished.add(source.path)
  }
  for (const source of sources) if (!finished.has(source.path)) visit(source)
  return violations
}
