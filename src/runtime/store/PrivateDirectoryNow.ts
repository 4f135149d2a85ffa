/** What `PrivateDirectory` does, for those who cannot wait. Needs nothing but Node. */
import * as Fs from "node:fs"
import * as Path from "node:path"

const MODE = 0o700

const isThere = (directory: string): boolean =>
  Fs.statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true

const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined)

/** Throws as Node does. */
export const make = (directory: string, mode: number = MODE): void => {
  if (isThere(directory)) return
  const above = Path.dirname(directory)
  const once = () => {
    try {
      Fs.mkdirSync(directory, { mode })
    } catch (error) {
      if (codeOf(error) !== "EEXIST" || !isThere(directory)) throw error
    }
  }
  try {
    once()
  } catch (error) {
    if (codeOf(error) !== "ENOENT" || above === directory) throw error
    make(above, mode)
    once()
  }
}
