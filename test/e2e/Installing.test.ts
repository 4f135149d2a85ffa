import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as LsCli from "./Commands.ts"
import { Person, testnet } from "./Person.ts"

interface Report {
  readonly installed: ReadonlyArray<{ readonly name: string; readonly version: string }>
  readonly packages: number
  readonly added: ReadonlyArray<string>
  readonly removed: ReadonlyArray<string>
  readonly upToDate: boolean
}

/** A project that is worked on as its owner would. The tests are one story, in order. */
describe("the packages of a project", { timeout: 60_000 }, () => {
  const project = LsCli.directory("project")
  const modules = Path.join(project, "node_modules")
  let user: Person

  const read = (name: string) => Fs.readFileSync(Path.join(project, name), "utf8")
  const install = (...args: ReadonlyArray<string>) => user.json<Report>("install", ...args, "--dir", project)

  beforeAll(async () => {
    const bootstrap = await testnet()
    const publisher = new Person("publisher", bootstrap)
    user = new Person("user", bootstrap)
    await publisher.newKey()
    const paths = [
      LsCli.packageOf({ name: "leaf", version: "1.0.0" }),
      LsCli.packageOf({ name: "leaf", version: "2.0.0" }),
      LsCli.packageOf({ name: "top", version: "1.0.0", dependencies: { leaf: "^1.0.0" } })
    ]
    for (const path of paths) await publisher.publish(path)
    await publisher.seed()
    Fs.writeFileSync(Path.join(project, "package.json"), '{\n    "name": "project"\n}\n')
  })

  afterAll(LsCli.cleanUp)

  it("are installed with all that they need, and written down", async () => {
    const report = await install("top", "leaf@^2")
    assert.deepStrictEqual(report.added, ["leaf@1.0.0", "leaf@2.0.0", "top@1.0.0"])
    assert.strictEqual(
      read("package.json"),
      '{\n    "name": "project",\n    "dependencies": {\n        "leaf": "^2.0.0",\n        "top": "^1.0.0"\n    }\n}\n'
    )
    const program = Path.join(project, "program.mjs")
    Fs.writeFileSync(
      program,
      `import { createRequire } from "node:module"
       const here = createRequire(import.meta.url)
       const inner = createRequire(here.resolve("top/package.json"))
       console.log(here("leaf/package.json").version, inner("leaf/package.json").version)`
    )
    assert.strictEqual(execFileSync(process.execPath, [program], { encoding: "utf8" }), "2.0.0 1.0.0\n")
  })

  it("are not touched where nothing is to be done", async () => {
    const before = Fs.statSync(Path.join(modules, ".libreseed/state.json")).mtimeMs
    const report = await install()
    assert.isTrue(report.upToDate)
    assert.strictEqual(report.packages, 3)
    assert.strictEqual(Fs.statSync(Path.join(modules, ".libreseed/state.json")).mtimeMs, before)
  })

  it("come back from the store alone, just as the lock file has them", async () => {
    const [state, lock] = [read("node_modules/.libreseed/state.json"), read("libreseed.lock.json")]
    Fs.rmSync(modules, { recursive: true })
    const alone = new Person("nobody", "127.0.0.1:1", user.home)
    const report = await alone.json<Report>("install", "--frozen", "--dir", project)
    assert.strictEqual(report.added.length, 3)
    assert.deepStrictEqual([read("node_modules/.libreseed/state.json"), read("libreseed.lock.json")], [state, lock])
  })

  it("are shown, explained and verified", async () => {
    const { dependencies } = await user.json<{ dependencies: ReadonlyArray<object> }>("list", "--dir", project)
    assert.lengthOf(dependencies, 2)
    const why = await user.says("why", "leaf", "--dir", project)
    assert.include(why.stdout, "the project > top@1.0.0 > leaf@1.0.0")
    assert.include(why.stdout, "the project > leaf@2.0.0")
    const verified = await user.json<{ problems: ReadonlyArray<unknown> }>("verify", "--dir", project)
    assert.deepStrictEqual(verified.problems, [])
    const file = Path.join(modules, "leaf/package.json")
    const text = Fs.readFileSync(file, "utf8")
    Fs.rmSync(file)
    Fs.writeFileSync(file, `${text} `)
    const refused = await user.run("verify", "--dir", project)
    assert.strictEqual(refused.code, 4)
    assert.match(refused.stdout, /leaf\/package\.json has other content {2}\(leaf@2\.0\.0\)/)
  })

  it("are compared with what there is by now, and taken out again", async () => {
    Fs.writeFileSync(
      Path.join(project, "package.json"),
      JSON.stringify({ dependencies: { top: "^1.0.0", leaf: "^1.0.0" } })
    )
    const { outdated } = await user.json<{ outdated: ReadonlyArray<object> }>("outdated", "--dir", project)
    assert.deepStrictEqual(outdated, [
      { name: "leaf", range: "^1.0.0", current: "2.0.0", wanted: "1.0.0", latest: "2.0.0" }
    ])
    const error = await user.fails(2, "LockOutdated", "install", "--frozen", "--dir", project)
    assert.include(error.message, "leaf is asked for as ^1.0.0 and locked for ^2.0.0")
    assert.deepStrictEqual((await user.json<Report>("update", "--dir", project)).removed, ["leaf@2.0.0"])
    const { removed } = await user.json<Report>("uninstall", "top", "--dir", project)
    assert.deepStrictEqual(removed, ["top@1.0.0"])
    assert.deepStrictEqual(JSON.parse(read("package.json")), { dependencies: { leaf: "^1.0.0" } })
    assert.deepStrictEqual(Fs.readdirSync(modules).toSorted(), [".libreseed", "leaf"])
  })
})
