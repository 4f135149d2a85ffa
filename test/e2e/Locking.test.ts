import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as LsCli from "./Commands.ts"
import { PersonHere } from "./Here.ts"
import { type Person, testnet } from "./Person.ts"

interface LockDocument {
  readonly dir: string
  readonly packages: number
  readonly added: ReadonlyArray<string>
  readonly removed: ReadonlyArray<string>
  readonly warnings: ReadonlyArray<string>
}

interface InstallDocument {
  readonly installed: ReadonlyArray<{ readonly name: string; readonly version: string }>
}

/** The lock file of a project whose dependencies go on being published. The tests are one story, in order. */
describe("locking a project", { timeout: 90_000 }, () => {
  const project = LsCli.directory("project")
  const lockFile = Path.join(project, "libreseed.lock.json")
  let publisher: Person
  let user: Person
  let seeding: LsCli.Running
  let key = ""

  const wish = (dependencies: Readonly<Record<string, string>>) =>
    Fs.writeFileSync(Path.join(project, "package.json"), JSON.stringify({ name: "project", dependencies }))
  const lock = (...args: ReadonlyArray<string>) => user.json<LockDocument>("lock", ...args, "--dir", project)
  const text = () => Fs.readFileSync(lockFile, "utf8")
  const publishAndSeed = async (...paths: ReadonlyArray<string>) => {
    for (const path of paths) await publisher.publish(path)
    await seeding?.stop()
    seeding = await publisher.seed()
  }

  beforeAll(async () => {
    const bootstrap = await testnet()
    publisher = new PersonHere("publisher", bootstrap)
    user = new PersonHere("user", bootstrap)
    key = await publisher.newKey()
    await publishAndSeed(
      LsCli.packageOf({ name: "top", version: "1.0.0", dependencies: { left: "^1.0.0", right: "^1.0.0" } }),
      LsCli.packageOf({ name: "left", version: "1.0.0", peerDependencies: { right: "^1.0.0" } }),
      LsCli.newPackage("right")
    )
  })

  afterAll(LsCli.cleanUp)

  it("writes down everything that package.json comes to", async () => {
    wish({ top: "^1.0.0" })
    const ids = ["left@1.0.0(right@1.0.0)", "right@1.0.0", "top@1.0.0"]
    const document = await lock()
    assert.sameMembers([...document.added], ids)
    assert.deepStrictEqual(
      { ...document, added: [] },
      { dir: project, packages: 3, added: [], removed: [], warnings: [] }
    )
    // What is locked is in use, and stays in the store; node_modules are not for a lock to make.
    const notes = Path.join(user.home, "projects")
    assert.deepStrictEqual(
      Fs.readdirSync(notes).map((name) => Fs.readFileSync(Path.join(notes, name), "utf8")),
      [project]
    )
    assert.isFalse(Fs.existsSync(Path.join(project, "node_modules")))
    const { answers, packages, wishes } = JSON.parse(text())
    assert.deepStrictEqual(wishes, { dependencies: { top: "^1.0.0" } })
    assert.sameMembers(Object.keys(packages), ids)
    assert.deepStrictEqual(packages["top@1.0.0"].dependencies, { left: ids[0], right: ids[1] })
    assert.deepStrictEqual(packages["left@1.0.0(right@1.0.0)"].dependencies, { right: ids[1] })
    const { infohash } = await user.resolve("top")
    assert.deepInclude(packages["top@1.0.0"], { publisher: key, infohash })
    assert.match(packages["top@1.0.0"].integrity, /^sha512-/)
    assert.deepStrictEqual(answers, {
      "left@^1.0.0": "left@1.0.0",
      "right@^1.0.0": "right@1.0.0",
      "top@^1.0.0": "top@1.0.0"
    })
  })

  it("says the same, whatever is published later", async () => {
    const before = text()
    await publishAndSeed(
      LsCli.packageOf({ name: "left", version: "1.1.0", peerDependencies: { right: "^1.0.0" } }),
      LsCli.packageOf({ name: "also", version: "1.0.0", dependencies: { left: "^1.1.0" } })
    )
    assert.strictEqual((await user.resolve("left@^1.0.0")).version, "1.1.0")
    const document = await lock()
    assert.deepStrictEqual(document, { dir: project, packages: 3, added: [], removed: [], warnings: [] })
    assert.strictEqual(text(), before)
    // Somebody else with the same file, and another with none.
    const colleague = new PersonHere("colleague", user.bootstrap)
    await colleague.json("lock", "--dir", project)
    assert.strictEqual(text(), before)
    const anew = LsCli.directory("anew")
    Fs.copyFileSync(Path.join(project, "package.json"), Path.join(anew, "package.json"))
    const fresh = await user.json<LockDocument>("lock", "--dir", anew)
    assert.include(fresh.added, "left@1.1.0(right@1.0.0)")
  })

  it("installs the locked version of what is locked", async () => {
    const install = async (spec: string) => {
      const { installed } = await user.json<InstallDocument>("install", spec, "--no-save", "--dir", project)
      return installed.map(({ name, version }) => `${name}@${version}`)
    }
    assert.deepStrictEqual(await install("left@^1.0.0"), ["left@1.0.0"])
    assert.deepStrictEqual(await install("left@>=1.0.0"), ["left@1.1.0"])
  })

  it("locks what is new and moves nothing else", async () => {
    const before = JSON.parse(text())
    wish({ top: "^1.0.0", also: "*" })
    const { added, removed } = await lock()
    assert.sameMembers([...added], ["also@1.0.0(right@1.0.0)", "left@1.1.0(right@1.0.0)"])
    assert.deepStrictEqual(removed, [])
    const after = JSON.parse(text())
    for (const [id, locked] of Object.entries(before.packages)) assert.deepStrictEqual(after.packages[id], locked)
    for (const [wanted, answer] of Object.entries(before.answers)) assert.strictEqual(after.answers[wanted], answer)

    wish({ top: "^1.0.0" })
    const shrunk = await lock()
    assert.sameMembers([...shrunk.removed], [...added])
    assert.deepStrictEqual(JSON.parse(text()), before)
  })

  it("says what is missing, and then leaves the lock file as it was", async () => {
    const before = text()
    wish({ top: "^1.0.0", nowhere: "^1.0.0" })
    const { message } = await user.fails(3, "DependencyNotResolved", "lock", "--dir", project)
    assert.include(message, "nowhere")
    assert.strictEqual(text(), before)
    wish({ top: "^1.0.0" })
  })

  describe("refuses a lock file that is damaged", () => {
    const cases: ReadonlyArray<readonly [string, (text: string) => string]> = [
      ["cut off", (whole) => whole.slice(0, -20)],
      ["that leads nowhere", (whole) => whole.replaceAll('"right@1.0.0": {', '"right@1.0.1": {')],
      ["with a key that is not known", (whole) => whole.replace('"wishes"', '"dreams"')]
    ]
    for (const [title, damage] of cases) {
      it(title, async () => {
        const whole = text()
        const damaged = damage(whole)
        Fs.writeFileSync(lockFile, damaged)
        await user.fails(2, "InvalidLockFile", "lock", "--dir", project)
        await user.fails(2, "InvalidLockFile", "install", "left@^1.0.0", "--dir", project)
        assert.strictEqual(text(), damaged, "it is left for its owner to look at")
        Fs.writeFileSync(lockFile, whole)
      })
    }
  })

  it("refuses a release that is not the locked one", async () => {
    const whole = text()
    const { infohash } = await user.resolve("left@1.0.0")
    Fs.writeFileSync(lockFile, whole.replace(infohash, "ab".repeat(20)))
    await user.fails(4, "LockMismatch", "install", "left@^1.0.0", "--dir", project)
    Fs.writeFileSync(lockFile, whole)
  })
})
