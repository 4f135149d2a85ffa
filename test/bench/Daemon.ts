/** How long `ls-cli resolve` takes from its start to its end: through a daemon that is warm, and with a node of its own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { compare } from "./Measure.ts"

const bundle = Path.resolve(import.meta.dirname, "../../dist/cli/ls-cli.js")

const NODES = 20
const ROUNDS = 15

/** Starts a command that stays; succeeds with what it says first. */
const stay = (args: ReadonlyArray<string>, running: Array<ChildProcess>): Promise<Record<string, unknown>> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bundle, ...args, "--json"], { stdio: ["ignore", "pipe", "inherit"] })
    running.push(child)
    let text = ""
    child.once("exit", (code) => reject(new Error(`ls-cli ${args[0]} ended with ${code}`)))
    child.stdout.setEncoding("utf8").on("data", (more: string) => {
      text += more
      if (text.includes("\n")) resolve(JSON.parse(text.slice(0, text.indexOf("\n"))))
    })
  })

const run = (...args: ReadonlyArray<string>): void => {
  const { status, stderr } = spawnSync(process.execPath, args)
  if (status !== 0) throw new Error(String(stderr))
}

/** Milliseconds: `through` a daemon, with a node of its `own`, and `node` for Node that does nothing. */
export const daemon = async () => {
  const home = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-bench-"))
  const running: Array<ChildProcess> = []
  try {
    const { bootstrap } = await stay(["testnet", "--nodes", String(NODES)], running)
    const flags = ["--home", home, "--bootstrap", String(bootstrap)]
    const source = Path.join(home, "package")
    Fs.mkdirSync(source)
    Fs.writeFileSync(Path.join(source, "package.json"), JSON.stringify({ name: "measured", version: "1.0.0" }))
    run(bundle, "keys", "new", ...flags)
    run(bundle, "publish", source, ...flags)
    await stay(["daemon", ...flags], running)
    const resolve = (...more: ReadonlyArray<string>) => run(bundle, "resolve", "measured", ...flags, ...more)
    const through = await compare(
      () => resolve(),
      () => run("-e", "0"),
      { rounds: ROUNDS }
    )
    const own = await compare(
      () => resolve("--no-daemon"),
      () => run("-e", "0"),
      { rounds: ROUNDS }
    )
    return { through: through.ms, own: own.ms, node: through.baselineMs }
  } finally {
    for (const child of running) {
      child.removeAllListeners("exit")
      child.kill()
    }
    Fs.rmSync(home, { recursive: true, force: true })
  }
}
