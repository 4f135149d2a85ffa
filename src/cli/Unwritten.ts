/**
 * What a command prints and cannot be written. Whoever reads it (`| head`) may leave before all is said, which is no failure;
 * a disk that takes no more is one, told on stderr. Needs nothing but Node.
 */

/** As `ExitCode.storage`, which is loaded with the program. */
const EXIT_CODE = 6

/** What a write fails with once nobody reads. */
const LEFT: ReadonlySet<unknown> = new Set(["EPIPE", "ECONNRESET", "ERR_STREAM_DESTROYED"])

const HINT = "What the command was to do is done. Make room where its output goes, or write it elsewhere."

/** Until the process ends: tells of the first failure, and has the process end with an exit code of its own. */
export const watch = (json: boolean): void => {
  let isTold = false
  process.stdout.on("error", (error: Error & { readonly code?: unknown }) => {
    if (isTold || LEFT.has(error.code)) return
    isTold = true
    const message = `The output could not be written: ${error.message}`
    const document = JSON.stringify({ error: { code: "OutputFailed", message, hint: HINT } })
    process.stderr.write(json ? `${document}\n` : `error: ${message}\n       ${HINT}\n`)
    if (exitCode() === 0) process.exitCode = EXIT_CODE
  })
}

/** Of a process that has nothing else to complain about. */
export const exitCode = (): number => Number(process.exitCode ?? 0)
