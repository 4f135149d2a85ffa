/** Whether a project is strict about engines: `engine-strict` in its .npmrc, the one setting of npm that counts here. */
import * as Fs from "node:fs"
import * as Path from "node:path"

const STRICT = /^[ \t]*engine-strict[ \t]*(?:=[ \t]*true[ \t]*)?$/m

/** A file that cannot be read says nothing. */
export const isStrict = (project: string): boolean => {
  try {
    return STRICT.test(Fs.readFileSync(Path.join(project, ".npmrc"), "utf8"))
  } catch {
    return false
  }
}
