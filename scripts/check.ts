/**
 * `npm run check`: format, lint, types, Effect's own diagnostics and the house rules. Every stage runs even when
 * an earlier one fails; each prints one line, and what it found when it found something.
 */
import { spawn } from "node:child_process"
import * as Path from "node:path"
import { inspect, render } from "./house/House.ts"
import { root } from "./setup.js"

/** What a stage found, or nothing. */
type Findings = string | undefined

const bin = (name: string): string => Path.join(root, "node_modules", ".bin", name)

/** Runs a tool; its output is the finding when it fails. */
const tool = (name: string, args: ReadonlyArray<string>): Promise<Findings> =>
  new Promise((resolve) => {
    const child = spawn(bin(name), args, {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      shell: process.platform === "win32"
    })
    let output = ""
    child.stdout.on("data", (chunk) => (output += chunk))
    child.stderr.on("data", (chunk) => (output += chunk))
    child.on("error", (error) => resolve(`${name} could not be started: ${error.message}`))
    child.on("close", (code) => resolve(code === 0 ? undefined : output.trim() || `${name} ended with ${code}`))
  })

/** Effect's diagnostics, over all files as one project: each run loads the types of effect anew. */
const effectDiagnostics = (): Promise<Findings> => {
  const options = ["--format", "text", "--severity", "error,warning", "--strict"]
  return tool("effect-tsgo", ["diagnostics", "--project", "tsconfig.effect.json", ...options])
}

const houseRules = async (): Promise<Findings> => {
  const violations = inspect(root)
  return violations.length === 0 ? undefined : violations.map(render).join("\n")
}

const stages: ReadonlyArray<readonly [name: string, run: () => Promise<Findings>]> = [
  ["format", () => tool("oxfmt", ["--check"])],
  ["lint", () => tool("oxlint", ["--deny-warnings"])],
  ["types", () => tool("tsc", ["-b"])],
  ["effect", effectDiagnostics],
  ["house", houseRules]
]

let failed = 0
for (const [name, run] of stages) {
  const started = performance.now()
  const findings = await run()
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  process.stdout.write(`${findings === undefined ? "ok  " : "FAIL"} ${name} ${seconds} s\n`)
  if (findings === undefined) continue
  failed += 1
  process.stdout.write(`${findings}\n\n`)
}
process.stdout.write(failed === 0 ? "All checks passed.\n" : `${failed} of ${stages.length} checks failed.\n`)
process.exitCode = failed === 0 ? 0 : 1
