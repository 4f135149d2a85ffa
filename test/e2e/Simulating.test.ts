import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as LsCli from "./Commands.ts"
import * as Here from "./Here.ts"

const module = Path.resolve(import.meta.dirname, "../runtime/simulation/SmallScenarios.ts")

const sim = (...args: ReadonlyArray<string>) => LsCli.startProgram(["sim", ...args]).ended

/** Over scenarios of our own, which take no time: less than a second worker takes to begin. */
const small = (scenario: string, ...args: ReadonlyArray<string>) =>
  sim("--module", module, "--scenario", scenario, "--workers", "1", ...args)

interface Document {
  readonly seeds: number
  readonly failed: ReadonlyArray<number>
  readonly traces: Readonly<Record<string, string>>
  readonly perSecond: number
  readonly played: number
  readonly findings: ReadonlyArray<{
    readonly seed: number
    readonly kind: string
    readonly text: string
    readonly replay: string
  }>
  readonly scenarios: Readonly<Record<string, { readonly seeds: number; readonly figures: object }>>
  readonly shrunk?: { readonly without: ReadonlyArray<string>; readonly report: { readonly nodes: number } }
}

const documentOf = ({ stdout }: LsCli.Ended): Document => JSON.parse(stdout.trimEnd().split("\n").at(-1)!)

/** The arguments of a command that was printed. */
const argumentsOf = (command: string): ReadonlyArray<string> => {
  assert.match(command, /^ls-cli sim --seeds 1 --start \d+ --scenario /)
  return command.split(" ").slice(2)
}

describe("ls-cli sim", { timeout: 60_000 }, () => {
  beforeAll(async () => {
    // Bundles what is stale.
    const ended = await LsCli.start(["--version"]).ended
    assert.strictEqual(ended.code, 0, ended.stderr)
  }, 60_000)

  afterAll(LsCli.cleanUp)

  it("names the scenarios", async () => {
    const ended = await sim("--list")
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.match(ended.stdout, /^crowded-name +\S.+$/m)
    const own = await sim("--list", "--json", "--module", module)
    const names = JSON.parse(own.stdout).scenarios.map(({ name }: { readonly name: string }) => name)
    assert.includeMembers(names, ["sometimes", "fine"])
    assert.notInclude(names, "crowded-name")
  })

  it("ends with one JSON object, with a hash for each seed that every number of workers gives", async () => {
    const play = (workers: string) =>
      sim(
        "--seeds",
        "4",
        "--start",
        "11",
        "--scenario",
        "crowded-name",
        "--nodes",
        "10",
        "--workers",
        workers,
        "--json"
      )
    const [one, two] = [await play("1"), await play("2")]
    assert.strictEqual(one.code, 0, one.stderr)
    assert.strictEqual(one.stderr, "")
    const document = documentOf(one)
    assert.strictEqual(document.seeds, 4)
    assert.deepStrictEqual(document.failed, [])
    assert.deepStrictEqual(Object.keys(document.traces), ["11", "12", "13", "14"])
    for (const hash of Object.values(document.traces)) assert.match(hash, /^[0-9a-f]{64}$/)
    assert.isAbove(document.perSecond, 0)
    assert.strictEqual(document.scenarios["crowded-name"]?.seeds, 4)
    assert.deepStrictEqual(documentOf(two).traces, document.traces)
  })

  it("says in one line that nothing failed", async () => {
    const ended = await small("fine", "--seeds", "3")
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.match(ended.stdout, /^3 seeds, 1 scenario: no failure\. \S+ seeds a second, \S+ virtual hours a second\n$/)
    assert.match(ended.stderr, /^Playing 3 seeds: done in /)
  })

  it("stops at the first failure, and prints what plays it again", async () => {
    const [ended, json] = [
      await small("sometimes", "--seeds", "30"),
      await small("sometimes", "--seeds", "30", "--json")
    ]
    assert.strictEqual(ended.code, 1)
    assert.strictEqual(json.code, 1)
    const { failed, findings, played } = documentOf(json)
    assert.strictEqual(failed.length, 1)
    assert.strictEqual(played, failed[0])
    assert.strictEqual(LsCli.failure(json).code, "SimulationFailed")
    assert.include(
      ended.stdout,
      `Seed ${failed[0]} of sometimes, with 5 nodes, fails after 00:00:01.000:\n  law: all is well`
    )
    assert.include(ended.stdout, findings[0]!.replay)
    assert.include(ended.stderr, `error: Seed ${failed[0]} of sometimes fails: law: all is well: it is not`)
    const again = await sim(...argumentsOf(findings[0]!.replay))
    assert.strictEqual(again.code, 1)
    assert.match(again.stdout, /^00:00:00\.000 world +the number of this seed is \d+\n/)
    assert.include(again.stdout, "X all is well: it is not")
  })

  it("plays all seeds where it is to go on, and lists every failure", async () => {
    const { code, stdout } = await small("sometimes", "--seeds", "30", "--keep-going", "--json")
    assert.strictEqual(code, 1)
    const { failed, findings, played, traces } = documentOf({ code, stdout, stderr: "" })
    assert.strictEqual(played, 30)
    assert.strictEqual(Object.keys(traces).length, 30)
    assert.isAbove(failed.length, 1)
    assert.deepStrictEqual(
      findings.map(({ seed }) => seed),
      failed
    )
  })

  it("makes a failure small, draws it, and plays the small one again", async () => {
    const html = Path.join(LsCli.directory("sim"), "out.html")
    const args = ["--seeds", "2", "--shrink", "--html", html]
    const { code, stdout } = await small("entangled", ...args)
    assert.strictEqual(code, 1)
    assert.match(stdout, /^Made small in \d+ runs:\n/)
    assert.match(stdout, /The plan:\n {2}f7 .*\n {2}s4 .*\n\n/)
    const again = await sim(...argumentsOf(/ls-cli sim .*/.exec(stdout)![0]))
    assert.strictEqual(again.code, 1)
    assert.include(again.stdout, "with 3 nodes")
    const page = Fs.readFileSync(html, "utf8")
    assert.match(page, /^<!doctype html>/i)
    assert.include(page, "entangled")
    const json = documentOf(await small("entangled", "--seeds", "1", "--shrink", "--json"))
    assert.strictEqual(json.shrunk?.report.nodes, 3)
    assert.strictEqual(json.shrunk?.without.length, 20)
  })

  it("draws the one seed that was asked for, also where nothing fails", async () => {
    const html = Path.join(LsCli.directory("sim"), "out.html")
    const drawn = await small("fine", "--seeds", "1", "--html", html)
    assert.strictEqual(drawn.code, 0, drawn.stderr)
    assert.isTrue(Fs.existsSync(html))
    const other = Path.join(LsCli.directory("sim"), "out.html")
    const none = await small("fine", "--seeds", "2", "--html", other)
    assert.strictEqual(none.code, 0)
    assert.include(none.stderr, "was not written")
    assert.isFalse(Fs.existsSync(other))
  })

  it("makes findings of scenarios that throw, end the program or do something real", async () => {
    for (const [scenario, kind] of [
      ["throws", "defect"],
      ["throws-early", "defect"],
      ["exits", "defect"],
      ["reads", "real world"]
    ] as const) {
      const ended = await small(scenario, "--seeds", "2", "--json")
      assert.strictEqual(ended.code, 1, scenario)
      const { failed, findings } = documentOf(ended)
      assert.deepStrictEqual(failed, [1], scenario)
      assert.strictEqual(findings[0]?.kind, kind)
      assert.notInclude(`${findings[0]?.text}${ended.stderr}`, "    at ", "a stack trace has a field of its own")
    }
  })

  it("stops at once when it is interrupted", async () => {
    const running = LsCli.startProgram(["sim", "--module", module, "--scenario", "sleepless", "--seeds", "2"])
    await running.says("it goes round")
    const { code, stderr } = await running.stop("SIGINT")
    assert.strictEqual(code, 130)
    assert.include(stderr, "Interrupted")
  })

  describe("says what is wrong with the command line", () => {
    const cases: ReadonlyArray<readonly [title: string, args: ReadonlyArray<string>, code: string, text: string]> = [
      ["no seeds", ["--seeds", "0"], "InvalidArgument", "--seeds 0"],
      ["too many seeds", ["--seeds", "1000001"], "InvalidArgument", "from 1 to 1000000"],
      ["half a seed", ["--seeds", "1.5"], "Usage", "--seeds"],
      ["seeds that are no number", ["--seeds", "many"], "Usage", "--seeds"],
      ["a start that is no integer", ["--start", "1.5"], "InvalidArgument", "--start 1.5"],
      ["a start below zero", ["--start", "-1"], "InvalidArgument", "--start -1"],
      ["a start past all seeds", ["--start", "9007199254740990"], "InvalidArgument", "2^53−1"],
      ["no nodes", ["--nodes", "0"], "InvalidArgument", "--nodes 0"],
      ["too many nodes", ["--nodes", "1000000000"], "InvalidArgument", "--nodes 1000000000"],
      ["no workers", ["--workers", "0"], "InvalidArgument", "--workers 0"],
      ["an unknown network", ["--network", "ether"], "InvalidArgument", "model or wire"],
      ["a trace of many seeds", ["--trace"], "InvalidArgument", "--seeds 1"],
      ["faults of many seeds", ["--without", "f1"], "InvalidArgument", "--seeds 1"],
      ["what is neither fault nor step", ["--seeds", "1", "--without", "f1,x"], "InvalidArgument", '"x"'],
      ["a page in no directory", ["--html", "/nonexistent/out.html"], "InvalidArgument", "/nonexistent/out.html"],
      ["a module that is not there", ["--module", "nowhere.ts"], "InvalidArgument", "nowhere.ts"]
    ]
    /** Known only to a worker, which begins several times as fast in the bundled program. */
    const withWorker: typeof cases = [
      ["an unknown scenario", ["--scenario", "crowded-nme"], "InvalidArgument", "Did you mean crowded-name?"],
      ["a fault that is not in the plan", ["--seeds", "1", "--without", "f99"], "InvalidArgument", "there is no f99"],
      ["a module without scenarios", ["--module", "vitest.config.ts"], "ScenariosUnusable", "vitest.config.ts"]
    ]
    for (const [title, args, code, text] of [...cases, ...withWorker]) {
      it(title, async () => {
        const ended = cases.some(([each]) => each === title)
          ? await Here.run(["sim", ...args, "--json"])
          : await sim(...args, "--json")
        assert.strictEqual(ended.code, 2, ended.stderr)
        assert.strictEqual(ended.stdout, "")
        const failure = LsCli.failure(ended)
        assert.strictEqual(failure.code, code)
        assert.include(`${failure.message} ${failure.hint}`, text)
      })
    }
  })
})
