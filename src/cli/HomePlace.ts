/** Which home a command works with. Loads nothing, for those who cannot wait for the program's settings. */
import * as Os from "node:os"
import * as Path from "node:path"

/** As it is named by `--home`, which is `given`, or else by the environment; empty where nobody names one. */
export const nameOf = (given: string | undefined): string => given ?? process.env["LIBRESEED_HOME"] ?? ""

/** Absolute. */
export const homeOf = (given: string | undefined): string => {
  const named = nameOf(given)
  return named === "" ? Path.join(Os.homedir(), ".libreseed") : Path.resolve(named)
}

/** What of a home tells whom its user trusts; named as `Home` names it. */
export const trustPlacesOf = (home: string) => ({
  trust: Path.join(home, "trust.json"),
  records: Path.join(home, "records")
})
