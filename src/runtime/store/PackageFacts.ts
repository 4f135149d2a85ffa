/**
 * What package.json of an unpacked release tells those who install it: its commands, the engines it asks
 * for, and the scripts that npm would run. Written by strangers, in every form that npm has ever taken.
 */
import * as Predicate from "effect/Predicate"
import { unbundled, type Wishes } from "../../protocol/registry/DependencyGraph.ts"
import type { PackageFacts } from "./UnpackedIndex.ts"

/** What npm runs when a package is installed. `prepare` is for those who work on it, and never runs. */
export const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall"] as const

/** A package with this file and no install script of its own is compiled by npm. */
const GYP_FILE = "binding.gyp"
const GYP_SCRIPT = "node-gyp rebuild"

const textsOf = (value: unknown): { readonly [key: string]: string } | undefined => {
  if (!Predicate.isObject(value) || Array.isArray(value)) return undefined
  const entries = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string")
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

/** Part of a path that leads nowhere else than below the package. */
const isPlain = (directory: string): boolean =>
  !directory.split("/").includes("..") && !directory.startsWith("/") && !directory.includes("\\")

/** Every file directly in `directories.bin`, as npm has it for packages without `bin`. */
const binsIn = (directory: string, paths: ReadonlyArray<string>) => {
  if (!isPlain(directory)) return undefined
  const prefix = `${directory.replace(/^(?:\.?\/)+/, "").replace(/\/+$/, "")}/`
  const entries = paths
    .filter((path) => path.startsWith(prefix) && !path.slice(prefix.length).includes("/"))
    .map((path): [string, string] => [path.slice(prefix.length), path])
    .filter(([command]) => !command.startsWith("."))
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

const binOf = (json: object, name: string, paths: ReadonlyArray<string>) => {
  const bin = Predicate.hasProperty(json, "bin") ? json.bin : undefined
  if (typeof bin === "string") return { [name.slice(name.indexOf("/") + 1)]: bin }
  if (bin !== undefined) return textsOf(bin)
  const directories = Predicate.hasProperty(json, "directories") ? json.directories : undefined
  return Predicate.hasProperty(directories, "bin") && typeof directories.bin === "string"
    ? binsIn(directories.bin, paths)
    : undefined
}

const scriptsOf = (json: object, paths: ReadonlyArray<string>) => {
  const all = (Predicate.hasProperty(json, "scripts") ? textsOf(json.scripts) : undefined) ?? {}
  const scripts = Object.fromEntries(
    INSTALL_SCRIPTS.flatMap((event): ReadonlyArray<[string, string]> => {
      const script = Object.hasOwn(all, event) ? all[event]! : ""
      return script.trim() === "" ? [] : [[event, script]]
    })
  )
  const compiles = paths.includes(GYP_FILE) && scripts["install"] === undefined && scripts["preinstall"] === undefined
  const isTold = Predicate.hasProperty(json, "gypfile") && json.gypfile === false
  const complete = compiles && !isTold ? { ...scripts, install: GYP_SCRIPT } : scripts
  return Object.keys(complete).length === 0 ? undefined : complete
}

/** Peers that a package can do without. */
const optionalPeersOf = (meta: unknown): Wishes["peerDependenciesMeta"] => {
  if (!Predicate.isObject(meta)) return undefined
  const names = Object.entries(meta).flatMap(([name, each]) =>
    Predicate.hasProperty(each, "optional") && each.optional === true ? [name] : []
  )
  return names.length === 0 ? undefined : Object.fromEntries(names.map((name) => [name, { optional: true }]))
}

/** What it asks for of other packages, as a tree is resolved from it. */
const wishesOf = (json: object, paths: ReadonlyArray<string>): Wishes | undefined => {
  const fields = new Map<string, unknown>(Object.entries(json))
  const dependencies = textsOf(fields.get("dependencies"))
  const optionalDependencies = textsOf(fields.get("optionalDependencies"))
  const peerDependencies = textsOf(fields.get("peerDependencies"))
  const peerDependenciesMeta = optionalPeersOf(fields.get("peerDependenciesMeta"))
  const wishes: Wishes = {
    ...(dependencies === undefined ? {} : { dependencies }),
    ...(optionalDependencies === undefined ? {} : { optionalDependencies }),
    ...(peerDependencies === undefined ? {} : { peerDependencies }),
    ...(peerDependenciesMeta === undefined ? {} : { peerDependenciesMeta })
  }
  if (Object.keys(wishes).length === 0) return undefined
  const bundled = new Set(paths.filter((path) => path.startsWith("node_modules/")))
  return bundled.size === 0 ? wishes : unbundled(wishes, (path) => bundled.has(path))
}

/** `paths` are those of the package's files. A package.json that is no object tells nothing. */
export const parse = (
  packageJson: Uint8Array,
  release: { readonly name: string; readonly version: string },
  paths: ReadonlyArray<string>
): PackageFacts => {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder().decode(packageJson).replace(/^\uFEFF/, ""))
  } catch {
    return release
  }
  if (!Predicate.isObject(json)) return release
  const bin = binOf(json, release.name, paths)
  const engines = Predicate.hasProperty(json, "engines") ? textsOf(json.engines) : undefined
  const scripts = scriptsOf(json, paths)
  const wishes = wishesOf(json, paths)
  return {
    ...release,
    ...(bin === undefined ? {} : { bin }),
    ...(engines === undefined ? {} : { engines }),
    ...(scripts === undefined ? {} : { scripts }),
    ...(wishes === undefined ? {} : { wishes })
  }
}
