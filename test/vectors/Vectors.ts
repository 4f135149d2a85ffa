/**
 * Finds the conformance vectors: the directory named by `LIBRESEED_VECTORS`, else `../shared/vectors`
 * beside the repository. Any directory of that shape will do; every file and every case in it is run.
 * Where neither is present the suites say so in their one remaining test.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { describe, expect, it } from "vitest"

const repository = Path.resolve(import.meta.dirname, "../..")

/** Absolute path of the vectors, or `undefined` where there are none. A path named in the environment must exist. */
export const directory: string | undefined = (() => {
  const named = process.env["LIBRESEED_VECTORS"]
  if (named !== undefined && named !== "") {
    if (!Fs.existsSync(named)) throw new Error(`LIBRESEED_VECTORS names ${named}, which does not exist`)
    return Path.resolve(named)
  }
  const beside = Path.resolve(repository, "../shared/vectors")
  return Fs.existsSync(beside) ? beside : undefined
})()

/** Runs `define` with the topic's directory; where it is absent, registers one test that reports so. */
export const topic = (name: string, define: (path: string) => void): void => {
  const path = directory === undefined ? undefined : Path.join(directory, name)
  describe(`vectors: ${name}`, () => {
    if (path !== undefined && Fs.existsSync(path)) return define(path)
    it(`not run: no vectors at ${name} (set LIBRESEED_VECTORS)`, () => {
      expect(path === undefined || !Fs.existsSync(path)).toBe(true)
    })
  })
}

export const readJson = <A>(...path: ReadonlyArray<string>): A =>
  JSON.parse(Fs.readFileSync(Path.join(...path), "utf8")) as A

export const readBytes = (...path: ReadonlyArray<string>): Uint8Array =>
  new Uint8Array(Fs.readFileSync(Path.join(...path)))

/** File names in a directory that end in `ending`, sorted. */
export const filesOf = (path: string, ending = ".json"): ReadonlyArray<string> =>
  Fs.readdirSync(path)
    .filter((name) => name.endsWith(ending))
    .toSorted()

export const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
