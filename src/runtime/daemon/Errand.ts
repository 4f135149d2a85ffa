/**
 * A command that the daemon runs in the place of the process that its user started, which then has
 * nothing to load: all of it takes less time than the program would to begin. Only commands that ask
 * and change nothing, and touch no file but those of the home, are run so. What both ends must agree
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

/** The flags by which somebody says that a daemon is not to be asked, or what only a process of one's own can do. */
const OWN_PROCESS =
  /^(?:-h|-v|--|--(?:help|version|wizard|completions|log-level|no-daemon|daemon|listen|dns-seed|lan|offline|bundle)(?:=.*)?)$/s

/** What is run elsewhere: the arguments without `--home`, and what that was given as. */
export interface Order {
  readonly args: ReadonlyArray<string>
  /** As it was typed; `undefined` where it was not. */
  readonly home: string | undefined
}

/** What of a command line is an errand; `undefined` where it is none. */
export const orderOf = (argv: ReadonlyArray<string>): Order | undefined => {
  if (argv.length > ARGUMENTS_MAX || !COMMANDS.has(argv[0] ?? "")) return undefined
  if (argv.some((argument) => OWN_PROCESS.test(argument))) return undefined
  const args: Array<string> = []
  let home: string | undefined
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at]!
    if (argument === "--home") {
      const value = argv[++at]
      if (value === undefined || home !== undefined) return undefined
      home = value
    } else if (argument.startsWith("--home=")) {
      if (home !== undefined) return undefined
      home = argument.slice("--home=".length)
    } else args.push(argument)
  }
  const chars = args.reduce((sum, { length }) => sum + length, 0)
  return chars > ARGUMENTS_MAX_CHARS ? undefined : { args, home }
}
