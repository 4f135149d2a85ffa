/** Which home a command works with, for those who cannot wait for the program's settings. */
import * as Os from "node:os"
import * as Path from "node:path"

/** Absolute. `given` is what `--home` says. */
export const homeOf = (given: string | undefined): string => {
  const named = given ?? process.env["LIBRESEED_HOME"] ?? ""
  return named === "" ? Path.join(Os.homedir(), ".libreseed") : Path.resolve(named)
}

/** What of a home tells whom its user trusts; named as `Home` names it. */
export const trustPlacesOf = (home: string) => ({
  trust: Path.join(home, "trust.json"),
  records: Path.join(home, "records")
})
