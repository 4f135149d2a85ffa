/**
 * Starts a command of this repository: `node scripts/launch.js <command> [arguments]`. It sets up what is
 * missing (setup.js), bundles what is stale, and then runs the program on Node 24 with arguments, stdin, stdout,
 * stderr, signals and exit code passed through; stdout belongs to the program alone. The npm scripts all go
 * through here, so that they work on a fresh clone whatever Node the machine has.
 */
import { spawn } from "node:child_process"
import * as Os from "node:os"
import * as Path from "node:path"
import * as BundleStamp from "./BundleStamp.js"
import { withLock } from "./Lock.js"
import * as Parents from "./Parents.js"
import { ensure, fail, root, say, SetupError } from "./setup.js"

const vitest = "node_modules/vitest/vitest.mjs"

/** What each command runs: arguments of Node that come before it, the program, and the program's own first arguments. */
const commands = new Map(
  Object.entries({
    demo: { program: "scripts/demo.ts" },
    "ls-cli": { program: "dist/cli/ls-cli.js" },
    test: { program: vitest, args: ["run"] },
    "test:vectors": { program: vitest, args: ["run", "test/vectors"] },
    "test:properties": { program: vitest, args: ["run", "property-tests"] },
    "test:interop": { program: vitest, args: ["run", "--project", "interop"] },
    "test:package": { program: vitest, args: ["run", "test/package"] },
    sim: { program: "dist/cli/ls-cli.js", args: ["sim"] },
    bench: { node: ["--expose-gc"], program: "test/bench/main.ts" },
    build: { program: "scripts/build.ts" },
    check: { program: "scripts/check.ts" },
    format: { program: "node_modules/oxfmt/bin/oxfmt" }
  })
)

/** @typedef {{ node?: ReadonlyArray<string>, program: string, args?: ReadonlyArray<string> }} Command */

/**
 * Bundles the command line; the builder's output appears only when it fails.
 *
 * @param {string} node
 * @returns {Promise<void>}
 */
const bundle = (node) =>
  new Promise((resolve, reject) => {
    say("Building ls-cli …")
    const builder = [Path.join(root, "scripts", "build.ts"), "--cli"]
    const child = spawn(node, builder, { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    child.stdout.on("data", (chunk) => (output += chunk))
    child.stderr.on("data", (chunk) => (output += chunk))
    child.on("error", reject)
    child.on("close", (code) => {
      if (code === 0) return resolve()
      reject(new SetupError(`${output.trimEnd()}\n\nls-cli could not be built from src/; the reason is above.`))
    })
  })

/** @param {string} node */
const ensureBundle = async (node) => {
  if (BundleStamp.isCurrent()) return
  await withLock(BundleStamp.lock, async () => {
    if (!BundleStamp.isCurrent()) await bundle(node)
  })
}

const calledFrom = () => {
  const { INIT_CWD: initial, npm_lifecycle_event: script } = process.env
  return (script === "ls-cli" || script === "sim") && initial !== undefined ? initial : process.cwd()
}

/**
 * Runs the program in this process's place.
 *
 * @param {string} node
 * @param {Command} command
 * @param {ReadonlyArray<string>} rest
 */
const run = (node, command, rest) => {
  const args = [...(command.node ?? []), Path.join(root, command.program), ...(command.args ?? []), ...rest]
  const path = [Path.dirname(node), Path.join(root, "node_modules", ".bin"), process.env["PATH"] ?? ""]
  const child = spawn(node, args, {
    // The tools of the repository work on all of it; the product works where it is called.
    // npm starts scripts in the repository, and says in INIT_CWD where it was called.
    cwd: command.program.startsWith("dist/") ? calledFrom() : root,
    env: { ...process.env, PATH: path.join(Path.delimiter) },
    stdio: "inherit"
  })
  /** @type {ReadonlyArray<NodeJS.Signals>} */
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"]
  for (const signal of signals) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the program by itself; a second one would mean "now, without cleaning up".
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal)
    })
  }
  // Who starts it without npm may well leave it running when he goes.
  if (process.env["npm_lifecycle_event"] !== undefined) void Parents.watch(() => child.kill("SIGTERM"))
  child.on("error", fail)
  child.on("exit", (code, signal) => {
    process.exit(signal === null ? (code ?? 1) : 128 + Os.constants.signals[signal])
  })
}

const main = async () => {
  const [name = "", ...rest] = process.argv.slice(2)
  const command = commands.get(name)
  if (command === undefined) {
    throw new SetupError(`There is no command "${name}" here. Choose one of: ${[...commands.keys()].join(", ")}.`)
  }
  const node = await ensure()
  if (command.program.startsWith("dist/")) await ensureBundle(node)
  run(node, command, rest)
}

main().catch(fail)
