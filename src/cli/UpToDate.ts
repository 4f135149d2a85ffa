/**
 * `ls-cli install` where everything is there already: told before anything is loaded, which takes longer
 * than all that there is to look at. Only command lines of the plainest kind are understood here; every
 * other one, and every project where there is something to do, is for those who come after (`QuickInstall`, the program).
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Printable from "../runtime/archive/Printable.ts"
import * as HomeDirectory from "../runtime/doctor/HomeDirectory.ts"
import * as EngineStrict from "../runtime/install/EngineStrict.ts"
import * as InstalledState from "../runtime/install/InstalledState.ts"
import * as InstallReport from "../runtime/install/InstallReport.ts"
import * as HomePlace from "./HomePlace.ts"
import * as NodeAddress from "./NodeAddress.ts"
import * as TimeLimit from "./TimeLimit.ts"
import * as Unwritten from "./Unwritten.ts"

export interface Wish {
  readonly directory: string
  /** As it was given, if it was. */
  readonly home?: string
  readonly production: boolean
  readonly json: boolean
  /** Seconds. */
  readonly timeout: number
}

/** What a command line asks for; `undefined` for what is not understood here. */
export const wishOf = (argv: ReadonlyArray<string>): Wish | undefined => {
  const [command, ...rest] = argv
  if (command !== "install" && command !== "i") return undefined
  const words = rest.flatMap((word) => {
    const [, flag, value] = /^(--(?:dir|home|bootstrap|timeout))=(.*)$/s.exec(word) ?? []
    return flag === undefined || value === undefined ? [word] : [flag, value]
  })
  const wish: { -readonly [key in keyof Wish]: Wish[key] } = {
    directory: ".",
    production: false,
    json: false,
    timeout: TimeLimit.DEFAULT_SECONDS
  }
  const seen = new Set<string>()
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!
    if (seen.has(word)) return undefined
    seen.add(word)
    if (word === "--json") wish.json = true
    else if (word === "--production") wish.production = true
    else if (word === "--timeout") {
      const seconds = words[++at] ?? ""
      // What is no limit is for the program to refuse.
      if (!/^[1-9]\d{0,3}$/.test(seconds)) return undefined
      wish.timeout = Number(seconds)
    } else if (word === "--dir" || word === "--home" || word === "--bootstrap") {
      const value = words[++at]
      if (value === undefined || value === "" || value.startsWith("-")) return undefined
      if (word === "--bootstrap" && !value.split(",").every(NodeAddress.isNode)) return undefined
      if (word === "--home" && HomeDirectory.problemOf(Path.resolve(value)) !== undefined) return undefined
      if (word === "--dir") wish.directory = value
      if (word === "--home") wish.home = value
    } else if (word !== "--frozen" && word !== "--offline") return undefined
  }
  return wish
}

/** Whether there is a lock file to install from. */
export const isLocked = ({ directory }: Wish): boolean => Fs.existsSync(Path.join(directory, InstalledState.LOCK_FILE))

/** Whether there was nothing to do, which is then printed. */
export const tell = (argv: ReadonlyArray<string>): boolean => {
  const wish = wishOf(argv)
  if (wish === undefined) return false
  const directory = Path.resolve(wish.directory)
  const engineStrict = EngineStrict.isStrict(directory)
  const places = HomePlace.trustPlacesOf(HomePlace.homeOf(wish.home))
  const state = InstalledState.current(directory, { production: wish.production, engineStrict }, places)
  if (state === undefined) return false
  const report = InstallReport.unchanged(directory, state)
  const text = wish.json ? JSON.stringify(report) : Printable.plain(InstallReport.summary(report))
  Unwritten.watch(wish.json)
  process.stdout.write(`${text}\n`)
  return true
}
