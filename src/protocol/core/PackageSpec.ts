/**
 * What a user asks for on a command line or in a file: `semver`, `semver@^7`, `@scope/x@1 || 2`,
 * `name@next`. One package by name and the versions that will do: a range, or one of two tags.
 *
 * npm's other specs (git, file, URL, tags of one's own) name things outside this registry and are refused
 * with a sentence that says so; so are aliases (`npm:`), which are for package.json and not for a command line.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { ExitCode } from "./Errors.ts"
import * as PackageName from "./PackageName.ts"
import * as Version from "./Version.ts"

/** Longest name, `@` and longest range. */
export const MAX_CHARS = PackageName.MAX_CHARS + 1 + Version.RANGE_MAX_CHARS

/** Chars of a refused spec that its error repeats. */
const SHOWN_CHARS = 80

export interface PackageSpec {
  readonly name: PackageName.PackageName
  /** `latest` where nothing was said. */
  readonly range: Version.Wanted
}

/** `spec` is the text as given, cut to {@link SHOWN_CHARS}. */
export class InvalidSpec extends Schema.TaggedError<InvalidSpec>()("InvalidSpec", {
  spec: Schema.String,
  problem: Schema.String,
  hint: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  override get message(): string {
    // Quoted by JSON, so that control characters cannot reach a terminal.
    return `${JSON.stringify(this.spec)} ${this.problem}`
  }
}

const HINT = "Write name, name@version or name@range, for example: semver, semver@7.5.0, semver@^7, @scope/name@latest"

/** Texts that npm would take for something outside a registry: URLs, paths, archives, `owner/repository`. */
const OUTSIDE =
  /^(?:(?:git|https?|file|ftp|ssh|link|workspace|patch|portal|npm|github|gitlab|bitbucket|gist)[:+]|[a-z+]+:\/\/|git@|[.~]{0,2}[\\/]|[a-z]:[\\/]|[^@/]+\/|.*\.(?:tgz|tar\.gz|tar)$)/i

const ALIAS_HINT =
  'Ask for it by its own name; or write the alias into package.json, like "old-semver": "npm:semver@^5", and run: ls-cli install'

/** npm's way to have a package under another name. */
const ALIAS = /^npm:/i

/** `spec` is cut to {@link SHOWN_CHARS}. */
export const invalid = (spec: string, problem: string, hint: string): InvalidSpec =>
  new InvalidSpec({ spec: spec.slice(0, SHOWN_CHARS), problem, hint })

/** Reads one spec; white space around it and after the `@` is not significant. The tags are those of `Version.Tag`. */
export const parse = (text: string): Result.Result<PackageSpec, InvalidSpec> => {
  const spec = text.trim()
  const fail = (problem: string, hint = HINT): Result.Result<never, InvalidSpec> =>
    Result.fail(invalid(text, problem, hint))
  if (spec.length > MAX_CHARS) return fail(`is longer than ${MAX_CHARS} characters`)
  // The first character of a scoped name is an @, too.
  const at = spec.indexOf("@", 1)
  const name = at < 0 ? spec : spec.slice(0, at)
  const wanted = at < 0 ? "latest" : spec.slice(at + 1).trim()
  if (ALIAS.test(wanted)) {
    return fail("is an alias of another package, and is not asked for by this", ALIAS_HINT)
  }
  if (OUTSIDE.test(spec) || OUTSIDE.test(wanted)) {
    return fail("points outside the registry: git, file and URL specs cannot be resolved here", HINT)
  }
  const parsedName = PackageName.parse(name)
  if (Option.isNone(parsedName))
    return fail(`does not begin with a package name: the name ${PackageName.problem(name)}`)
  if (wanted === "") return fail("has nothing after the @", `Leave the @ away for the newest version: ${name}`)
  const range = Version.parseWanted(wanted)
  if (Option.isNone(range)) {
    return fail("does not end in a semver version or range", `${HINT}. The only tags are latest and next.`)
  }
  return Result.succeed({ name: parsedName.value, range: range.value })
}

/** The spelling that {@link parse} reads back: `name@range`. */
export const format = (spec: PackageSpec): string => `${spec.name}@${spec.range}`
