/** Runs one of this folder's programs in a process of its own, on the Node that runs the tests. */
import { spawn } from "node:child_process"
import * as Path from "node:path"
import * as Effect from "effect/Effect"

/** How it ended: its exit code, or the signal that ended it, and what it had to say. */
export const run = (program: string, ...args: ReadonlyArray<string>) =>
  Effect.callback<{ readonly end: string; readonly stderr: string }>((resume) => {
    const child = spawn(process.execPath, [Path.join(import.meta.dirname, program), ...args], {
      stdio: ["ignore", "ignore", "pipe"]
    })
    let stderr = ""
    child.stderr.on("data", (chunk) => void (stderr += String(chunk)))
    child.on("close", (code, signal) => resume(Effect.succeed({ end: signal ?? String(code), stderr })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })
