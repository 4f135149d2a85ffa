/**
 * A command that the daemon runs in the place of the process that its user started, which then has
 * nothing to load: all of it takes less time than the program would to begin. Only commands that ask
 * are run so, and write nothing but what this home has observed. What both ends must agree
 * on is here, and needs nothing but Node.
 */

/** Commands that are errands. */
export const COMMANDS: ReadonlySet<string> = new Set(["resolve", "query"])

/** Arguments of an errand, and characters of all of them. */
export const ARGUMENTS_MAX = 64
export const ARGUMENTS_MAX_CHARS = 8 * 1024

/** Characters that an errand may print; what prints more is run by a process of its own. */
export const OUTPUT_MAX_CHARS = 256 * 1024

/** How a command ended, and what it printed. */
export interface Done {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Flags that a process elsewhere takes as it would be taken here; with any other one a command is no errand. */
const SWITCHES: ReadonlySet<string> = new Set(["--json", "--why"])
const VALUED: ReadonlySet<string> = new Set(["--policy", "--publisher", "--bootstrap", "--timeout", "--home"])

/** What is run elsewhere: the arguments without `--home`, and what that was given as. */
export interface Order {
  readonly args: ReadonlyArray<string>
  /** As it was typed; `undefined` where it was not. */
  readonly home: string | undefined
}

const isValue = (word: string | undefined): word is string => word !== undefined && word !== "" && !word.startsWith("-")

/**
 * What of a command line is an errand; `undefined` where it is none. Only what can be read in one way is: the one
 * argument of the command, and flags that are known, each once, with a value of its own.
 */
export const orderOf = (argv: ReadonlyArray<string>): Order | undefined => {
  if (argv.length > ARGUMENTS_MAX || !COMMANDS.has(argv[0] ?? "")) return undefined
  const flags = new Map<string, string | undefined>()
  const named: Array<string> = []
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at]!
    const [flag = "", ...rest] = word.split("=")
    if (!word.startsWith("-")) named.push(word)
    else if (flags.has(flag)) return undefined
    else if (SWITCHES.has(word)) flags.set(word, undefined)
    else if (VALUED.has(flag)) {
      const value = rest.length > 0 ? rest.join("=") : argv[++at]
      if (!isValue(value)) return undefined
      flags.set(flag, value)
    } else return undefined
  }
  // A word behind a switch may be taken for its value.
  if (named.length !== 1 || /^(?:true|false|yes|no|on|off|y|n|[01])$/.test(named[0]!)) return undefined
  const args = [argv[0]!, named[0]!]
  for (const [flag, value] of flags) if (flag !== "--home") args.push(value === undefined ? flag : `${flag}=${value}`)
  const chars = args.reduce((sum, { length }) => sum + length, 0)
  return chars > ARGUMENTS_MAX_CHARS ? undefined : { args, home: flags.get("--home") }
}
