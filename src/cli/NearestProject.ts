/** The project that somebody stands in who does not say which one is meant: as for npm, the nearest one upwards. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { LOCK_FILE, PACKAGE_JSON } from "../runtime/install/InstalledState.ts"

const isProject = (directory: string): boolean =>
  [PACKAGE_JSON, LOCK_FILE].some((name) => Fs.existsSync(Path.join(directory, name)))

/** `.` where `from` is one, or nothing above it is; else the absolute path of the one above. */
export const find = (from: string): string => {
  for (let at = Path.resolve(from); ; at = Path.dirname(at)) {
    if (isProject(at)) return at === Path.resolve(from) ? "." : at
    if (at === Path.dirname(at)) return "."
  }
}
