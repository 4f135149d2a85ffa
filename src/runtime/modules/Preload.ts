/** How a process tells those that it starts to look for modules as it does: environment variables of Node and of ours. */
import * as Path from "node:path"

/** Lock file of the program, for the processes that it starts. */
export const LOCK_VARIABLE = "LIBRESEED_LOCK"

export const HOME_VARIABLE = "LIBRESEED_HOME"

/** Below the user's home directory. */
const HOME_NAME = ".libreseed"

/** The store's directory, as `ls-cli` finds it. */
export const homeOf = (
  environment: Readonly<Record<string, string | undefined>>,
  homeDirectory: () => string
): string => {
  const named = environment[HOME_VARIABLE] ?? ""
  return named === "" ? Path.join(homeDirectory(), HOME_NAME) : Path.resolve(named)
}

/** As NODE_OPTIONS reads it: in quotes, with a backslash before quotes and backslashes. */
const quoted = (text: string): string => (/[\s"\\]/.test(text) ? `"${text.replaceAll(/["\\]/g, "\\$&")}"` : text)

/** NODE_OPTIONS that also preload a file of JavaScript. */
export const withPreload = (options: string | undefined, file: string): string => {
  const option = `--require=${quoted(file)}`
  if (options === undefined || options.trim() === "") return option
  return options.includes(option) ? options : `${options} ${option}`
}
