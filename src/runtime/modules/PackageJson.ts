/**
 * The package.json of packages, as far as finding their modules goes. Parsed here once into what the
 * rest relies on; a field of a wrong type counts as none, as Node has it. Synchronous and light: it runs
 * while a program starts.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ModuleError from "./ModuleError.ts"

export interface PackageJson {
  /** Its directory. */
  readonly directory: string
  readonly location: string
  readonly name: string | undefined
  /** `undefined` where there is none (or `null`, which is the same). */
  readonly exports: unknown
  readonly imports: unknown
  /** The main fields that were asked for, in that order; paths as they are written. */
  readonly main: (fields: ReadonlyArray<string>) => ReadonlyArray<string>
  /** What the field `browser` puts in the place of other modules; `false` for nothing. */
  readonly browser: ReadonlyMap<string, string | false>
  /** By command; relative to the package. */
  readonly bin: ReadonlyMap<string, string>
}

/** Characters; the largest on npm have some hundred thousand. */
const MAX_CHARS = 8 * 1024 * 1024

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const browserOf = (value: unknown): ReadonlyMap<string, string | false> =>
  new Map(
    isRecord(value)
      ? Object.entries(value).filter((entry): entry is [string, string | false] => {
          const [, target] = entry
          return typeof target === "string" || target === false
        })
      : []
  )

const binOf = (value: unknown, name: string | undefined): ReadonlyMap<string, string> => {
  if (typeof value === "string") return new Map(name === undefined ? [] : [[name.slice(name.indexOf("/") + 1), value]])
  const entries = isRecord(value) ? Object.entries(value) : []
  return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"))
}

const parse = (text: string, location: string): PackageJson => {
  let value: unknown
  try {
    // A byte order mark, as npm and Node allow it.
    value = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
  } catch {
    throw ModuleError.invalidConfig(location, "it is not JSON")
  }
  const fields = isRecord(value) ? value : {}
  const name = typeof fields["name"] === "string" ? fields["name"] : undefined
  return {
    directory: Path.dirname(location),
    location,
    name,
    exports: fields["exports"] ?? undefined,
    imports: fields["imports"] ?? undefined,
    main: (wanted) =>
      wanted.flatMap((field) => {
        const path = Object.hasOwn(fields, field) ? fields[field] : undefined
        return typeof path === "string" && path !== "" ? [path] : []
      }),
    browser: browserOf(fields["browser"]),
    bin: binOf(fields["bin"], name)
  }
}

const isAbsent = (error: unknown): boolean =>
  error instanceof Error &&
  "code" in error &&
  (error.code === "ENOENT" || error.code === "ENOTDIR" || error.code === "EISDIR")

/** The package.json of a directory; `undefined` where there is none. Throws `ModuleError` where it is no JSON. */
export const read = (directory: string): PackageJson | undefined => {
  const location = Path.join(directory, "package.json")
  let text: string
  try {
    text = Fs.readFileSync(location, "utf8")
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
  if (text.length > MAX_CHARS) throw ModuleError.invalidConfig(location, `it is longer than ${MAX_CHARS} characters`)
  return parse(text, location)
}
