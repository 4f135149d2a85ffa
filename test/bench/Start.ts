/** How long a command that does work takes to start, beside Node that does nothing. */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { compare } from "./Measure.ts"

const bundle = Path.resolve(import.meta.dirname, "../../dist/cli/ls-cli.js")

export const start = async () => {
  const home = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-bench-"))
  const node = (...args: ReadonlyArray<string>) => {
    const { status, stderr } = spawnSync(process.execPath, args, { env: { ...process.env, LIBRESEED_HOME: home } })
    if (status !== 0) throw new Error(String(stderr))
  }
  try {
    node(bundle, "keys", "new")
    return await compare(
      () => node(bundle, "keys", "list"),
      () => node("-e", "0"),
      { rounds: 15 }
    )
  } finally {
    Fs.rmSync(home, { recursive: true })
  }
}
