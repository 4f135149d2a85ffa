/**
 * What is asked of an npm registry, read as npm reads it (`npm-package-arg`): a package by name, and a
 * version, a range or one of the registry's own tags. An alias (`npm:name@range`) asks for another
 * package than the one that it stands under. What lies outside of registries is refused with a sentence.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import SemVerRange from "semver/classes/range.js"
import SemVer from "semver/classes/semver.js"
import * as PackageName from "../../protocol/core/PackageName.ts"
import { RANGE_MAX_CHARS } from "../../protocol/core/Version.ts"

export interface Wanted {
  readonly type: "version" | "range" | "tag"
  /** Trimmed; a version without what npm takes beside its numbers (`v`, `=`). */
  readonly text: string
}

export interface Request {
  /** The package that is to be had. */
  readonly name: PackageName.PackageName
  readonly wanted: Wanted
  /** The name that it stands under, where that is another one. */
  readonly alias: string | undefined
}

const LOOSE = { loose: true }
const ALIAS = /^npm:/i

/** npm takes what has one of these for a URL, a path or `owner/repository`; no range and no tag has them. */
const OUTSIDE = /[:/\\]/

/** A tag is what needs no escape in a URL. */
const TAG = /^[\w.!~*'()-]+$/

const versionOf = (text: string): string | undefined => {
  try {
    return new SemVer(text.replace(/^[=v\s]+/, ""), LOOSE).version
  } catch {
    return undefined
  }
}

const isRange = (text: string): boolean => {
  try {
    return new SemVerRange(text, LOOSE) instanceof SemVerRange
  } catch {
    return false
  }
}

const wantedOf = (text: string): Result.Result<Wanted, string> => {
  if (text.length > RANGE_MAX_CHARS) return Result.fail(`is longer than ${RANGE_MAX_CHARS} characters`)
  if (OUTSIDE.test(text)) return Result.fail("points outside of the registry")
  const version = versionOf(text)
  if (version !== undefined) return Result.succeed({ type: "version", text: version })
  if (isRange(text)) return Result.succeed({ type: "range", text: text === "" ? "*" : text })
  if (TAG.test(text)) return Result.succeed({ type: "tag", text })
  return Result.fail("is neither a version nor a range nor a tag")
}

const named = (name: string): Result.Result<PackageName.PackageName, string> =>
  Option.match(PackageName.parse(name), {
    onNone: () => Result.fail(`has a name that ${PackageName.problem(name)}`),
    onSome: Result.succeed
  })

/** Splits `name@wanted`; nothing after the name is `undefined`. */
const split = (text: string): readonly [string, string | undefined] => {
  const at = text.indexOf("@", 1)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

/** What a package.json asks for: `dependencies[name]`. The failure is the end of a sentence that begins with the dependency. */
export const dependency = (name: string, text: string): Result.Result<Request, string> => {
  const trimmed = text.trim()
  if (!ALIAS.test(trimmed)) {
    return Result.flatMap(named(name), (parsed) =>
      Result.map(wantedOf(trimmed), (wanted) => ({ name: parsed, wanted, alias: undefined }))
    )
  }
  const [target, wanted] = split(trimmed.slice("npm:".length).trim())
  if (ALIAS.test(wanted ?? "")) return Result.fail("is an alias of an alias")
  return Result.map(dependency(target, wanted ?? "*"), (request) => ({ ...request, alias: name }))
}

/** What is typed: `express`, `express@^5`, `express@next`, `@scope/name@1.2.3`. Without more it is the tag `latest`. */
export const parse = (spec: string): Result.Result<Request, string> => {
  const [name, wanted] = split(spec.trim())
  return dependency(name, wanted ?? "latest")
}
