/**
 * One seed gives one trace wherever it is played: by the code as it stands here, and bundled and minified for a
 * browser on every Node that this machine has.
 */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { build } from "rolldown"
import * as Scenarios from "../../src/protocol/testing/scenarios/Scenarios.ts"
import * as Simulation from "../../src/protocol/testing/simulation/Simulation.ts"

const root = Path.resolve(import.meta.dirname, "../..")

const SEEDS = [1, 2, 3]

/** Plays the seeds over the first scenarios, and leaves the hashes behind. */
const program = `
import * as Effect from "effect/Effect"
import { Scenarios, Simulation } from "./src/protocol/testing/index.ts"
const hashes = ${JSON.stringify(SEEDS)}.map((seed) =>
  Effect.runSync(Simulation.run({ seed, scenario: Scenarios.all[seed], nodes: 12, keep: "none" })).hash)
globalThis.hashes = hashes.join(" ")
`

/** Those on the path that are of another version than this one, one of each. */
const otherNodes = (): ReadonlyArray<string> => {
  const byVersion = new Map([[process.version, ""]])
  for (const directory of [...(process.env["PATH"] ?? "").split(Path.delimiter), "/usr/local/bin", "/usr/bin"]) {
    const node = Path.join(directory, "node")
    if (!Fs.existsSync(node)) continue
    try {
      const version = execFileSync(node, ["--version"], { encoding: "utf8" }).trim()
      if (!byVersion.has(version)) byVersion.set(version, node)
    } catch {
      // Not one that runs here.
    }
  }
  return [...byVersion.values()].filter((node) => node !== "")
}

describe("a simulation", () => {
  const here = SEEDS.map(
    (seed) => Effect.runSync(Simulation.run({ seed, scenario: Scenarios.all[seed]!, nodes: 12, keep: "none" })).hash
  ).join(" ")
  let code = ""

  beforeAll(async () => {
    const { output } = await build({
      cwd: root,
      input: "\0program",
      plugins: [
        {
          name: "program",
          resolveId: (id) => (id === "\0program" ? id : id.startsWith("./src/") ? Path.join(root, id) : undefined),
          load: (id) => (id === "\0program" ? program : undefined)
        }
      ],
      platform: "browser",
      output: { format: "iife", minify: true },
      write: false
    })
    code = output[0].code
  })

  it("has the same traces on every Node there is", ({ annotate }) => {
    const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-sim-"))
    try {
      const file = Path.join(directory, "program.cjs")
      Fs.writeFileSync(file, `${code}\nprocess.stdout.write(globalThis.hashes)`)
      for (const node of [process.execPath, ...otherNodes()]) {
        assert.strictEqual(execFileSync(node, [file], { encoding: "utf8" }), here, node)
      }
    } finally {
      Fs.rmSync(directory, { recursive: true })
    }
    return annotate(`${1 + otherNodes().length} versions of Node`).then(() => undefined)
  })
})
