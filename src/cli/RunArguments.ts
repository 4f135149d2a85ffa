/**
 * The command line of `ls-cli run`: flags of ours stand before the program, what stands behind it is the
 * program's. A `--` says so to the parser, which otherwise takes flags anywhere.
 */
const COMMAND = "run"
const END_OF_FLAGS = "--"

/** Flags whose value is the next argument: shared ones, those of `run`, those of the parser itself. */
export const VALUED: ReadonlySet<string> = new Set([
  "--home",
  "--bootstrap",
  "--dns-seed",
  "--listen",
  "--bundle",
  "--timeout",
  "--dir",
  "--log-level",
  "--completions"
])

/** Puts a `--` before the program of a `run`; leaves all other command lines as they are. */
export const separate = (argv: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (!argv.includes(COMMAND)) return argv
  let isRun = false
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at]!
    if (argument === END_OF_FLAGS) return argv
    if (argument.startsWith("-") && argument !== "-") {
      if (VALUED.has(argument)) at++
      continue
    }
    if (isRun) return [...argv.slice(0, at), END_OF_FLAGS, ...argv.slice(at)]
    if (argument !== COMMAND) return argv
    isRun = true
  }
  return argv
}
