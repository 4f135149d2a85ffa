/**
 * Finds the conformance vectors: the directory named by `LIBRESEED_VECTORS`, else `../shared/vectors`
 * beside the repository. Any part of that tree will do, down to one file of one topic: what is there is
 * run whole, and each topic or file that is absent says so in one test. A directory named wrongly fails.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"

/** Directories that mark a tree of vectors, whether or not something here reads them. */
export const TOPICS = ["base58", "bencode", "bep", "ed25519", "jcs", "noise", "semver", "tar", "torrent"] as const

export type TopicName = (typeof TOPICS)[number]

/** Where the vectors are, if anywhere, and what is wrong with the name given. */
export interface Location {
  readonly path: string | undefined
  readonly problem: string | undefined
}

/** Looks in `named` where it is set and not empty, else in `beside`, which may be absent. */
export const locate = (named: string | undefined, beside: string): Location => {
  const path = Path.resolve(named || beside)
  if (TOPICS.some((name) => Fs.existsSync(Path.join(path, name)))) return { path, problem: undefined }
  if (!named) return { path: undefined, problem: undefined }
  const problem = Fs.existsSync(path)
    ? `holds no vectors: none of ${TOPICS.join(", ")} is in it; name the directory these are in`
    : "does not exist; correct it, or unset it to run without vectors"
  return { path: undefined, problem: `LIBRESEED_VECTORS names ${path}, which ${problem}` }
}

export const located = locate(
  process.env["LIBRESEED_VECTORS"],
  Path.resolve(import.meta.dirname, "../../../shared/vectors")
)

/** Says in the report what had nothing to run; that is fine unless the vectors are not where they were said to be. */
const notRun = (why: string): void => {
  it(`not run: ${why}`, () => {
    assert.isUndefined(located.problem, located.problem)
  })
}

/** The present part of one topic. */
export interface Topic {
  /**
   * Runs `define` with each JSON file that `belongs`: by default `name` itself and longer names that begin
   * as it does (`cctv.json`, `cctv-more.json`). Without any, registers one test that says so.
   */
  readonly file: <A>(
    name: string,
    define: (contents: A, file: string) => void,
    belongs?: (file: string, contents: A) => boolean
  ) => void
  /** Runs `define` with each pair of files of one name in two directories; reports a missing half. */
  readonly pairs: (
    left: string,
    right: string,
    define: (file: string, left: Uint8Array, right: Uint8Array) => void
  ) => void
  /** Reports the JSON files that no `file` before has run. */
  readonly others: () => void
}

const jsonIn = (path: string): ReadonlyArray<string> =>
  Fs.existsSync(path)
    ? Fs.readdirSync(path)
        .filter((name) => name.endsWith(".json"))
        .toSorted()
    : []

const readBytes = (path: string): Uint8Array => new Uint8Array(Fs.readFileSync(path))

const make = (name: string, path: string): Topic => {
  const ran = new Set<string>()
  const contents = new Map(
    jsonIn(path).map((file) => [file, JSON.parse(Fs.readFileSync(Path.join(path, file), "utf8"))] as const)
  )
  return {
    file: (wanted, define, belongs = (file) => file.startsWith(Path.parse(wanted).name)) => {
      const found = [...contents].filter(([file, value]) => belongs(file, value))
      if (found.length === 0) notRun(`no ${name}/${wanted}`)
      for (const [file, value] of found) {
        ran.add(file)
        define(value, file)
      }
    },
    pairs: (left, right, define) => {
      const files = new Set([left, right].flatMap((side) => jsonIn(Path.join(path, side))))
      if (files.size === 0) notRun(`no ${name}/${left} and ${name}/${right}`)
      for (const file of files) {
        const sides = [left, right].map((side) => Path.join(path, side, file))
        const missing = sides.find((side) => !Fs.existsSync(side))
        if (missing !== undefined) notRun(`no ${name}/${Path.relative(path, missing)}`)
        else define(file, readBytes(sides[0]!), readBytes(sides[1]!))
      }
    },
    others: () => {
      for (const file of contents.keys()) if (!ran.has(file)) notRun(`nothing here reads ${name}/${file}`)
    }
  }
}

/** Runs `define` with what is there of a topic; where it is absent, registers one test that says so. */
export const topic = (name: TopicName, define: (topic: Topic) => void): void => {
  const path = located.path === undefined ? undefined : Path.join(located.path, name)
  describe(`vectors: ${name}`, () => {
    if (path !== undefined && Fs.existsSync(path)) define(make(name, path))
    else notRun(`no ${name} (set LIBRESEED_VECTORS to the directory that holds it)`)
  })
}

export const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
