/**
 * A package's name: npm's rules for new packages (`left-pad`, `@scope/name`), narrowed to what is
 * safe as a path on every system, in a shell and in a URL.
 *
 * Names of Node's own modules are allowed: npm forbids them to new packages only, and `punycode`,
 * `events` and others are among the most installed packages.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** npm's limit for the whole name, scope included, in chars. */
export const MAX_CHARS = 214

/** Unreserved in URLs, quiet in shells. npm lets older names have more (`JSONStream`, `~x`); those cannot be published here. */
const SAFE = /^[a-z0-9._-]+$/

/** npm's two. The first would confuse Node's module lookup, the second every web server. */
const FORBIDDEN: ReadonlySet<string> = new Set(["node_modules", "favicon.ico"])

/** Device names of Windows, which takes them for devices whatever extension follows (Win32 "Naming Files"). */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/

/** Why `text` cannot name a package, as the end of a sentence that begins with it; `undefined` when it can. */
export const problem = (text: string): string | undefined => {
  if (text.length === 0) return "is empty"
  if (text.length > MAX_CHARS) return `is longer than ${MAX_CHARS} characters`
  if (!text.startsWith("@")) {
    return /^[_-]/.test(text) ? "begins with an underscore or hyphen" : problemOfPart(text)
  }
  const slash = text.indexOf("/")
  if (slash < 0) return "is a scope without a name; write @scope/name"
  // Scopes and scoped names may begin with a hyphen or underscore, and many on npm do.
  return problemOfPart(text.slice(1, slash)) ?? problemOfPart(text.slice(slash + 1))
}

const problemOfPart = (part: string): string | undefined => {
  if (part.length === 0) return "has an empty part"
  if (part !== part.toLowerCase()) return "has capital letters"
  if (!SAFE.test(part)) return "has characters other than a-z, 0-9, hyphen, underscore and dot"
  if (part.startsWith(".") || part.endsWith(".")) return "begins or ends with a dot"
  if (FORBIDDEN.has(part)) return `may not be ${part}`
  if (DEVICE.test(part)) return "is the name of a device on Windows"
  return undefined
}

/** Lower-case, at most {@link MAX_CHARS} ASCII characters, safe as a path of one or (with a scope) two parts. */
export const PackageName = Schema.String.check(
  Schema.makeFilter((text: string) => {
    const reason = problem(text)
    return reason === undefined || `a package name; this one ${reason}`
  })
).pipe(Schema.brand("PackageName"))

export type PackageName = typeof PackageName.Type

/** `None` when {@link problem} has something to say. */
export const parse = (text: string): Option.Option<PackageName> =>
  problem(text) === undefined ? Option.some(PackageName.make(text)) : Option.none()

/** `@a/b` → `a__b`: one directory name. Not injective (`a__b` is a name, too): never read it back. */
export const directory = (name: PackageName): string => (name.startsWith("@") ? name.slice(1).replace("/", "__") : name)
