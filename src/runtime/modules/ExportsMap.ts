/**
 * The `exports` and `imports` of a package.json: which file of the package a subpath stands for, under
 * the conditions of whoever imports it. Node.js ESM resolution, PACKAGE_EXPORTS_RESOLVE and
 * PACKAGE_IMPORTS_RESOLVE. Pure; what they come to is below the package, or it is refused.
 */
import * as ModuleError from "./ModuleError.ts"

export type Conditions = ReadonlySet<string>

/** Depth of conditions inside conditions; ten are many. */
const DEPTH_MAX = 64

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A part that leads out of the package, or into packages that it would have brought along. */
const FORBIDDEN_PART = /(?:^|[\\/])(?:(?:\.|%2e){1,2}|node_modules)(?:[\\/]|$)/i

/** `%2f`, `%5c`: a separator that would only show once it is decoded. NUL ends a path for the system. */
const FORBIDDEN_TEXT = /%2f|%5c|\0|%00/i

/** The path that a target of a map means, which is a URL, as it is on disk; `undefined` where it may not be one. */
const decoded = (path: string): string | undefined => {
  if (FORBIDDEN_TEXT.test(path)) return undefined
  const plain = path.replaceAll("\\", "/").replace(/[?#].*$/s, "")
  if (!plain.includes("%")) return plain
  try {
    return decodeURIComponent(plain)
  } catch {
    return undefined
  }
}

interface Place {
  /** Of package.json, for messages. */
  readonly location: string
  readonly conditions: Conditions
  /** Whether a target may name another package. */
  readonly isImports: boolean
}

const ofText = (target: string, match: string | undefined, { isImports, location }: Place): string => {
  const fill = (text: string) => (match === undefined ? text : text.replaceAll("*", () => match))
  if (!target.startsWith("./")) {
    const isBare = isImports && !target.startsWith("/") && !target.startsWith("../") && target !== ""
    if (!isBare) throw ModuleError.invalidTarget(target, location)
    return fill(target)
  }
  const path = target.slice(2)
  if (FORBIDDEN_PART.test(path) || (match !== undefined && FORBIDDEN_PART.test(match))) {
    throw ModuleError.invalidTarget(fill(target), location)
  }
  const plain = decoded(fill(path))
  // No other target of a list is tried after this one, which is chosen before it is read.
  if (plain === undefined) throw ModuleError.invalidSpecifier(fill(target), `${location} names no file by it`)
  return `./${plain}`
}

/** `undefined`: no condition held; `null`: explicitly not to be had. */
const ofTarget = (target: unknown, match: string | undefined, place: Place, depth = 0): string | null | undefined => {
  if (depth > DEPTH_MAX) throw ModuleError.invalidConfig(place.location, "its conditions go too deep")
  if (typeof target === "string") return ofText(target, match, place)
  if (Array.isArray(target)) {
    let last: string | null | undefined
    let failure: unknown
    for (const each of target) {
      try {
        last = ofTarget(each, match, place, depth + 1)
        failure = undefined
      } catch (error) {
        if (!(error instanceof ModuleError.ModuleError && error.code === "ERR_INVALID_PACKAGE_TARGET")) throw error
        failure = error
        continue
      }
      if (typeof last === "string") return last
    }
    if (failure !== undefined) throw failure
    return last
  }
  if (isObject(target)) {
    for (const [condition, inner] of Object.entries(target)) {
      if (condition !== "default" && !place.conditions.has(condition)) continue
      const found = ofTarget(inner, match, place, depth + 1)
      if (found !== undefined) return found
    }
    return undefined
  }
  if (target === null) return null
  throw ModuleError.invalidTarget(String(target), place.location)
}

/** The more specific pattern is the one with more before its star, then the longer one (PATTERN_KEY_COMPARE). */
const isMoreSpecific = (self: string, that: string | undefined): boolean => {
  if (that === undefined) return true
  const own = self.indexOf("*")
  const other = that.indexOf("*")
  return own === other ? self.length > that.length : own > other
}

/** PACKAGE_IMPORTS_EXPORTS_RESOLVE */
const ofKey = (key: string, map: Readonly<Record<string, unknown>>, place: Place): string | undefined => {
  if (!key.includes("*") && !key.endsWith("/") && Object.hasOwn(map, key)) {
    return ofTarget(map[key], undefined, place) ?? undefined
  }
  let best: string | undefined
  for (const pattern of Object.keys(map)) {
    const star = pattern.indexOf("*")
    if (star === -1 || star !== pattern.lastIndexOf("*") || !key.startsWith(pattern.slice(0, star))) continue
    if (key.length < pattern.length || !key.endsWith(pattern.slice(star + 1))) continue
    if (isMoreSpecific(pattern, best)) best = pattern
  }
  if (best === undefined) return undefined
  const star = best.indexOf("*")
  const match = key.slice(star, key.length - (best.length - star - 1))
  return ofTarget(map[best], match, place) ?? undefined
}

/**
 * The file, as `./path`, that `subpath` (`.` or `./…`) stands for; `undefined` where it is not exported.
 * `location` names the package.json in errors. Throws `ModuleError` for a map that cannot be used.
 */
export const resolveExports = (
  exports: unknown,
  subpath: string,
  conditions: Conditions,
  location: string
): string | undefined => {
  const place: Place = { location, conditions, isImports: false }
  const keys = isObject(exports) ? Object.keys(exports) : []
  const withDot = keys.filter((key) => key.startsWith(".")).length
  if (withDot > 0 && withDot < keys.length) {
    throw ModuleError.invalidConfig(location, `"exports" mixes paths, which begin with a dot, and conditions`)
  }
  if (isObject(exports) && withDot > 0) return ofKey(subpath, exports, place)
  return subpath === "." ? (ofTarget(exports, undefined, place) ?? undefined) : undefined
}

/** As {@link resolveExports}, for a specifier with `#`: a `./path`, or another specifier. */
export const resolveImports = (
  imports: unknown,
  specifier: string,
  conditions: Conditions,
  location: string
): string | undefined => {
  if (!isObject(imports) || specifier === "#" || specifier.endsWith("/")) return undefined
  return ofKey(specifier, imports, { location, conditions, isImports: true })
}
