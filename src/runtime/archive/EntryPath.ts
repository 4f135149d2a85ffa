/**
 * Names of archive entries, checked against the strictest file system they may meet: POSIX, Windows
 * (device names, streams, trailing dots), APFS and HFS+ (case folding, Unicode forms, ignorable code
 * points). A name that would have to be cleaned is refused: the name checked is the name used.
 */
import * as Result from "effect/Result"

/** Longest component that ext4, APFS and NTFS all hold, in UTF-8 bytes. */
const MAX_COMPONENT_BYTES = 255

/** Device names of Windows; an extension does not change what they open (learn.microsoft.com "Naming Files"). */
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])(?:$|[. ])/i

const NOT_ON_WINDOWS = /[<>:"|?*]/
const INVISIBLE = /[\p{Cc}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}]/u
const NON_ASCII = /[^\p{ASCII}]/u

const utf8 = new TextEncoder()

/** Splits a path of `/`-separated components, each safe on its own; the failure says what is wrong with it. */
export const parse = (path: string): Result.Result<ReadonlyArray<string>, string> => {
  if (path === "") return Result.fail("has no name")
  if (path.startsWith("/")) return Result.fail("has an absolute path")
  const components = path.split("/")
  for (const component of components) {
    const problem = componentProblem(component)
    if (problem !== undefined) return Result.fail(problem)
  }
  return Result.succeed(components)
}

const componentProblem = (component: string): string | undefined => {
  const problem = plainProblem(component)
  if (problem !== undefined || !NON_ASCII.test(component)) return problem
  // A file system that normalises must not find a separator, a "..", or a device name: U+2025 becomes "..".
  const normalised = component.normalize("NFKC")
  if (normalised.includes("/") || plainProblem(normalised) !== undefined) {
    return "has a name that turns into an unsafe one under Unicode normalisation"
  }
  return utf8.encode(component).length > MAX_COMPONENT_BYTES ? TOO_LONG : undefined
}

const TOO_LONG = `has a component of more than ${MAX_COMPONENT_BYTES} bytes`

const plainProblem = (component: string): string | undefined => {
  if (component === "") return "has an empty component"
  if (component === "." || component === "..") return `has a "${component}" component`
  if (component.length > MAX_COMPONENT_BYTES) return TOO_LONG
  if (component.includes("\\")) return "has a backslash in its name"
  if (INVISIBLE.test(component)) return "has control or invisible characters in its name"
  if (NOT_ON_WINDOWS.test(component)) return "has a character in its name that Windows reserves"
  if (component.endsWith(".") || component.endsWith(" ")) return "has a name that ends in a dot or a space"
  if (WINDOWS_DEVICE.test(component)) return "has the name of a Windows device"
  return hostileProblem(component.toLowerCase())
}

/** Names that no npm client ever packs and that act on whoever unpacks them. */
const hostileProblem = (name: string): string | undefined =>
  name === ".git" || name === "git~1"
    ? "would plant a git repository"
    : name === ".npmrc"
      ? "would plant npm configuration"
      : undefined

/**
 * One spelling for all names that some file system takes for the same: case folding over
 * compatibility forms. Lower before upper, so that both sharp s become "SS".
 */
export const foldedKey = (component: string): string =>
  NON_ASCII.test(component)
    ? component.normalize("NFKD").toLowerCase().toUpperCase().normalize("NFKC")
    : component.toUpperCase()

/** UTF-8 length of a path, in bytes. */
export const byteLength = (path: string): number => (NON_ASCII.test(path) ? utf8.encode(path).length : path.length)
