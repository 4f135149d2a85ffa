import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as LsCli from "./Commands.ts"
import { PersonHere } from "./Here.ts"
import { Person, testnet } from "./Person.ts"

/** A project that was locked elsewhere, run without node_modules. The tests are one story, in order. */
describe("running a program", { timeout: 90_000 }, () => {
  const project = LsCli.directory("project")
  let reader: Person

  const run = (person: Person, flags: ReadonlyArray<string>, ...args: ReadonlyArray<string>): LsCli.Running =>
    LsCli.startProgram(["--home", person.home, "--bootstrap", person.bootstrap, ...flags, "run", ...args])

  const program = Path.join(project, "app.mjs")

  beforeAll(async () => {
    const bootstrap = await testnet(10)
    const publisher = new PersonHere("publisher", bootstrap)
    reader = new Person("reader", bootstrap)
    await publisher.newKey()
    await publisher.publish(LsCli.newPackage("leaf"))
    const greeter = LsCli.packageOf({ name: "greeter", version: "1.0.0", bin: "cli.js", dependencies: { leaf: "1" } })
    const cli = "#!/usr/bin/env node\nconsole.log(require('leaf'), process.argv.slice(2).join())\n"
    Fs.writeFileSync(Path.join(greeter, "cli.js"), cli)
    await publisher.publish(greeter)
    await publisher.seed()
    const own = { name: "app", private: true, dependencies: { greeter: "1" } }
    Fs.writeFileSync(Path.join(project, "package.json"), JSON.stringify(own))
    Fs.writeFileSync(
      program,
      `import greeter from "greeter"
       if (process.argv[2] === "wait") {
         process.on("SIGTERM", () => { console.log("told to stop"); process.exit(9) })
         setInterval(() => {}, 1000)
       }
       if (process.argv[2] === "die") process.kill(process.pid, "SIGKILL")
       console.log(JSON.stringify([greeter, ...process.argv.slice(2)]))
       if (process.argv[2] === "exit") process.exitCode = 7\n`
    )
    await new PersonHere("locker", bootstrap).says("lock", "--dir", project)
  }, 60_000)
  afterAll(LsCli.cleanUp)

  it("fetches what is locked and not in the store, and gives the program what stands behind it", async () => {
    const lock = Fs.readFileSync(Path.join(project, "libreseed.lock.json"), "utf8")
    const { code, stdout } = await run(reader, [], program, "--home", "x", "--json", "--").ended
    assert.strictEqual(code, 0)
    assert.strictEqual(stdout, '["greeter","--home","x","--json","--"]\n')
    assert.strictEqual(Fs.readFileSync(Path.join(project, "libreseed.lock.json"), "utf8"), lock)
    assert.isFalse(Fs.existsSync(Path.join(project, "node_modules")))
  })

  it("has nothing to fetch then, and says so where no program is given", async () => {
    const { code, stdout } = await run(reader, ["--offline", "--json"], "--dir", project).ended
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(JSON.parse(stdout), { dir: project, packages: 2, made: [], left: [] })
  })

  it("asks nobody from then on, and ends as the program does", async () => {
    const { code, stderr, stdout } = await run(reader, ["--offline"], program, "exit").ended
    assert.deepStrictEqual([code, stdout, stderr], [7, '["greeter","exit"]\n', ""])
    const dead = run(reader, ["--offline"], program, "die")
    assert.strictEqual((await dead.ended).code, null)
  })

  it("passes signals on to the program", async () => {
    const waiting = run(reader, ["--offline"], program, "wait")
    await waiting.document()
    const { code, stdout } = await waiting.stop("SIGTERM")
    assert.deepStrictEqual([code, stdout], [9, '["greeter","wait"]\ntold to stop\n'])
  })

  it("runs a command of a package that the project depends on", async () => {
    const { code, stdout } = await run(reader, ["--offline"], "--dir", project, "greeter", "--version").ended
    assert.deepStrictEqual([code, stdout], [0, "leaf --version\n"])
  })

  it("says what is missing where it may ask nobody, and what is no program", async () => {
    const stranger = new Person("stranger", reader.bootstrap)
    const offline = await run(stranger, ["--offline", "--json"], program).ended
    assert.notStrictEqual(offline.code, 0)
    assert.include(LsCli.failure(offline).message, "greeter@1.0.0")
    const absent = await run(reader, ["--json"], "--dir", project, "absent.js").ended
    assert.deepStrictEqual([absent.code, LsCli.failure(absent).code], [2, "InvalidArgument"])
    const nowhere = await run(reader, ["--json"], "--dir", LsCli.directory("empty"), program).ended
    assert.include(LsCli.failure(nowhere).hint, "ls-cli lock")
  })

  it("refuses, frozen, to run on a lock file that is not what package.json asks for", async () => {
    const own = { name: "app", private: true, dependencies: { greeter: "1", leaf: "1" } }
    Fs.writeFileSync(Path.join(project, "package.json"), JSON.stringify(own))
    const { code, stderr } = await run(reader, ["--offline", "--json"], "--frozen", program).ended
    assert.strictEqual(code, 2)
    assert.include(JSON.parse(stderr).error.message, "libreseed.lock.json")
    assert.strictEqual((await run(reader, ["--offline"], program).ended).code, 0)
  })
})
